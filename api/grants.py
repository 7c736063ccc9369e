"""Grants: the right to one recorded read, or to work that is recorded. Only the gateway makes one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import DictRow

from api.asking import Caller
from api.database import Connection, Pool
from api.directory import ClinicEntry
from api.recording import Event, recorded, recorded_hiding, recording
from infra.encryption.data_keys import IndexKey
from infra.errors import CloisterError, NotRecorded, NotThere
from infra.event_ids import event_id
from infra.log import where
from policies.words import Category

log = structlog.get_logger()

Query = str | sql.SQL | sql.Composed
Values = dict[str, Any] | list[str] | None
Cursor = psycopg.AsyncCursor[DictRow]


@dataclass(frozen=True)
class Segment:
    """The segment that an access turned out to mean."""

    segment_id: UUID
    slug: str
    profile_dependent: bool


class Recorded:
    """What leaves one event."""

    _event: Event

    def named(self, resource_id: str) -> None:
        """Have the event name what it turned out to be about."""
        self._event = replace(self._event, resource_id=resource_id)

    def about(self, impersonation_id: UUID) -> None:
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
    ) -> None:
        self._connection = connection
        self._event = event
        self.caller = caller
        self.clinic = clinic
        self.segment = segment
        self.used = False

    async def look(self, query: sql.SQL | sql.Composed, **values: Any) -> list[dict[str, Any]]:
        """Rows of the clinic's own settings, such as its rules: of no patient, and not recorded."""
        return await (await self._connection.execute(query, values)).fetchall()

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
        plain = recorded(query, order, disclosing=disclosing, profiled=profiled)
        statement = recorded_hiding(query, order) if hiding else plain
        apart = {"hidden__event_id": event_id()} if hiding else {}
        found = await self._connection.execute(statement, {**values, **apart, **self._event.parameters()})
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


@dataclass(frozen=True)
class Statement:
    """A statement of a work that waits for the next one that is read, and who takes its rows."""

    query: Query
    values: Values = None
    take: Callable[[list[dict[str, Any]]], None] | None = None


class Work(Recorded):
    """The right to change something of one clinic or person, in one transaction with its event.

    Where the policies ask for facts, `find` comes first: it looks, rules and records under the role that
    sees the one it is about, and goes on as the service for that clinic and person alone. Elsewhere
    `record` says whom the event names, once that is known.

    A statement whose rows nobody needs waits for the next one that is read, and they go in one round trip.
    """

    def __init__(
        self,
        connection: Connection,
        event: Event,
        caller: Caller,
        clinic: ClinicEntry | None,
        parameters: dict[str, Any],
    ) -> None:
        self._connection = connection
        self._event = event
        self._parameters = parameters
        self.caller = caller
        self.clinic = clinic
        self.recorded = False
        self.denied = False
        # Keys of purposes that this work holds: see `sealing.hold`.
        self.keys: dict[str, list[IndexKey]] = {}
        self._waiting: list[Statement] = [Statement("begin")]

    @property
    def clinic_id(self) -> int | None:
        """The clinic that the work is for, if it is for one."""
        return self.clinic.clinic_id if self.clinic else None

    async def find(self, statement: str, **values: Any) -> dict[str, Any]:
        """The row of the one it is about, if the ruling for their state permits; then as the service, for them.

        `statement` is one of `recording.recorded_by_state`, whose row has the `person_id`, and the `clinic_id` where it
        is about a person's record of one clinic.

        Raises:
            NotThere: nobody, or not permitted in that state; recorded either way.
        """
        self.recorded = True
        found = await (await self._send(statement, {**self._parameters, **values})).fetchone()
        if found is None:
            self.denied = True
            raise NotThere("no such thing")
        await self.serve(found["person_id"], found.get("clinic_id"))
        return found

    def enter(self, context: dict[str, str]) -> None:
        """Go on as a role, in its context."""
        if context:
            self._waiting.append(Statement(entering(tuple(context)), list(context.values())))

    async def serve(self, person_id: UUID | None = None, clinic_id: int | None = None) -> None:
        """Go on as the service, for this person and the work's clinic, or the one that a statement found."""
        at = self.clinic_id or clinic_id
        own = self.caller.principal.person_id if self.caller.principal.acting is None else None
        self.enter({
            "role": "none",
            "cloister.clinic_id": str(at or ""),
            "cloister.person_id": str(person_id or ""),
            "cloister.actor_id": str(own or ""),
        })  # fmt: skip

    async def record(self, *patients: UUID, confidential: bool = False) -> None:
        """Record the event, naming the patients of the clinic that it is about; guardians see no confidential one."""
        self.recorded = True
        event = self._event
        if confidential:
            event = replace(event, categories=sorted([*event.categories, Category.CONFIDENTIAL.value]))
        self._waiting.append(Statement(*recording(event, patients)))

    async def run(
        self,
        query: sql.SQL | sql.Composed,
        *,
        conflict: CloisterError | Mapping[str, CloisterError] | None = None,
        **values: Any,
    ) -> list[dict[str, Any]]:
        """The rows of a statement, none if it returns none.

        `conflict` is raised where a constraint refuses it; of several constraints, the one of the refusing one's name.
        """
        if isinstance(conflict, CloisterError) and self._waiting:
            await self._send("select", None)  # what waits is not to be taken for this one
        try:
            done = await self._send(query, values)
        except psycopg.IntegrityError as error:
            meant = conflict.get(error.diag.constraint_name or "") if isinstance(conflict, Mapping) else conflict
            if meant is None:
                raise
            raise meant from None
        return await done.fetchall() if done.description else []

    def later(
        self,
        query: sql.SQL | sql.Composed,
        take: Callable[[list[dict[str, Any]]], None] | None = None,
        **values: Any,
    ) -> None:
        """Have a statement that nothing refuses go with the next one that is read; `take` is given its rows."""
        self._waiting.append(Statement(query, values, take))

    async def commit(self) -> None:
        """End the transaction, which the gateway alone does.

        Raises:
            NotRecorded: it had failed, so that nothing of it stands.
        """
        if (await self._send("commit", None)).statusmessage != "COMMIT":
            raise NotRecorded("the transaction had failed")

    async def _send(self, query: Query, values: Values) -> Cursor:
        """Execute a statement, together with those that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return await self._connection.execute(query, values)
        async with self._connection.pipeline():
            done = [await self._connection.execute(each.query, each.values) for each in waiting]
            last = await self._connection.execute(query, values)
        for each, cursor in zip(waiting, done, strict=True):
            if each.take is not None:
                each.take(await cursor.fetchall())
        return last


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
