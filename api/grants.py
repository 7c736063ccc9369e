"""Grants: the right to one recorded read; to work that is recorded, `work.py`. Only the gateway makes one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import sql

from api.asking import Caller
from api.database import Connection, Pool
from api.directory import ClinicEntry
from api.recording import Event, recorded, recorded_each, recorded_gathering, recorded_hiding
from infra.errors import NotRecorded, NotThere
from infra.event_ids import event_id
from infra.log import where

log = structlog.get_logger()


@dataclass(frozen=True)
class Segment:
    """The segment that an access turned out to mean."""

    segment_id: UUID
    slug: str
    archived: bool


class Recorded:
    """What leaves one event."""

    _event: Event

    def name_resource(self, resource_id: str) -> None:
        """Have the event name what it turned out to be about."""
        self._event = replace(self._event, resource_id=resource_id)

    def name_clinic(self, clinic_id: int) -> None:
        """Have the event be of the clinic that it turned out to be about: its auditors see it."""
        self._event = replace(self._event, clinic_id=clinic_id)

    @property
    def event_clinic_id(self) -> int | None:
        """The clinic that the event names, by now."""
        return self._event.clinic_id

    def name_impersonation(self, impersonation_id: UUID) -> None:
        """Have the event name the impersonation that it opens or ends."""
        self._event = replace(self._event, impersonation_id=impersonation_id)


class Grant(Recorded):
    """The right to one recorded read, inside its transaction. Only the gateway makes one."""

    def __init__(
        self,
        connection: Connection,
        event: Event,
        caller: Caller,
        clinic: ClinicEntry | None,
        segment: Segment | None,
        snapshot: str | None,
        own: dict[str, str],
        viewer: dict[str, str],
    ) -> None:
        self._connection = connection
        self._own = own
        self._viewer = viewer
        self._event = event
        self.caller = caller
        self.clinic = clinic
        self.segment = segment
        # Of a grant that lasts: others may read at its moment.
        self.snapshot = snapshot
        self.used = False

    async def look(self, query: sql.SQL | sql.Composed, **values: Any) -> list[dict[str, Any]]:
        """Rows of the clinic's own settings, such as its rules: of no patient, and not recorded."""
        return await (await self._connection.execute(query, values)).fetchall()

    async def candidates(self, query: sql.SQL | sql.Composed, **values: Any) -> list[dict[str, Any]]:
        """Rows with a `patient_id`, of whom only those may be told whom the read that follows discloses."""
        return await (await self._connection.execute(query, values)).fetchall()

    @asynccontextmanager
    async def viewing(self) -> AsyncIterator[None]:
        """See the clinic's register and shared profiles meanwhile, and not its mart."""
        await enter(self._connection, self._viewer)
        yield
        await enter(self._connection, self._own)

    async def read(self, query: sql.Composable, order: sql.Composable, **values: Any) -> list[dict[str, Any]]:
        """Rows that disclose no single patient, recorded as one event."""
        return await self._read(query, order, values, disclosing=False)

    async def disclose(
        self,
        query: sql.Composable,
        order: sql.Composable,
        *,
        hiding: bool = False,
        profiled: bool = False,
        **values: Any,
    ) -> list[dict[str, Any]]:
        """Rows with a `patient_id`, each of these patients recorded with the event.

        With `hiding` they have `confidential` too: what is hidden from guardians is recorded in an event apart.
        With `profiled` they have `profiled`: the event names the profile only where a row shows something of it.
        """
        return await self._read(query, order, values, disclosing=True, hiding=hiding, profiled=profiled)

    async def gather(self, query: sql.Composable, **values: Any) -> dict[str, Any]:
        """All rows of a query with `patient_id` and `line` as one: how many (`members`), and their `lines`.

        Each of these patients is recorded with the event.
        """
        _use(self)
        done = await self._connection.execute(recorded_gathering(query), {**values, **self._event.parameters()})
        (row,) = await done.fetchall()
        return row

    async def each(
        self, query: sql.Composable, order: sql.Composable, *, disclosing: bool = False, **values: Any
    ) -> list[dict[str, Any]]:
        """Rows of a person each, with the column `acting_for`: recorded as an event for each of them.

        With `disclosing` they have more of what their events say: see `recording.recorded_each`.
        """
        _use(self)
        statement = recorded_each(query, order, disclosing=disclosing)
        found = await self._connection.execute(statement, {**values, **self._event.parameters()})
        return await found.fetchall()

    def leave(self) -> None:
        """Leave without an event: nothing was told, and the request goes on to what is recorded."""
        _use(self)

    async def _read(
        self,
        query: sql.Composable,
        order: sql.Composable,
        values: dict[str, Any],
        *,
        disclosing: bool,
        hiding: bool = False,
        profiled: bool = False,
    ) -> list[dict[str, Any]]:
        _use(self)
        given = {**values, **self._event.parameters()}
        if hiding:
            apart = {"hidden__event_id": event_id()}
            found = await self._connection.execute(recorded_hiding(query, order), {**given, **apart})
        else:
            statement = recorded(query, order, disclosing=disclosing, profiled=profiled)
            found = await self._connection.execute(statement, given)
        return await found.fetchall()


class PersonGrant:
    """The right to one recorded read of one person, in whatever state permits it. Only the gateway makes one."""

    def __init__(self, pool: Pool, context: dict[str, str], caller: Caller, parameters: dict[str, Any]) -> None:
        self._pool = pool
        self._context = context
        self._parameters = parameters
        self.caller = caller
        self.used = False

    def narrow(self, log_of: str) -> None:
        """Have the access log be of one person of the family: of a dependent, by the guardianship, or of oneself."""
        self._context = {**self._context, "cloister.log_of": log_of}

    async def disclose(self, statement: str, **values: Any) -> dict[str, Any]:
        """The row of the person, if the ruling for the state they are in permits; committed with its event.

        `statement` is one of `recording.recorded_by_state`, as text: the same text is prepared once.

        Raises:
            NotThere: nobody, or not permitted in that state; recorded either way.
            NotRecorded: the database refused, or could not answer in time.
        """
        _use(self)
        with closing_on_failure():
            async with self._pool.connection() as connection:
                # One round trip: an unnamed transaction that the pipeline's end commits.
                async with connection.pipeline():
                    await enter(connection, self._context)
                    found = await connection.execute(statement, {**self._parameters, **values})
                row = await found.fetchone()
        if row is None:
            raise NotThere("no such thing")
        return row


def _use(grant: Grant | PersonGrant) -> None:
    if grant.used:
        raise RuntimeError("a grant is good for one read")
    grant.used = True


@cache
def entering(settings: tuple[str, ...]) -> str:
    """The statement that sets these until the transaction ends."""
    return "select " + ", ".join(f"set_config('{name}', %s, true)" for name in settings)


async def enter(connection: Connection, context: dict[str, str]) -> None:
    """Become the role that may see what is read, in its context, until the transaction ends."""
    if context:
        await connection.execute(entering(tuple(context)), list(context.values()))


@contextmanager
def closing_on_failure() -> Iterator[None]:
    """Turn any failure of the database into NotRecorded, without its text, which may hold values."""
    try:
        yield
    except psycopg.Error as error:
        log.error("access not recorded", sqlstate=error.sqlstate, **where(error))
        raise NotRecorded("the access could not be recorded") from None
