"""Where deliveries go: over verified TLS to the address that was checked, and to nothing behind this server."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.webhooks import transport
from api.webhooks.transport import Answer, Transport, retry_after, transport_of
from infra.errors import Misconfigured
from infra.settings import Settings
from policies.addresses import networks
from tests.integration.hooking import LOOPBACK, Endpoint, endpoint


@pytest.fixture
def to(tmp_path: Path) -> Iterator[Endpoint]:
    with endpoint(tmp_path) as found:
        yield found


def send(out: Transport, url: str, body: str = "{}") -> Answer:
    async def sending() -> Answer:
        async with out:
            return await out.send(url, body, {"webhook-id": "1"})

    return asyncio.run(sending())


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to these addresses, one answer after the other; whom it was then connected to."""
    connected: list[str] = []
    given = iter(answers)
    real = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: Any, host: Any, port: Any, **other: Any) -> Any:
        if host == "hooks.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(given)]
        return await real(self, host, port, **other)

    async def sock_connect(self: Any, _sock: Any, address: Any) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", sock_connect)
    return connected


def out(allowed: str = "") -> Transport:
    return Transport(networks(allowed), ssl.create_default_context(), 1)


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["0.0.0.0"], ["::1"], ["::ffff:127.0.0.1"], ["fd00:ec2::254"],
     ["93.184.216.34", "127.0.0.1"]],
)  # fmt: skip
def test_nobody_is_connected_to_where_one_address_of_a_name_is_not_public(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    connected = resolving(monkeypatch, addresses)
    assert send(out(), "https://hooks.example/") == Answer(failure="address_refused")
    assert connected == []


def test_the_checked_address_is_connected_to_whatever_the_name_resolves_to_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected = resolving(monkeypatch, ["93.184.216.34", "93.184.216.35"], ["127.0.0.1"])
    assert send(out(), "https://hooks.example/") == Answer(failure="unreachable")
    assert connected == ["93.184.216.34", "93.184.216.35"]


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    connected = resolving(monkeypatch, ["93.184.216.34"])
    send(out(), "https://hooks.example/")
    assert connected == ["93.184.216.34"]


def test_a_server_that_no_authority_vouches_for_is_sent_nothing(to: Endpoint) -> None:
    assert send(out(LOOPBACK), to.url) == Answer(failure="tls")
    wrong_name = to.url.replace("localhost", "127.0.0.1")
    assert send(to.transport(), wrong_name) == Answer(failure="tls")
    assert to.came == []
    assert send(to.transport(), to.url) == Answer(204) and to.came[0].headers["host"].startswith("localhost:")


def test_a_redirect_is_not_followed_and_a_body_that_never_ends_not_waited_for(
    to: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    to.answers = [(307, {"location": to.url}), (200, {"content-length": "1000000000"})]
    assert send(to.transport(), to.url) == Answer(307, "redirected") and len(to.came) == 1
    monkeypatch.setattr(transport, "READ_SECONDS", 0.1)
    assert send(to.transport(), to.url) == Answer(200)


def test_whoever_answers_nothing_holds_nobody_up_for_long(to: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        assert send(to.transport(), url) == Answer(failure="timeout")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"120", 120), (b"0", 0), (b"-5", 0), (b"", 0), (None, 0), (b"soon", 0), (b"Sun, 01 Feb 2026 12:01:00 GMT", 60),
     (b"Sun, 01 Feb 2026 11:00:00 GMT", 0), ("²".encode("latin-1"), 0), (b"9" * 5000, 999_999_999)],
)  # fmt: skip
def test_when_to_come_again_is_a_number_or_a_date(value: bytes | None, seconds: float) -> None:
    assert retry_after(value, datetime(2026, 2, 1, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("wrong", [{"webhook_private_networks": "10.0.0.0/99"}, {"webhook_ca_file": "/nowhere.pem"}])
def test_a_setting_that_is_none_is_told_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match="CLOISTER_WEBHOOK"):
        transport_of(Settings(**wrong), 1)
