"""Word that a clinic's members have changed, for requests that wait for it.

One connection of the process listens for all of them. Word can be lost with that connection, so the clocks of the
clinics that somebody waits for are looked at as well, every few seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import structlog
from psycopg.rows import dict_row

from api.database import Connection, limited
from api.directory import Directory
from api.grants import enter
from infra.database import Server
from infra.log import where
from infra.roles import ClinicKind, Login, clinic_schema
from infra.settings import settings

CHANNEL = "cloister_changes"
LOOK_SECONDS = 2.0
AGAIN_SECONDS = 1.0

log = structlog.get_logger()


class Signal:
    """What one request waits for."""

    def __init__(self) -> None:
        self._given = asyncio.Event()

    def give(self) -> None:
        """End the wait, or the next one if nobody waits now."""
        self._given.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until it is given, so many seconds at most; whether it was."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._given.wait(), seconds)
        given = self._given.is_set()
        self._given.clear()
        return given


class Signals:
    """Signals by clinic, given as the members of one change."""

    def __init__(self, at: Server, directory: Directory) -> None:
        self._at = at
        self._directory = directory
        self._waiting: dict[str, set[Signal]] = defaultdict(set)
        self._runs: dict[str, int] = {}

    @contextmanager
    def of(self, clinic: str) -> Iterator[Signal]:
        """A signal of a clinic, given from now on."""
        signal = Signal()
        self._waiting[clinic].add(signal)
        try:
            yield signal
        finally:
            self._waiting[clinic].discard(signal)
            if not self._waiting[clinic]:
                del self._waiting[clinic]

    async def keep_listening(self) -> None:
        """Listen until cancelled; a connection that breaks is made again."""
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                log.warning("listening again", sqlstate=error.sqlstate, **where(error))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        parameters = limited(self._at, Login.SERVICE, settings().statement_timeout_ms)
        made = psycopg.AsyncConnection.connect(**parameters, autocommit=True, row_factory=dict_row)
        async with await made as connection:
            await connection.execute(f"listen {CHANNEL}")
            while True:
                await self._look(connection)
                async for word in connection.notifies(timeout=LOOK_SECONDS):
                    self._give(word.payload)

    async def _look(self, connection: Connection) -> None:
        """Give the signals of clinics whose clock has moved since the last look."""
        for clinic in await self._directory.clinics():
            if clinic.slug in self._waiting:
                run = await self._run(connection, clinic.slug)
                if self._runs.get(clinic.slug) != run:
                    self._runs[clinic.slug] = run
                    self._give(clinic.slug)

    async def _run(self, connection: Connection, slug: str) -> int:
        reader = self._at.roles.clinic(slug, ClinicKind.READER)
        async with connection.transaction():
            await enter(connection, {"role": reader, "search_path": clinic_schema(slug)})
            (row,) = await (await connection.execute("select run from segment_clock")).fetchall()
        return int(row["run"])

    def _give(self, clinic: str) -> None:
        for signal in self._waiting.get(clinic, ()):
            signal.give()
