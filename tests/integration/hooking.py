"""An endpoint of somebody's: HTTPS on this machine under an authority of its own, and couriers that send to it."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from access_world import Api, World

from api.webhooks.courier import AT_ONCE, Courier, open_courier
from api.webhooks.transport import Transport, transport_of
from bench.own_tls import certificates
from infra.settings import Settings

LOOPBACK = "127.0.0.0/8,::1/128"
Headers = dict[str, str]


@dataclass(frozen=True)
class Post:
    """One request that an endpoint was sent."""

    path: str
    headers: Headers
    body: bytes

    @property
    def delivery(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Endpoint:
    """What came, in order, and what is answered next: a status and headers; 204 where nothing else is said."""

    url: str
    authority: Path
    came: list[Post] = field(default_factory=list)
    answers: list[tuple[int, Headers]] = field(default_factory=list)
    on_post: Callable[[Post], None] = lambda _: None

    def settings(self, **other: Any) -> Settings:
        chosen = {"webhook_private_networks": LOOPBACK, "webhook_ca_file": self.authority, **other}
        return Settings(**chosen)

    def transport(self) -> Transport:
        return transport_of(self.settings(), AT_ONCE)

    def told(self) -> list[tuple[str, str]]:
        """Type and patient of what came."""
        return [(post.said["type"], post.said["data"].get("patient_id", "")) for post in self.came]


@contextmanager
def endpoint(folder: Path) -> Iterator[Endpoint]:
    """An endpoint on a port of its own, as `localhost`."""
    authority, chain = certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    found = Endpoint("", authority)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            found.came.append(post)
            found.on_post(post)
            status, headers = found.answers.pop(0) if found.answers else (204, {})
            self.send_response(status)
            for name, value in {"content-length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that does not trust us, or is killed, is what tests are about."""

        def finish_request(self, request: Any, client_address: Any) -> None:
            super().finish_request(context.wrap_socket(request, server_side=True), client_address)

    server = Server(("127.0.0.1", 0), Handler)
    found.url = f"https://localhost:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def only_endpoint(world: World, folder: Path) -> Iterator[Endpoint]:
    """An endpoint, and no webhook left of tests before."""
    world.change(
        "update operational.webhook_endpoint set deleted_at = now(), deleted_by = created_by where deleted_at is null"
    )
    with endpoint(folder) as found:
        yield found


def with_courier(world: World, to: Endpoint, block: Callable[[Courier], Coroutine[Any, Any, Any]]) -> Any:
    """What a block says that has a courier."""

    async def running() -> Any:
        async with open_courier(world.server, to.transport()) as found:
            return await block(found)

    return asyncio.run(running())


def send(world: World, to: Endpoint) -> int:
    """Send what is due; how many were taken."""

    async def once(found: Courier) -> int:
        return await found.send_due()

    sent: int = with_courier(world, to, once)
    return sent


def add_webhook(api: Api, manager: Headers, url: str, clinic: str = "north", **asked: Any) -> tuple[str, str]:
    """Id and secret of a new webhook."""
    answer = api.post(f"/v1/clinics/{clinic}/webhooks", headers=manager, json={"url": url, **asked})
    assert answer.status_code == 201, answer.text
    return answer.json()["webhook_id"], answer.json()["secret"]


def newcomers(world: World, clinic: str, count: int) -> list[UUID]:
    """So many more patients in a clinic's mart."""
    patients = [uuid4() for _ in range(count)]
    world.change(
        f"insert into clinic_{clinic}.raw_patients (patient_id, version, name, registered_on, profile_shared)"
        " select id, 1, 'Canary Crane', '2020-01-01', false from unnest(%s::uuid[]) as id",
        patients,
    )
    return patients


def told_of_two(world: World, api: Api, manager: dict[str, str], to: "Endpoint") -> tuple[str, UUID, UUID]:
    """A webhook that is to tell of two patients, one after the other, and them."""
    webhook, _ = add_webhook(api, manager, to.url)
    first, second = newcomers(world, "north", 2)
    enter(world, "north", "empty", [first])
    enter(world, "north", "empty", [second])
    return webhook, first, second


def enter(world: World, clinic: str, slug: str, patients: list[UUID], *, fires: bool = True) -> None:
    """Have patients enter a segment in the clinic's next run."""
    world.change(
        f"with run as (update clinic_{clinic}.segment_clock set run = run + 1, at = now() returning run)"
        f" insert into clinic_{clinic}.segment_member"
        " (segment_id, patient_id, version, entered_by, entered_run, entered_at, fires_in)"
        " select %s, id, 1, 'data', run.run, '2026-02-01T12:00Z', %s from run, unnest(%s::uuid[]) as id",
        world.segments[clinic, slug], fires, patients,
    )  # fmt: skip


def leave(
    world: World, clinic: str, slug: str, patients: list[UUID], cause: str = "data", *, fires: bool = True
) -> None:
    """Have them leave in the clinic's next run."""
    world.change(
        f"with run as (update clinic_{clinic}.segment_clock set run = run + 1, at = now() returning run)"
        f" update clinic_{clinic}.segment_member as m"
        " set left_at = greatest(m.entered_at, '2026-02-02T12:00Z'), left_run = run.run, left_by = %s,"
        " left_version = 1, fires_out = %s from run"
        " where m.segment_id = %s and m.patient_id = any(%s::uuid[]) and m.left_at is null",
        cause, fires, world.segments[clinic, slug], patients,
    )  # fmt: skip


def later(world: World, webhook: str) -> None:
    """Let the waiting of what waits be over."""
    world.change(
        "update operational.webhook_delivery set next_try_at = now() where endpoint_id = %s and state = 'pending'",
        webhook,
    )


def states(world: World, webhook: str) -> list[tuple[Any, ...]]:
    """State, attempts, answer and failure of a webhook's deliveries, in order."""
    query = (
        "select state, attempts, answered, failure from operational.webhook_delivery"
        " where endpoint_id = %s order by position"
    )
    return world.look(query, webhook)
