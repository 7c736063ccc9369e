"""Work: the right to change something, in one transaction with its event. Only the gateway makes one."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncPipeline, sql
from psycopg.rows import DictRow

from api.asking import Caller
from api.database import Connection
from api.directory import ClinicEntry
from api.grants import Recorded, entering
from api.recording import Event, recording
from infra.encryption.data_keys import IndexKey
from infra.errors import CloisterError, NotRecorded, NotThere
from policies.words import Category

Query = str | sql.SQL | sql.Composed
Values = dict[str, Any] | list[str] | None
Cursor = psycopg.AsyncCursor[DictRow]


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

    A statement whose rows nobody needs waits for the next one that is read, and they go in one round trip. `send` has
    the database begin with those that wait.
    """

    def __init__(
        self,
        connection: Connection,
        pipeline: AsyncExitStack,
        event: Event,
        caller: Caller,
        clinic: ClinicEntry | None,
        parameters: dict[str, Any],
        viewing: dict[str, str],
        own: dict[str, str],
    ) -> None:
        self._connection = connection
        # Ends the pipeline, which the first statement begins: at the commit, in its round trip.
        self._ending = pipeline
        self._pipeline: AsyncPipeline | None = None
        self._event = event
        self._parameters = parameters
        self._viewing = viewing
        self._own = own
        self.caller = caller
        self.clinic = clinic
        self.recorded = False
        self.denied = False
        # Keys of purposes that this work holds: see `sealing.hold`.
        self.keys: dict[str, list[IndexKey]] = {}
        self._waiting: list[Statement] = [Statement("begin")]
        # On their way, with cursors that have their rows once the pipeline is synchronised.
        self._sent: list[tuple[Statement, Cursor]] = []
        # What a constraint's refusal means, by its name; a deferred one refuses at the commit.
        self._conflicts: dict[str, CloisterError] = {}

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
        found = await (await self._done(statement, {**self._parameters, **values})).fetchone()
        if found is None:
            self.denied = True
            raise NotThere("no such thing")
        clinic_id = found.get("clinic_id")
        if clinic_id is not None:  # whose auditors see a refusal as well
            self.name_clinic(clinic_id)
        await self.serve(found["person_id"], clinic_id)
        return found

    def enter(self, context: dict[str, str]) -> None:
        """Go on as a role, in its context."""
        if not context:
            return
        statement = entering(tuple(context))
        if self._waiting and self._waiting[-1].query == statement:
            self._waiting.pop()  # nothing was done in it
        self._waiting.append(Statement(statement, list(context.values())))

    def view(self) -> None:
        """Go on as who sees the work's clinic, or where there is none the caller's family, and changes nothing."""
        self.enter(self._viewing)

    @asynccontextmanager
    async def viewing(self) -> AsyncIterator[None]:
        """In a work that began in the clinic's mart: see the clinic's records meanwhile, and not its mart."""
        if not self._own:
            raise ValueError("the work is of no mart")  # and would stay the viewer
        self.view()
        yield
        self.enter(self._own)

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
        if isinstance(conflict, Mapping):
            self._conflicts |= conflict
        elif conflict and (self._waiting or self._sent):
            await self._done("select", None)  # what went before is not to be taken for this one
        try:
            done = await self._done(query, values)
        except psycopg.IntegrityError:
            if not isinstance(conflict, CloisterError):
                raise
            raise conflict from None
        return await done.fetchall() if done.description else []

    def later(
        self,
        query: sql.SQL | sql.Composed,
        take: Callable[[list[dict[str, Any]]], None] | None = None,
        *,
        conflict: Mapping[str, CloisterError] | None = None,
        **values: Any,
    ) -> None:
        """Have a statement go with the next one that is read, or with the commit; `take` is given its rows.

        Nothing refuses it, or a constraint that is named in `conflict`: that is raised where it was sent.
        """
        self._conflicts |= conflict or {}
        self._waiting.append(Statement(query, values, take))

    async def send(self) -> None:
        """Have the database begin with what waits, while the work goes on here.

        What it is refused with is raised by this, or by whatever is sent or read next. Nothing but that read may take
        long: until then no limit of the database's runs that would end the work.
        """
        if self._waiting:
            with self._refusals():
                await self._begun()

    async def commit(self) -> None:
        """End the transaction, which the gateway alone does.

        Raises:
            NotRecorded: it had failed, so that nothing of it stands.
            CloisterError: what a statement that waited, or a deferred constraint, was said to be refused with.
        """
        with self._refusals():
            last = await self._begun(Statement("commit"))
            await self._ending.aclose()
        await self._taken()
        if last.statusmessage != "COMMIT":
            raise NotRecorded("the transaction had failed")

    async def _done(self, query: Query, values: Values) -> Cursor:
        """Execute a statement with those that wait, to the end."""
        with self._refusals():
            last = await self._begun(Statement(query, values))
            await (await self._piped()).sync()
        await self._taken()
        return last

    async def _begun(self, *last: Statement) -> Cursor:
        """Send what waits, and one more; the last one's cursor."""
        await self._piped()
        waiting, self._waiting = [*self._waiting, *last], []
        for each in waiting:
            self._sent.append((each, await self._connection.execute(each.query, each.values)))
        return self._sent[-1][1]

    async def _piped(self) -> AsyncPipeline:
        """The connection's pipeline, which ends with the work."""
        if self._pipeline is None:
            self._pipeline = await self._ending.enter_async_context(self._connection.pipeline())
        return self._pipeline

    async def _taken(self) -> None:
        """Give the rows of what was sent to those who take them."""
        sent, self._sent = self._sent, []
        for each, cursor in sent:
            if each.take is not None:
                each.take(await cursor.fetchall())

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Raise a refusal that was foreseen as what it means."""
        try:
            yield
        except psycopg.IntegrityError as error:
            meant = self._conflicts.get(error.diag.constraint_name or "")
            if meant is None:
                raise
            raise meant from None
