"""A sender's set-up and its rounds: it looks where the database says that members changed, and everywhere now and then.

A notification can be lost with its connection, so nothing hangs on one.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg
import structlog

from api.database import Connection, make_pool
from api.identity.sealed import codec_of
from api.webhooks import queue
from api.webhooks.notices import ensure_key
from api.webhooks.sender import Sender
from api.webhooks.transport import Transport, transport_of
from infra.database import Server
from infra.errors import CloisterError
from infra.log import where
from infra.roles import Login
from infra.settings import Settings

CHANNEL = "cloister_changes"
AT_ONCE = 8
AT_ONCE_FOR_A_CLINIC = 2
PAUSE_SECONDS = 1.0  # after the database did not answer
IDLE_SECONDS = 2.0  # between two looks at what is due to be tried again
ROUND_SECONDS = 15.0  # between two looks at every endpoint
log = structlog.get_logger()


class Courier:
    """Keeps a sender busy."""

    def __init__(self, sender: Sender, at: Server) -> None:
        self._sender = sender
        self._at = at
        self._busy: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._places_of = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(AT_ONCE_FOR_A_CLINIC))

    async def send_due(self) -> int:
        """Send everything that is due now; how many deliveries were taken."""
        found = await self._look([], everywhere=True)
        return sum(await asyncio.gather(*(self._send_turns(endpoint, clinic) for endpoint, clinic in found)))

    async def keep_sending(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Send what is due until stopped; what breaks is logged and tried again."""
        try:
            while not stopped():
                try:
                    await self._until_stopped(stopped)
                except (psycopg.Error, CloisterError, OSError) as error:
                    log.error("webhooks not sent", **where(error))
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _until_stopped(self, stopped: Callable[[], bool]) -> None:
        async with _listening(self._at) as connection:
            everywhere_at = float("-inf")
            clinics: set[str] = set()
            while not stopped():
                everywhere = time.monotonic() - everywhere_at >= ROUND_SECONDS
                if everywhere:
                    everywhere_at = time.monotonic()
                for endpoint, clinic in await self._look(sorted(clinics), everywhere=everywhere):
                    self._start(endpoint, clinic)
                clinics = {heard.payload async for heard in connection.notifies(timeout=IDLE_SECONDS, stop_after=1)}

    async def _look(self, clinics: list[str], *, everywhere: bool) -> list[tuple[UUID, str]]:
        """Endpoints to send to, each with its clinic; what is not to be told any more is dropped on the way."""
        async with self._sender.pool.connection() as connection:
            for clinic in await queue.keeping(connection, clinics, everywhere=everywhere):
                await self._drop_withdrawn(connection, clinic)
            return await queue.due(connection, clinics, everywhere=everywhere)

    async def _drop_withdrawn(self, connection: Connection, clinic: str) -> None:
        try:
            await self._sender.drop_withdrawn(connection, clinic)
        except psycopg.Error as error:  # one clinic's failure is not the others'
            log.error("deliveries not looked through", clinic=clinic, **where(error))

    def _start(self, endpoint: UUID, clinic: str) -> None:
        if endpoint in self._busy:
            self._again.add(endpoint)
        else:
            self._busy[endpoint] = asyncio.create_task(self._send(endpoint, clinic))

    async def _send(self, endpoint: UUID, clinic: str) -> None:
        try:
            await self._send_turns(endpoint, clinic)
            while endpoint in self._again:
                self._again.discard(endpoint)
                await self._send_turns(endpoint, clinic)
        except (psycopg.Error, CloisterError, OSError) as error:
            log.error("webhooks not sent", **where(error))
        finally:
            self._again.discard(endpoint)
            del self._busy[endpoint]

    async def _send_turns(self, endpoint: UUID, clinic: str) -> int:
        """Send an endpoint what is due, letting others in between; how many were taken."""
        taken, more = 0, True
        while more:
            # The clinic's first: who waits for it takes no place of the others.
            async with self._places_of[clinic], self._places:
                turn, more = await self._sender.send(endpoint)
            taken += turn
        return taken


@asynccontextmanager
async def open_courier(at: Server, transport: Transport) -> AsyncIterator[Courier]:
    """A courier of an instance while the block runs.

    Raises:
        Misconfigured: the key provider cannot be used as it is set.
    """
    # One more for looking: those that send keep theirs while they wait for an answer.
    pool = make_pool(at, timeout_ms=15_000, size=AT_ONCE + 1, login=Login.COURIER)
    codec = codec_of(at)
    ensure_key(at, codec)
    async with pool, transport:
        yield Courier(Sender(pool, at.roles, codec, transport), at)


async def run(at: Server, chosen: Settings, *, once: bool, attached: int | None) -> int:
    """Send what is due, `once` or until stopped or the process that this one is attached to ends; how many were taken.

    Raises:
        Misconfigured: a network, the file of authorities or the key provider is none.
    """
    async with open_courier(at, transport_of(chosen, AT_ONCE)) as courier:
        if once:
            return await courier.send_due()
        await courier.keep_sending(lambda: attached is not None and os.getppid() != attached)
    return 0


@asynccontextmanager
async def _listening(at: Server) -> AsyncIterator[psycopg.AsyncConnection]:
    parameters = at.parameters(Login.COURIER)
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
        await connection.execute(f"listen {CHANNEL}")
        yield connection
