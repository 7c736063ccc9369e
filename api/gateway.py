"""The gateway in front of every read and write of patient data: decide → record → do.

`Gateway.open` asks the policies, records a denial at once, and otherwise opens a transaction under
the role that may see the resource: a clinic's reader, the auditor, or the viewer of a family. The
grant it yields reads and records in one statement. Whoever leaves the block without an error has it
committed; answer only after that. `Gateway.person` is for one patient or person, whose consents and
guardians are facts of the decision: its grant holds a ruling for each state they may be in, and the
statement that reads picks the one of the state it meets. `Gateway.work` is for changes: a transaction
with its event and all that it does, or nothing of it. What cannot be recorded is not answered
(NotRecorded), and what is not yours is not there (NotThere).
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import NoReturn
from uuid import UUID

from psycopg import sql

from api.asking import (
    OF_A_DAY,
    OF_MARTS,
    OF_RECORDS,
    OF_THE_LOG,
    Access,
    Caller,
    event_of,
    origin_of,
    request_of,
    ruling_parameters,
)
from api.database import Connection, Pool
from api.directory import ClinicEntry, Directory, at_present
from api.grants import Grant, PersonGrant, Segment, closing_on_failure, enter
from api.identity.principals import Principal
from api.recording import Event, record
from api.work import Work
from infra.errors import Gone, InvalidInput, NotRecorded, NotThere, Refused
from infra.roles import ClinicKind, Group, RoleNames, clinic_schema
from policies.access.decide import Policies, Ruling
from policies.access.entities import REMEMBERED
from policies.access.model import NO_TERMS, Request
from policies.access.states import FACTS
from policies.words import Action, Decision

__all__ = ["Access", "Caller", "Gateway", "Grant", "PersonGrant", "Segment", "Work", "origin_of"]

_SEGMENT = """
select segment_id, slug, archived_at is not null as archived
from segment where slug = %s and (archived_at is null or %s)"""
_NO_PATH = "pg_temp"
# Whoever takes what is given to them so slowly holds up the clean-up of old rows: they are not waited for.
_LASTING = "set transaction isolation level repeatable read; set local idle_in_transaction_session_timeout = '60s'"
_SHARING = sql.SQL("set transaction isolation level repeatable read; set transaction snapshot {}")
# Stands for every clinic that is none: what was typed is not remembered with its ruling.
_NOWHERE = "-"


class Gateway:
    """Decides, records and opens."""

    def __init__(self, pool: Pool, names: RoleNames, policies: Policies, directory: Directory) -> None:
        self._pool = pool
        self._names = names
        self._policies = policies
        self._directory = directory
        self._remembered = lru_cache(REMEMBERED)(policies.decide)

    def permits(self, principal: Principal, access: Access) -> bool:
        """Whether the policies permit an access: for lists and links, never instead of `open`."""
        return self._policies.decide(request_of(Caller(principal, UUID(int=0)), access)).permitted

    @asynccontextmanager
    async def open(
        self, caller: Caller, access: Access, *, lasting: bool = False, snapshot: str | None = None
    ) -> AsyncIterator[Grant]:
        """A grant for one read; committed, with its event, when the block ends.

        A `lasting` one stays at one moment, whose `snapshot` other grants may share: what is too much for one read
        is read in parts, each decided about, recorded and committed before it is shown.

        Raises:
            NotThere: denied, or no such clinic or segment, or the block found no such thing; recorded in each case.
            InvalidInput, Gone, Refused: the block's own, as it raised them; recorded as a denial.
            NotRecorded: the database refused, or could not answer in time.
        """
        clinic = await self._directory.find(access.resource.clinic)
        request = _of_known_clinic(request_of(caller, access), clinic)
        event = event_of(caller, request, clinic, self._ruling(request))
        if event.decision == Decision.DENY:
            await self._deny(event)
            raise NotThere("no such thing")
        grant = None
        try:
            async with self._granted(caller, access, clinic, event, lasting, snapshot) as grant:
                yield grant
        except (InvalidInput, NotThere, Gone, Refused):
            if grant is not None:  # the block's own finding, of which nothing is recorded yet
                await self._deny(_denied(_named(event, grant.segment)))
            raise

    async def person(self, caller: Caller, access: Access) -> PersonGrant:
        """A grant for one read of a patient of a clinic, or of a person of the caller's family.

        Raises:
            NotThere: denied in every state, or no such clinic; recorded.
            NotRecorded: the database refused, or could not answer in time.
        """
        clinic = await self._directory.find(access.resource.clinic)
        request = _of_known_clinic(request_of(caller, access), clinic)
        rulings = self._policies.in_every_state(request)
        event = event_of(caller, request, clinic, rulings.rulings[0])
        if not rulings.permitted or (clinic is None and access.resource.clinic is not None):
            await self._deny(event)
            raise NotThere("no such thing")
        context = self._viewing(caller, clinic)
        return PersonGrant(self._pool, context, caller, {**event.parameters(), **ruling_parameters(rulings)})

    @asynccontextmanager
    async def work(self, caller: Caller, access: Access) -> AsyncIterator[Work]:
        """The right to change something; committed, with its event, when the block ends without an error.

        Raises:
            NotThere: denied, or the block found no such thing; recorded.
            InvalidInput, Refused: the block's own, as it raised them; recorded as a denial.
            NotRecorded: the database refused, or could not answer in time, or nothing was recorded.
        """
        clinic = await self._directory.find(access.resource.clinic)
        request = _of_known_clinic(request_of(caller, access), clinic)
        by_state = request.action in FACTS
        rulings = self._policies.in_every_state(request) if by_state else None
        event = event_of(caller, request, clinic, rulings.rulings[0] if rulings else self._ruling(request))
        permitted = rulings.permitted if rulings else event.decision == Decision.PERMIT
        if not permitted or (clinic is None and access.resource.clinic is not None):
            await self._deny(_denied(event) if by_state else event)
            raise NotThere("no such thing")
        parameters = {**event.parameters(), **(ruling_parameters(rulings) if rulings else {})}
        work = None
        try:
            with closing_on_failure():
                # The pool rolls back what is not committed.
                async with self._pool.connection() as connection, AsyncExitStack() as pipeline:
                    viewing = self._viewing(caller, clinic)
                    own = self._context(caller, access, clinic) if access.action in OF_MARTS else {}
                    work = Work(connection, pipeline, event, caller, clinic, parameters, viewing, own)
                    if by_state:
                        work.view()
                    elif access.action in OF_MARTS:
                        work.enter(own)
                    else:
                        await work.serve(caller.principal.person_id)
                    try:
                        yield work
                    except NotThere:
                        if not work.denied:
                            raise
                    if not work.recorded:
                        raise NotRecorded("nothing was recorded, so nothing is done")
                    await work.commit()
        except (InvalidInput, NotThere, Refused):
            if work is not None:  # the block's own finding: what it did and recorded is undone
                await self._deny(_denied(replace(event, clinic_id=work.event_clinic_id)))
            raise
        if work.denied:
            raise NotThere("no such thing")

    async def refuse(self, caller: Caller, access: Access) -> NoReturn:
        """Record a request whose cursor, say, is not the caller's as the denial that it is.

        Raises:
            NotThere: always.
            NotRecorded: the database refused, or could not answer in time.
        """
        clinic = await self._directory.find(access.resource.clinic)
        request = _of_known_clinic(request_of(caller, access), clinic)
        await self._deny(_denied(event_of(caller, request, clinic, self._policies.in_every_state(request).rulings[0])))
        raise NotThere("no such thing")

    @asynccontextmanager
    async def _granted(
        self,
        caller: Caller,
        access: Access,
        clinic: ClinicEntry | None,
        event: Event,
        lasting: bool,
        snapshot: str | None,
    ) -> AsyncIterator[Grant]:
        """The grant of what was permitted, unless its segment is not there: that is recorded as well."""
        with closing_on_failure():
            async with self._pool.connection() as connection, connection.transaction():
                shared = await _at_one_moment(connection, snapshot) if lasting or snapshot else None
                if clinic is not None and access.action in OF_A_DAY:
                    clinic = await at_present(connection, clinic)
                await enter(connection, self._context(caller, access, clinic))
                segment = await _segment(connection, access)
                there = segment is not None or access.resource.segment is None
                if there:
                    context = self._context(caller, access, clinic), self._viewing(caller, clinic)
                    grant = Grant(connection, _named(event, segment), caller, clinic, segment, shared, *context)
                    yield grant
                    if not grant.used:
                        raise NotRecorded("nothing was read, so nothing was recorded")
                else:
                    await record(connection, event)
        if not there:
            raise NotThere("no such thing")

    def _ruling(self, request: Request) -> Ruling:
        """Remembered, unless the request holds what somebody merely typed: the name of a segment, or a reason."""
        typed = request.resource.segment is not None or request.terms != NO_TERMS
        return self._policies.decide(request) if typed else self._remembered(request)

    async def _deny(self, event: Event) -> None:
        with closing_on_failure():
            async with self._pool.connection() as connection:
                await record(connection, event)

    def _context(self, caller: Caller, access: Access, clinic: ClinicEntry | None) -> dict[str, str]:
        """Who may see the resource, to be until the transaction ends; nothing where it is no patient's data."""
        if access.action in OF_THE_LOG:
            role = {"role": self._names.of(Group.AUDITOR), "search_path": _NO_PATH}
            if clinic is None:
                return {**role, "cloister.audit_scope": "platform"}
            return {**role, "cloister.audit_scope": "clinic", "cloister.clinic_id": str(clinic.clinic_id)}
        if access.resource.person is not None:
            return self._viewing(caller, None)
        if access.action in OF_RECORDS:
            return self._viewing(caller, clinic)
        if clinic is None:
            return {"cloister.mailbox": "open"} if access.action is Action.MAILBOX_READ else {}
        reader = self._names.clinic(clinic.slug, ClinicKind.READER)
        return {"role": reader, "search_path": f"{clinic_schema(clinic.slug)}, {_NO_PATH}"}

    def _viewing(self, caller: Caller, clinic: ClinicEntry | None) -> dict[str, str]:
        """The viewer of one clinic, or the role of the caller's own family."""
        if clinic is not None:
            return {"role": self._names.of(Group.VIEWER), "cloister.clinic_id": str(clinic.clinic_id)}
        return {"role": self._names.of(Group.FAMILY), "cloister.person_id": str(caller.principal.person_id or "")}


def _named(event: Event, segment: Segment | None) -> Event:
    return event if segment is None else replace(event, resource_id=segment.slug)


def _of_known_clinic(request: Request, clinic: ClinicEntry | None) -> Request:
    if clinic is not None or request.resource.clinic is None:
        return request
    return replace(request, resource=replace(request.resource, clinic=_NOWHERE))


def _denied(event: Event) -> Event:
    """The event of what no policy was asked about: its cursor, say, is not the caller's."""
    return replace(event, decision=Decision.DENY.value, policies=[])


async def _at_one_moment(connection: Connection, snapshot: str | None) -> str:
    """Have the transaction see the moment of a snapshot, or keep its own; the snapshot that it sees."""
    if snapshot is not None:
        await connection.execute(_SHARING.format(sql.Literal(snapshot)), prepare=False)
        return snapshot
    await connection.execute(_LASTING, prepare=False)
    (exported,) = await (await connection.execute("select pg_export_snapshot() as name")).fetchall()
    return str(exported["name"])


async def _segment(connection: Connection, access: Access) -> Segment | None:
    # A text with a NUL names nothing that PostgreSQL could hold.
    if access.resource.segment is None or "\x00" in access.resource.segment:
        return None
    archived_too = access.archived_too or access.action is Action.SEGMENT_READ
    row = await (await connection.execute(_SEGMENT, [access.resource.segment, archived_too])).fetchone()
    return Segment(**row) if row else None
