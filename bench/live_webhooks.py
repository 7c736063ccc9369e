"""Webhooks: how soon after its commit a change of the feed has arrived, signed and recorded, and how many a second."""

import asyncio
import json
import queue
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import UUID, uuid4

import psycopg

from api.identity.sealed import codec_of
from api.webhooks import courier
from api.webhooks.queue import PURPOSE, TABLE
from api.webhooks.signing import fresh_secret
from api.webhooks.transport import transport_of
from bench.harness import Bench, Figure, Timer, at_least, at_most, benchmark
from bench.own_tls import certificates
from bench.scale_data import drop, in_database
from infra.database import Server, connect, connect_admin
from infra.encryption.codec import Place
from infra.encryption.data_keys import purpose_keys
from infra.encryption.provider import ensure_keyring
from infra.provisioner import Clinic, add_clinics, set_up
from infra.roles import Login
from infra.settings import Settings, settings

DATABASE = "bench_webhooks"
CHANGES = 300
AT_ONCE = 500
# Members as they are in a clinic of the scale set.
MEMBERS = 5_000
_LAST = UUID(int=2**128 - 1)
_ENTER = """
with run as (update segment_clock set run = run + 1, at = now() returning run)
insert into segment_member (segment_id, patient_id, version, entered_by, entered_run, entered_at, fires_in)
select %s, id, 1, 'data', run.run, now(), %s from run, unnest(%s::uuid[]) as id"""
_TELL = "select pg_notify('cloister_changes', 'north')"


@benchmark("live.webhooks")
def deliveries(bench: Bench) -> Iterator[Figure]:
    """One change after the other, each waited for; then many in one run."""
    at = in_database(bench.at, DATABASE)
    drop(bench.at, DATABASE)
    set_up(at)
    ensure_keyring(settings(), at)
    add_clinics(at, [Clinic("north", "North")], requested_by="bench")
    with receiving(bench.folder) as (port, authority, came), connect_admin(at) as admin:
        admin.execute("set search_path = clinic_north")
        segment = _fill(at, admin, port)
        patients = [uuid4() for _ in range(CHANGES + AT_ONCE)]
        _add_patients(admin, patients)
        with sending(at, authority):
            _enter(admin, segment, patients[:1])
            came.get(timeout=60)
            waits = sorted(_wait(admin, segment, patient, came) for patient in patients[1:CHANGES])
            cuts = quantiles(waits, n=100)
            yield at_most("live.webhook_delivery_p50_ms", cuts[49], "ms", 50)
            yield at_most("live.webhook_delivery_p99_ms", cuts[98], "ms", 200)
            with (timer := Timer()).running():
                _enter(admin, segment, patients[CHANGES:])
                for _ in range(AT_ONCE):
                    came.get(timeout=60)
            yield at_least("live.webhook_deliveries_per_s", AT_ONCE / timer.seconds, "deliveries/s", 50)
    drop(bench.at, DATABASE)


@contextmanager
def receiving(folder: Path) -> Iterator[tuple[int, Path, "queue.Queue[tuple[float, str]]"]]:
    """An endpoint: its port, its authority, and what comes: when, and of which patient."""
    authority, chain = certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    came: queue.Queue[tuple[float, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.put((time.perf_counter(), json.loads(body)["data"]["patient_id"]))
            self.send_response(204)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], authority, came
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def sending(at: Server, authority: Path) -> Iterator[None]:
    """A courier, as `cloister webhooks` runs one."""
    stop = threading.Event()
    chosen = Settings(webhook_private_networks="127.0.0.0/8,::1/128", webhook_ca_file=authority)

    async def running() -> None:
        async with courier.open_courier(at, transport_of(chosen, courier.AT_ONCE)) as found:
            await found.keep_sending(stop.is_set)

    thread = threading.Thread(target=lambda: asyncio.run(running()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _fill(at: Server, admin: psycopg.Connection, port: int) -> UUID:
    """A segment with members that nobody is told of, and a webhook; the segment's id."""
    segment, webhook = uuid4(), uuid4()
    admin.execute(
        "insert into segment (segment_id, slug, name, profile_dependent, created_at)"
        " values (%s, 'followed', 'Followed', false, now())",
        [segment],
    )
    admin.execute(
        "insert into segment_version (segment_id, version, rule, profile_dependent, created_at)"
        " values (%s, 1, '{}', false, now())",
        [segment],
    )
    there = [uuid4() for _ in range(MEMBERS)]
    _add_patients(admin, there)
    admin.execute(_ENTER, [segment, False, there])
    codec = codec_of(at)
    with connect(Login.SERVICE, at=at) as connection:
        newest, *_ = purpose_keys(connection, codec.provider, PURPOSE)
    sealed = codec.seal(newest, Place(TABLE, "secret", str(webhook)), fresh_secret().encode())
    admin.execute(
        "insert into operational.webhook_endpoint (clinic_id, endpoint_id, url, kinds, secret, followed_run,"
        " followed_segment, followed_patient, created_by)"
        " select clinic_id, %s, %s, '{entered,left}', %s, 1, %s, %s, %s from operational.clinic",
        [webhook, f"https://localhost:{port}/hook", sealed, _LAST, _LAST, uuid4()],
    )
    admin.execute("analyze")
    return segment


def _add_patients(admin: psycopg.Connection, patients: list[UUID]) -> None:
    admin.execute(
        "insert into raw_patients (patient_id, version, name, registered_on, profile_shared)"
        " select id, 1, 'N', '2020-01-01', false from unnest(%s::uuid[]) as id",
        [patients],
    )


def _enter(admin: psycopg.Connection, segment: UUID, patients: list[UUID]) -> None:
    with admin.transaction():
        admin.execute(_ENTER, [segment, True, patients])
        admin.execute(_TELL)


def _wait(admin: psycopg.Connection, segment: UUID, patient: UUID, came: "queue.Queue[tuple[float, str]]") -> float:
    """Milliseconds from the commit of a change until it has come."""
    _enter(admin, segment, [patient])
    committed = time.perf_counter()
    arrived, named = came.get(timeout=60)
    if named != str(patient):
        raise RuntimeError("another change came")
    return 1000 * max(0.0, arrived - committed)
