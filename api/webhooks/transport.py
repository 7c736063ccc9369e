"""HTTPS to public addresses alone: what a name resolves to is checked, and the checked address is connected to.

No redirect is followed, no proxy of the environment asked, and of an answer only its status and `Retry-After` are used.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any

import httpcore

from infra.errors import Misconfigured
from infra.settings import Settings
from policies.addresses import Address, Network, may_be_reached, networks

SECONDS = 15.0  # for the whole of it: names, connection, answer
# Of an answer's body, which says nothing that counts.
READ_SECONDS = 1.0
MOST_BYTES = 65_536
KEPT_SECONDS = 30.0


class Refused(Exception):
    """The endpoint's name resolves to an address that is not public."""


@dataclass(frozen=True)
class Answer:
    """What came of sending: the status if there was one, a word for why it was not taken, and when to come again.

    retry_after: in seconds.
    """

    status: int | None = None
    failure: str | None = None
    retry_after: float = 0.0


class PublicBackend(httpcore.AsyncNetworkBackend):
    """Connects to names whose every address may be reached."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises:
            Refused: one of the name's addresses may not be reached.
            httpcore.ConnectError: no such name, or nobody answers.
        """
        addresses = await resolved(host, port)
        if not all(may_be_reached(address, self._allowed) for address in addresses):
            raise Refused
        for address in addresses:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        raise httpcore.ConnectError("nobody answers")

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """No endpoint is a socket of this machine.

        Raises:
            Refused: always.
        """
        raise Refused

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def resolved(host: str, port: int) -> list[Address]:
    """Every address of a name, each once.

    Raises:
        httpcore.ConnectError: there is no such name.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("no such name") from None
    return list(dict.fromkeys(ip_address(address[0]) for *_, address in found))


class Transport:
    """Hands deliveries over."""

    def __init__(self, allowed: Sequence[Network], context: ssl.SSLContext, connections: int) -> None:
        self._connections = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=PublicBackend(allowed),
        )

    async def __aenter__(self) -> "Transport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.aclose()

    async def send(self, url: str, body: str, headers: Mapping[str, str]) -> Answer:
        """Post a body, and say what came of it; no failure of the other side raises."""
        sent = {"content-type": "application/json", "user-agent": "Cloister", **headers}
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._connections.stream("POST", url, headers=list(sent.items()), content=body.encode()) as response,
            ):
                await _read(response)
                return _answer(response.status, dict(response.headers))
        except Refused:
            return Answer(failure="address_refused")
        except (TimeoutError, httpcore.TimeoutException):
            return Answer(failure="timeout")
        except ssl.SSLError:
            return Answer(failure="tls")
        except httpcore.ConnectError as error:
            # The pool drops the cause of what it passes on.
            return Answer(failure="tls" if isinstance(error.__context__, ssl.SSLError) else "unreachable")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError):
            return Answer(failure="broken_off")


def transport_of(chosen: Settings, connections: int) -> Transport:
    """The transport of the settings.

    Raises:
        Misconfigured: a network or the file of authorities is none.
    """
    context = ssl.create_default_context()
    if chosen.webhook_ca_file is not None:
        try:
            context.load_verify_locations(cafile=chosen.webhook_ca_file)
        except OSError:
            raise Misconfigured("CLOISTER_WEBHOOK_CA_FILE holds no certificates") from None
    return Transport(allowed_networks(chosen), context, connections)


def allowed_networks(chosen: Settings) -> tuple[Network, ...]:
    """Networks that are not public and yet allowed.

    Raises:
        Misconfigured: one of them is none.
    """
    try:
        return networks(chosen.webhook_private_networks)
    except ValueError:
        raise Misconfigured("CLOISTER_WEBHOOK_PRIVATE_NETWORKS names what is no network") from None


def retry_after(value: bytes | None, now: datetime) -> float:
    """Seconds that a `Retry-After` asks for, by number or date (RFC 9110, section 10.2.3); 0 of anything else."""
    text = (value or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        asked = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return 0.0
    return max(0.0, ((asked if asked.tzinfo else asked.replace(tzinfo=UTC)) - now).total_seconds())


def _answer(status: int, headers: Mapping[bytes, bytes]) -> Answer:
    if 200 <= status < 300:
        return Answer(status)
    named = {name.lower(): value for name, value in headers.items()}
    failure = "redirected" if 300 <= status < 400 else "not_taken"
    return Answer(status, failure, retry_after(named.get(b"retry-after"), datetime.now(UTC)))


async def _read(response: httpcore.Response) -> None:
    """Read a short answer to its end, so that the connection can be used again; leave one that is long or slow."""
    read = 0
    with suppress(TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        async with asyncio.timeout(READ_SECONDS):
            async for piece in response.aiter_stream():
                read += len(piece)
                if read > MOST_BYTES:
                    return
