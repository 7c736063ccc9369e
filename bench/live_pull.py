"""A pull of a whole segment with every disclosure recorded, against a bare COPY of the same rows, in turns."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from uuid import UUID, uuid4

import psutil
import psycopg

from bench.access_reads import Ward, serving
from bench.harness import Bench, Figure, against, at_most, benchmark
from infra.database import Server, connect_admin
from infra.provisioner import Clinic, add_clinics
from policies.classification import Field

MEMBERS = 100_000
ROUNDS = 5
CLINIC, SEGMENT = "pulls", UUID(int=1)
FIELDS = (Field.EXTERNAL_ID, Field.NAME)
MEGABYTE = 1024 * 1024

_PATIENTS = """
insert into raw_patients (patient_id, version, name, external_id, registered_on, profile_shared)
select gen_random_uuid(), 1, 'Patient number ' || n, 'external-' || n, '2020-01-01', false
from generate_series(1, %s) as n"""
_SEGMENT = """
insert into segment (segment_id, slug, name, profile_dependent, created_at) values (%s, 'all', 'All', false, now())"""
_VERSION = """
insert into segment_version (segment_id, version, rule, profile_dependent, created_at)
values (%s, 1, '{}', false, now())"""
_STAYS = """
insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)
select %s, patient_id, now(), 1, 1, 'data', false from raw_patients order by patient_id"""
_COPY = """
copy (
    select m.patient_id, p.external_id, p.name
    from segment_member as m inner join raw_patients as p on p.patient_id = m.patient_id
    where m.left_at is null
) to stdout"""


@benchmark("live.pull")
def pulls(bench: Bench) -> Iterator[Figure]:
    """Seconds of a pull as JSON lines, milliseconds to the first byte of its body, growth of the server's memory."""
    found = _clinic(bench.data(), min(MEMBERS, bench.scale.patients * 2))
    with serving(found) as port, connect_admin(found.at) as admin:
        admin.execute("set search_path = clinic_pulls")
        _pull(port, found, "empty")  # what the service loads at its first answer is none of the pull's
        with _growth() as grown:
            rounds = [(_copied(admin), *_pull(port, found, "all")) for _ in range(ROUNDS)]
    copied, first, whole = (median(column) for column in zip(*rounds, strict=True))
    yield against("live.pull_ndjson", whole, copied, 0.25)
    yield at_most("live.pull_first_byte_ms", first * 1000, "ms", 400)
    yield at_most("live.pull_memory_mb", grown[0], "MB", 50)


def _clinic(at: Server, members: int) -> Ward:
    """One more clinic, with a segment of so many, and a key that reads it; made if it is not there."""
    # Late: the other benchmarks need no API.
    from api.system_keys import add_api_key

    add_clinics(at, [Clinic(CLINIC, "Pulls")], requested_by="bench")
    with connect_admin(at) as admin:
        admin.execute("set search_path = clinic_pulls")
        if not admin.execute("select 1 from segment").fetchone():
            admin.execute(_PATIENTS, [members])
            admin.execute(_SEGMENT, [SEGMENT])
            admin.execute(_SEGMENT.replace("'all', 'All'", "'empty', 'Empty'"), [UUID(int=2)])
            admin.execute(_VERSION, [SEGMENT])
            admin.execute(_STAYS, [SEGMENT])
            admin.execute("vacuum analyze raw_patients, segment_member")
        row = admin.execute("select clinic_id from operational.clinic where slug = %s", [CLINIC]).fetchone()
        assert row
    key = add_api_key(at, f"puller.{uuid4().hex}", CLINIC, fields=FIELDS)
    return Ward(at, CLINIC, row[0], [], [], [], key)


def _copied(admin: psycopg.Connection) -> float:
    began = time.perf_counter()
    with admin.cursor().copy(_COPY) as copying:
        while copying.read():
            pass
    return time.perf_counter() - began


def _pull(port: int, found: Ward, segment: str) -> tuple[float, float]:
    """Seconds to the first byte of the body, and to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.perf_counter()
    headers = {"Authorization": f"Bearer {found.token}", "Accept": "application/x-ndjson"}
    connection.request("GET", f"/v1/clinics/{found.clinic}/segments/{segment}/members", headers=headers)
    answer = connection.getresponse()
    body = answer.read(1)
    first = time.perf_counter() - began
    while piece := answer.read(MEGABYTE):
        body = piece
    seconds = time.perf_counter() - began
    connection.close()
    if answer.status != 200 or b'"complete"' not in body[-400:]:
        raise AssertionError(f"answered {answer.status}")
    return first, seconds


@contextmanager
def _growth() -> Iterator[list[float]]:
    """Megabytes that the served application grew by at most while the block ran; one figure, there in the end."""
    (served,) = [one for one in psutil.Process().children() if "bench.access_serve" in one.cmdline()]
    before, peak, over = served.memory_info().rss, 0, threading.Event()
    grown: list[float] = []

    def look() -> None:
        nonlocal peak
        while not over.wait(0.005):
            peak = max(peak, served.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield grown
    finally:
        over.set()
        looking.join()
        grown.append((max(peak, before) - before) / MEGABYTE)
