"""The gateway in front of every read of patient data: decide → record → do.

`Gateway.open` asks the policies, records a denial at once, and otherwise opens a transaction under
the role that may see the resource: a clinic's reader, or the auditor. The grant it yields reads and
records in one statement. Whoever leaves the block without an error has it committed; answer only
after that. What cannot be recorded is not answered (NotRecorded), and what is not yours is not
there (NotThere).
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import sql

from api.database import Connection, Pool
from api.directory import ClinicEntry, Directory
from api.identity.principals import Principal
from api.recording import Event, record, recorded
from infra.errors import InvalidInput, NotRecorded, NotThere
from infra.log import where
from infra.roles import ClinicKind, Group, RoleNames, clinic_schema
from policies.access.decide import Policies, Ruling
from policies.access.model import PLATFORM, Request, Resource
from policies.words import Action, Category, Decision, Purpose

# What an action discloses beyond the fields it asks for.
CATEGORIES = {
    Action.SEGMENT_LIST: [Category.AGGREGATE],
    Action.SEGMENT_READ: [Category.AGGREGATE],
    Action.MEMBER_LIST: [Category.MEMBERSHIP],
}
_ENTER = "select set_config('role', %s, true), set_config('search_path', %s, true)"
_CONTEXT = "select set_config('cloister.clinic_id', %s, true), set_config('cloister.audit_scope', %s, true)"
_SEGMENT = "select segment_id, slug, profile_dependent from segment where slug = %s and archived_at is null"

log = structlog.get_logger()


@dataclass(frozen=True)
class Caller:
    """Who asks, and with which request from where."""

    principal: Principal
    request_id: UUID
    origin: str | None = None


@dataclass(frozen=True)
class Access:
    """What is asked for."""

    action: Action
    resource: Resource = PLATFORM
    fields: frozenset[str] = frozenset()


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
        if self.used:
            raise RuntimeError("a grant is good for one read")
        self.used = True
        statement = recorded(query, order, disclosing=disclosing)
        found = await self._connection.execute(statement, {**values, **self._event.parameters()})
        return await found.fetchall()


class Gateway:
    """Decides, records and opens."""

    def __init__(self, pool: Pool, names: RoleNames, policies: Policies, directory: Directory) -> None:
        self._pool = pool
        self._names = names
        self._policies = policies
        self._directory = directory

    def permits(self, principal: Principal, access: Access) -> bool:
        """Whether the policies permit an access: for lists and links, never instead of `open`."""
        return self._policies.decide(_request(principal, access)).permitted

    @asynccontextmanager
    async def open(self, caller: Caller, access: Access) -> AsyncIterator[Grant]:
        """A grant for one read; committed, with its event, when the block ends.

        Raises:
            NotThere: denied, or no such clinic or segment; recorded either way.
            InvalidInput: the block found fault with the request, say its cursor; recorded as a denial.
            NotRecorded: the database refused, or could not answer in time.
        """
        clinic = await self._directory.find(access.resource.clinic)
        request = _request(caller.principal, access)
        event = _event(caller, request, clinic, self._policies.decide(request))
        if event.decision == Decision.DENY:
            await self._deny(event)
            raise NotThere("no such thing")
        try:
            async with self._granted(caller, access, clinic, event) as grant:
                yield grant
        except InvalidInput:
            await self._deny(replace(_named(event, grant.segment), decision=Decision.DENY.value, policies=[]))
            raise

    @asynccontextmanager
    async def _granted(
        self, caller: Caller, access: Access, clinic: ClinicEntry | None, event: Event
    ) -> AsyncIterator[Grant]:
        """The grant of what was permitted, unless its segment is not there: that is recorded as well."""
        with _closing_on_failure():
            async with self._pool.connection() as connection, connection.transaction():
                await self._enter(connection, access, clinic)
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

    async def _enter(self, connection: Connection, access: Access, clinic: ClinicEntry | None) -> None:
        """Become who may see the resource, until the transaction ends."""
        if access.action is Action.AUDIT_SEARCH:
            context = ["", "platform"] if clinic is None else [str(clinic.clinic_id), "clinic"]
            await connection.execute(_CONTEXT, context)
            await connection.execute(_ENTER, [self._names.of(Group.AUDITOR), "pg_temp"])
        elif clinic is not None:
            reader = self._names.clinic(clinic.slug, ClinicKind.READER)
            await connection.execute(_ENTER, [reader, f"{clinic_schema(clinic.slug)}, pg_temp"])


@contextmanager
def _closing_on_failure() -> Iterator[None]:
    """Turn any failure of the database into NotRecorded, without its text, which may hold values."""
    try:
        yield
    except psycopg.Error as error:
        log.error("access not recorded", sqlstate=error.sqlstate, **where(error))
        raise NotRecorded("the access could not be recorded") from None


def origin_of(address: str | None) -> str | None:
    """An address as the log stores it; None if it is none (a socket's name)."""
    try:
        return str(ip_address(address or ""))
    except ValueError:
        return None


def _request(principal: Principal, access: Access) -> Request:
    purpose = _purpose(principal, access.action)
    return Request(principal.subject, access.action, access.resource, purpose, access.fields)


def _event(caller: Caller, request: Request, clinic: ClinicEntry | None, ruling: Ruling) -> Event:
    """The event of a request; one for a clinic that does not exist is a denial."""
    resource = request.resource
    permitted = ruling.permitted and (clinic is not None or resource.clinic is None)
    return Event(
        principal_id=caller.principal.principal_id,
        principal_kind=caller.principal.kind,
        role=caller.principal.role_for(resource),
        action=request.action.value,
        resource_type=resource.type,
        # A segment's name is known only once it was found: what was merely typed is not logged.
        resource_id=clinic.slug if clinic and resource.segment is None else None,
        clinic_id=clinic.clinic_id if clinic else None,
        purpose=request.purpose.value,
        decision=(Decision.PERMIT if permitted else Decision.DENY).value,
        policies=list(ruling.policies),
        policy_version=ruling.policy_version,
        categories=sorted([*request.categories, *CATEGORIES.get(request.action, [])]),
        request_id=caller.request_id,
        session_id=caller.principal.session_id,
        origin=caller.origin,
    )


def _purpose(principal: Principal, action: Action) -> Purpose:
    if principal.key is not None:
        return principal.key.purpose
    return Purpose.AUDIT if action is Action.AUDIT_SEARCH else Purpose.OPERATIONS


def _named(event: Event, segment: Segment | None) -> Event:
    return event if segment is None else replace(event, resource_id=segment.slug)


async def _segment(connection: Connection, access: Access) -> Segment | None:
    # A text with a NUL names nothing that PostgreSQL could hold.
    if access.resource.segment is None or "\x00" in access.resource.segment:
        return None
    row = await (await connection.execute(_SEGMENT, [access.resource.segment])).fetchone()
    return Segment(**row) if row else None
