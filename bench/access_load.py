"""A lean HTTP/1.1 client: raw sockets that ask and read without parsing more than they must."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from math import inf

_LENGTH = b"content-length: "


class _Asking(asyncio.Protocol):
    """One kept connection that asks the next thing as soon as it has an answer."""

    def __init__(self, asked: Iterator[bytes], until: float) -> None:
        self._asked = asked
        self._until = until
        self._sent_at = 0.0
        self._received = b""
        self.seconds: list[float] = []
        self.statuses: set[bytes] = set()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.partition(_LENGTH)[2].partition(b"\r\n")[0]):
            return
        self.seconds.append(time.perf_counter() - self._sent_at)
        self.statuses.add(head[9:12])
        self._received = b""
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def _ask(self) -> None:
        self._sent_at = time.perf_counter()
        request = next(self._asked, None) if self._sent_at < self._until else None
        if request is not None:
            self._transport.write(request)  # type: ignore[attr-defined]
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


def get(path: str, token: str) -> bytes:
    """A request, as its bytes."""
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n".encode()


def ask(port: int, requests: Iterable[bytes], connections: int, until: float = inf) -> tuple[list[float], set[bytes]]:
    """Ask these requests until they end, or until that time; the seconds of each answer, and the statuses seen."""

    async def run() -> tuple[list[float], set[bytes]]:
        loop, asked = asyncio.get_running_loop(), iter(requests)
        made = [
            (await loop.create_connection(lambda: _Asking(asked, until), "127.0.0.1", port))[1]
            for _ in range(connections)
        ]
        await asyncio.gather(*(one.done for one in made))
        return [s for one in made for s in one.seconds], set.union(*(one.statuses for one in made))

    return asyncio.run(run())
