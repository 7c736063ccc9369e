"""What a first booking costs end to end, and how many a second the service takes."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from statistics import median
from uuid import uuid4

import psycopg

from bench.access_load import ask
from bench.access_reads import Ward, serving
from bench.harness import Bench, Figure, at_least, benchmark
from infra.clinic_settings import BookingSettings, ServiceSettings, configure
from infra.database import Server, connect_admin

ONES = 400
CLIENTS = 16
SECONDS = 6.0
MINUTES = 5
SPECIALISTS = [f"Dr. Bench {index}" for index in range(5)]
SERVICE = "bench"
FORMS = ["intake", "profile_sharing_consent"]
_BARE = "insert into bench_insert (name) values (%s)"


@benchmark("onboarding.p50_inserts")
def onboarding(bench: Bench) -> Iterator[Figure]:
    """A new person's first booking, one after the other: its p50 in bare INSERTs, each committed, of the same run."""
    found, asked = _clinic(bench)
    with serving(found) as port:
        ask(port, islice(asked, ONES // 4), connections=1)  # warms up
        times, statuses = ask(port, islice(asked, ONES), connections=1)
    _all_made(statuses)
    bare = _bare_insert(found.at)
    ratio = median(times) / bare
    yield Figure("onboarding.p50_inserts", ratio, "inserts", None, None, 12, ratio <= 12)
    yield Figure("onboarding.p50_ms", median(times) * 1e3, "ms", bare * 1e3, None, 0, met=True)


@benchmark("onboarding.bookings_per_s")
def throughput(bench: Bench) -> Iterator[Figure]:
    """First bookings a second from 16 clients, each answered one found in the database afterwards."""
    found, asked = _clinic(bench)
    with serving(found) as port:
        ask(port, islice(asked, CLIENTS * 10), CLIENTS)  # warms up
        before = _booked(found)
        times, statuses = ask(port, asked, CLIENTS, time.perf_counter() + SECONDS)
    _all_made(statuses)
    if (made := _booked(found) - before) != len(times):
        raise AssertionError(f"{len(times)} answered, {made} made")
    yield at_least("onboarding.bookings_per_s", len(times) / SECONDS, "bookings/s", 100)


def _clinic(bench: Bench) -> tuple[Ward, Iterator[bytes]]:
    """A clinic with a booking system's key, and bookings without end of people nobody knows."""
    # Late: the other benchmarks need no API.
    from api.system_keys import BOOKINGS, add_api_key

    at, clinic = bench.data(), bench.scale.slugs[0]
    offered = ServiceSettings(name="Bench", modality="video", minutes=MINUTES, specialists=SPECIALISTS, forms=["pain"])
    configure(
        at,
        clinic,
        BookingSettings(
            registration_forms=FORMS, days_ahead=1100, specialists=SPECIALISTS, services={SERVICE: offered}
        ),
    )
    key = add_api_key(at, "bench.bookings", clinic, fields=[BOOKINGS])
    with connect_admin(at) as admin:
        row = admin.execute("select clinic_id from operational.clinic where slug = %s", [clinic]).fetchone()
        assert row
        for template in (*FORMS, "pain"):
            admin.execute(_TEMPLATE, [row[0], template])
        # What a run before took is free again.
        admin.execute("update operational.appointment set status = 'cancelled' where service = %s", [SERVICE])
    return Ward(at, clinic, row[0], [], [], [], key), _bookings(clinic, key)


_TEMPLATE = """
insert into operational.form_template (clinic_id, template, template_version, title, questions)
values (%s, %s, 1, 'Bench', '[]') on conflict do nothing"""


def _bookings(clinic: str, key: str) -> Iterator[bytes]:
    """Each of another person at a free time of a specialist."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=1)
    for index in count():
        slot = start + timedelta(minutes=MINUTES * (index // len(SPECIALISTS)))
        patient = {"name": f"Bench {index}", "email": f"{uuid4().hex}@example.org", "source_id": uuid4().hex}
        asked = {
            "service": SERVICE,
            "specialist": SPECIALISTS[index % len(SPECIALISTS)],
            "starts_at": slot.isoformat(),
            "patient": patient,
        }
        yield _post(f"/v1/clinics/{clinic}/bookings", key, json.dumps(asked).encode())


def _post(path: str, token: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\nidempotency-key: {uuid4()}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _bare_insert(at: Server) -> float:
    """Median seconds of one bare INSERT, committed, into a table without anything."""
    with connect_admin(at) as admin:
        admin.execute("create table if not exists bench_insert (id bigint generated always as identity, name text)")
        times = [_timed(admin) for _ in range(ONES)]
        admin.execute("drop table bench_insert")
    return median(times)


def _timed(admin: psycopg.Connection) -> float:
    began = time.perf_counter()
    admin.execute(_BARE, ["Bench"])
    return time.perf_counter() - began


def _booked(found: Ward) -> int:
    query = "select count(*) from operational.appointment where clinic_id = %s and service = %s and status = 'booked'"
    with connect_admin(found.at) as admin:
        row = admin.execute(query, [found.clinic_id, SERVICE]).fetchone()
    return int(row[0]) if row else 0


def _all_made(statuses: set[bytes]) -> None:
    if statuses != {b"201"}:
        raise AssertionError(f"answered {statuses}")
