"""The gateway in front of every read of patient data: decide → record → do.

`Gateway.open` asks the policies, records a denial at once, and otherwise opens a transaction under
the role that may see the resource: a clinic's reader, the auditor, or the viewer of a family. The
grant it yields reads and records in one statement. Whoever leaves the block without an error has it
committed; answer only after that. `Gateway.person` is for one patient or person, whose consents and
guardians are facts of the decision: its grant holds a ruling for each state they may be in, and the
statement that reads picks the one of the state it meets. What cannot be recorded is not answered
(NotRecorded), and what is not yours is not there (NotThere).
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NoReturn
from uuid import UUID

import psycopg
import structlog
from psycopg import sql

from api.asking import Access, Caller, event_of, origin_of, request_of, ruling_parameters
from api.database import Connection, Pool
from api.directory import ClinicEntry, Directory
from api.identity.principals import Principal
from api.recording import Event, record, recorded
from infra.errors import InvalidInput, NotRecorded, NotThere
from infra.log import where
from infra.roles import ClinicKind, Group, RoleNames, clinic_schema
from policies.access.decide import Policies
from policies.words import Action, Decision

__all__ = ["Access", "Caller", "Gateway", "Grant", "PersonGrant", "Segment", "origin_of"]

_SEGMENT = "select segment_id, slug, profile_dependent from segment where slug = %s and archived_at is null"
_NO_PATH = "pg_temp"

log = structlog.get_logger()


@dataclass(frozen=True)
class Segment:
    """The segment that an access turned out to mean."""

    segment_id: UUID
    slug: str
    profile_dependent: bool


class Grant:
    """The right to one recorded read, inside its transaction. Only the gateway makes one."""

    def __init__(
        self,
        connection: Connection,
        event: Event,
        caller: Caller,
        clinic: ClinicEntry | None,
        segment: Segment | None,
    ) -> None:
        self._connection = connection
        self._event = event
        self.caller = caller
        self.clinic = clinic
        self.segment = segment
        self.used = False

    async def read(self, query: sql.Composable, order: sql.Composable, **values: Any) -> list[dict[str, Any]]:
        """Rows that disclose no single patient, recorded as one event."""
        return await self._read(query, order, values, disclosing=False)

    async def disclose(self, query: sql.Composable, order: sql.Composable, **values: Any) -> list[dict[str, Any]]:
        """Rows with a `patient_id`, each of these patients recorded with the event."""
        return await self._read(query, order, values, disclosing=True)

    async def _read(
        self, query: sql.Composable, order: sql.Composable, values: dict[str, Any], *, disclosing: bool
    ) -> list[dict[str, Any]]:
        _use(self)
        statement = recorded(query, order, disclosing=disclosing)
        found = await self._connection.execute(statement, {**values, **self._event.parameters()})
        return await found.fetchall()


class PersonGrant:
    """The right to one recorded read of one person, in whatever state permits it. Only the gateway makes one."""

    def __init__(self, pool: Pool, context: dict[str, str], caller: Caller, parameters: dict[str, Any]) -> None:
        self._pool = pool
        self._context = context
        self._parameters = parameters
        self.caller = caller
        self.used = False

    async def disclose(self, statement: str, **values: Any) -> dict[str, Any]:
        """The row of the person, if the ruling for the state they are in permits; committed with its event.

        `statement` is one of `recording.recorded_by_state`, as text: the same text is prepared once.

        Raises:
            NotThere: nobody, or not permitted in that state; recorded either way.
            NotRecorded: the database refused, or could not answer in time.
        """
        _use(self)
        with _closing_on_failure():
            async with self._pool.connection() as connection:
                # One round trip: an unnamed transaction that the pipeline's end commits.
                async with connection.pipeline():
                    await _enter(connection, self._context)
                    found = await connection.execute(statement, {**self._parameters, **values})
                row = await found.fetchone()
        if row is None:
            raise NotThere("no such thing")
        return row


def _use(grant: Grant | PersonGrant) -> None:
    if grant.used:
        raise RuntimeError("a grant is good for one read")
    grant.used = True


class Gateway:
    """Decides, records and opens."""

    def __init__(self, pool: Pool, names: RoleNames, policies: Policies, directory: Directory) -> None:
        self._pool = pool
        self._names = names
        self._policies = policies
        self._directory = directory

    def permits(self, principal: Principal, access: Access) -> bool:
        """Whether the policies permit an access: for lists and links, never instead of `open`."""
        return self._policies.decide(request_of(Caller(principal, UUID(int=0)), access)).permitted

    @asynccontextmanager
    async def open(self, caller: Caller, access: Access) -> AsyncIterator[Grant]:
        """A grant for one read; committed, with its event, when the block ends.

        Raises:
            NotThere: denied, or no such clinic or segment, or the block found no such thing; recorded in each case.
            InvalidInput: the block found fault with the request; recorded as a denial.
            NotRecorded: the database refused, or could not answer in time.
        """
        clinic = await self._directory.find(access.resource.clinic)
        request = request_of(caller, access)
        event = event_of(caller, request, clinic, self._policies.decide(request))
        if event.decision == Decision.DENY:
            await self._deny(event)
            raise NotThere("no such thing")
        grant = None
        try:
            async with self._granted(caller, access, clinic, event) as grant:
                yield grant
        except (InvalidInput, NotThere):
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
        request = request_of(caller, access)
        rulings = self._policies.in_every_state(request)
        event = event_of(caller, request, clinic, rulings.rulings[0])
        if not rulings.permitted or (clinic is None and access.resource.clinic is not None):
            await self._deny(event)
            raise NotThere("no such thing")
        context = self._viewing(caller, clinic)
        return PersonGrant(self._pool, context, caller, {**event.parameters(), **ruling_parameters(rulings)})

    async def refuse(self, caller: Caller, access: Access) -> NoReturn:
        """Record a request whose cursor, say, is not the caller's as the denial that it is.

        Raises:
            NotThere: always.
            NotRecorded: the database refused, or could not answer in time.
        """
        request = request_of(caller, access)
        clinic = await self._directory.find(access.resource.clinic)
        await self._deny(_denied(event_of(caller, request, clinic, self._policies.in_every_state(request).rulings[0])))
        raise NotThere("no such thing")

    @asynccontextmanager
    async def _granted(
        self, caller: Caller, access: Access, clinic: ClinicEntry | None, event: Event
    ) -> AsyncIterator[Grant]:
        """The grant of what was permitted, unless its segment is not there: that is recorded as well."""
        with _closing_on_failure():
            async with self._pool.connection() as connection, connection.transaction():
                await _enter(connection, self._context(caller, access, clinic))
                segment = await _segment(connection, access)
                there = segment is not None or access.resource.segment is None
                if there:
                    grant = Grant(connection, _named(event, segment), caller, clinic, segment)
                    yield grant
                    if not grant.used:
                        raise NotRecorded("nothing was read, so nothing was recorded")
                else:
                    await record(connection, event)
        if not there:
            raise NotThere("no such thing")

    async def _deny(self, event: Event) -> None:
        with _closing_on_failure():
            async with self._pool.connection() as connection:
                await record(connection, event)

    def _context(self, caller: Caller, access: Access, clinic: ClinicEntry | None) -> dict[str, str]:
        """Who may see the resource, to be until the transaction ends; nothing where it is no patient's data."""
        if access.action is Action.AUDIT_SEARCH:
            role = {"role": self._names.of(Group.AUDITOR), "search_path": _NO_PATH}
            if clinic is None:
                return {**role, "cloister.audit_scope": "platform"}
            return {**role, "cloister.audit_scope": "clinic", "cloister.clinic_id": str(clinic.clinic_id)}
        if access.resource.person is not None:
            return self._viewing(caller, None)
        if clinic is None:
            return {}
        reader = self._names.clinic(clinic.slug, ClinicKind.READER)
        return {"role": reader, "search_path": f"{clinic_schema(clinic.slug)}, {_NO_PATH}"}

    def _viewing(self, caller: Caller, clinic: ClinicEntry | None) -> dict[str, str]:
        """The viewer of one clinic, or the role of the caller's own family."""
        if clinic is not None:
            return {"role": self._names.of(Group.VIEWER), "cloister.clinic_id": str(clinic.clinic_id)}
        return {"role": self._names.of(Group.FAMILY), "cloister.person_id": str(caller.principal.person_id or "")}


@cache
def _entering(settings: tuple[str, ...]) -> str:
    """The statement that sets these until the transaction ends."""
    return "select " + ", ".join(f"set_config('{name}', %s, true)" for name in settings)


async def _enter(connection: Connection, context: dict[str, str]) -> None:
    if context:
        await connection.execute(_entering(tuple(context)), list(context.values()))


@contextmanager
def _closing_on_failure() -> Iterator[None]:
    """Turn any failure of the database into NotRecorded, without its text, which may hold values."""
    try:
        yield
    except psycopg.Error as error:
        log.error("access not recorded", sqlstate=error.sqlstate, **where(error))
        raise NotRecorded("the access could not be recorded") from None


def _named(event: Event, segment: Segment | None) -> Event:
    return event if segment is None else replace(event, resource_id=segment.slug)


def _denied(event: Event) -> Event:
    """The event of what no policy was asked about: its cursor, say, is not the caller's."""
    return replace(event, decision=Decision.DENY.value, policies=[])


async def _segment(connection: Connection, access: Access) -> Segment | None:
    # A text with a NUL names nothing that PostgreSQL could hold.
    if access.resource.segment is None or "\x00" in access.resource.segment:
        return None
    row = await (await connection.execute(_SEGMENT, [access.resource.segment])).fetchone()
    return Segment(**row) if row else None
