"""Sealing the audit log and verifying an export: how fast, how soon after the commit, and what it costs the writer."""

import threading
import time
from collections.abc import Iterator

from bench.harness import Bench, Figure, Timer, at_least, at_most, benchmark
from bench.scale_data import drop, in_database
from infra.audit_tree.export import export
from infra.audit_tree.verify_file import verify_file
from infra.database import Server, connect, connect_admin
from infra.provisioner import Clinic, add_clinics, set_up
from infra.roles import Login
from orchestration import sealer

DATABASE = "bench_sealing"
# 200,000 events at the full scale of 500,000 patients.
SHARE = 0.4
A_SECOND = 1_000
SECONDS = 10.0
_EVENTS = """
insert into audit.access_event (event_id, occurred_at, principal_id, principal_kind, role, action, resource_type,
    resource_id, clinic_id, purpose, decision, policies, policy_version, categories, request_id, session_id, origin,
    patients)
select gen_random_uuid(), statement_timestamp(), gen_random_uuid(), 'user', 'clinic_staff', 'member.list', 'segment',
    'over-65-low-adherence', 1, 'operations', 'permit', '{staff-lists-members}', '9f1c', '{identifier,membership,name}',
    gen_random_uuid(), gen_random_uuid()::text, '10.0.0.1', 1
from generate_series(1, %s)
"""
_DISCLOSED = """
insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
select event_id, occurred_at, clinic_id, gen_random_uuid() from audit.access_event
"""


@benchmark("audit.seal")
def sealing(bench: Bench) -> Iterator[Figure]:
    """A backlog sealed, exported and verified; then a steady stream of events, and how soon each is sealed."""
    at = in_database(bench.at, DATABASE)
    drop(bench.at, DATABASE)
    set_up(at)
    add_clinics(at, [Clinic("north", "North")], requested_by="bench")
    count = int(bench.scale.patients * SHARE)
    _fill(at, count)
    with (timer := Timer()).running():
        sealed = sealer.seal_once(at)["access"]
    yield at_least("audit.seal_events_per_s", sealed / timer.seconds, "events/s", 20_000)
    yield from _verifying(bench, at, sealed)
    yield at_most("audit.seal_delay_s", max(_delays(at)), "s", 2.0)
    drop(bench.at, DATABASE)


def _verifying(bench: Bench, at: Server, sealed: int) -> Iterator[Figure]:
    """An export of all of it, as it is and compressed; each disclosed a patient."""
    for name, suffix in (("verify", ""), ("verify_gzip", ".gz")):
        path = bench.folder / f"audit.export{suffix}"
        export(at, path)
        with (timer := Timer()).running():
            found = verify_file(path)
        path.unlink()
        if found.checkpoint.size != sealed:
            raise RuntimeError("the export is not whole")
        yield at_least(f"audit.{name}_events_per_s", sealed / timer.seconds, "events/s", 150_000)


def _fill(at: Server, count: int) -> None:
    with connect_admin(at) as admin:
        admin.execute(_EVENTS, [count])
        admin.execute(_DISCLOSED)
        admin.execute("vacuum analyze")


def _delays(at: Server) -> list[float]:
    """Seconds from the commit of an event, at a thousand a second, to the commit of its checkpoint."""
    stop = threading.Event()
    loop = threading.Thread(target=sealer.run, args=(at, stop.is_set))
    loop.start()
    written: list[tuple[int, float]] = []
    with connect(Login.SERVICE, at=at, autocommit=True) as connection:
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < SECONDS:
            due = int(elapsed * A_SECOND) - sum(count for count, _ in written)
            if due > 0:
                connection.execute(_EVENTS, [due])
                written.append((due, time.time()))
            time.sleep(0.005)
    time.sleep(2 * sealer.EVERY)
    stop.set()
    loop.join()
    return _until_sealed(at, written)


def _until_sealed(at: Server, written: list[tuple[int, float]]) -> list[float]:
    with connect_admin(at) as admin:
        signed = admin.execute(
            "select size, extract(epoch from signed_at)::float8 from audit.checkpoint where stream = 'access'"
            " order by size"
        ).fetchall()
    delays, checkpoints = [], iter(signed)
    sealed = signed[-1][0] - sum(count for count, _ in written)
    size, at_time = next(checkpoints)
    for count, committed in written:
        sealed += count
        while size < sealed:
            size, at_time = next(checkpoints)
        delays.append(at_time - committed)
    return delays
