"""The live worker on the scale set: from commit to membership and feed, alone and beside a build; and catching up."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from statistics import median, quantiles
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from bench.harness import Bench, Figure, Timer, at_least, at_most, benchmark
from bench.ingest import ingest_all
from bench.live_load import Change, Load, Pool
from bench.segments_rules import TWENTY
from bench.segments_sets import evaluate, marts, put_segments
from infra.database import Server, connect_admin
from infra.errors import DatabaseUnavailable
from infra.live_health import health
from infra.roles import clinic_schema
from orchestration.dbt_run import run_dbt, today_everywhere
from orchestration.live import worker

SECONDS = 20.0
# Where it is latest of all the scale's zones: no clinic's midnight comes while the worker runs.
TODAY = datetime.now(ZoneInfo("Europe/Berlin")).date()
# Changes that wait for a worker which was away: so many of each clinic.
BEHIND = 300
RULES = {**TWENTY, "live-bench": 'appointments.count(service=["live-bench"], status=["fulfilled"]) > 0'}


@benchmark("live.latency")
def latency(bench: Bench) -> Iterator[Figure]:
    """Milliseconds from a change's commit to its event in the feed, at 100 changes/s over all clinics.

    Baseline: the change's own transaction. Then the same while every clinic is ingested and dbt runs: three times as
    much is good; baseline: without.
    """
    with _prepared(bench) as (at, pool), _working(at):
        alone = _measured(Load(at, pool), SECONDS)
        with _building(at, bench.scale.slugs) as building:
            busy = _measured(Load(at, pool), SECONDS, building)
    own = [change.own for change in alone]
    for name, goal, of in (("p50", 18, median), ("p99", 80, _p99)):
        yield at_most(f"live.latency_{name}_ms", of([c.seen for c in alone]), "ms", goal, baseline=of(own))
    for name, goal, of in (("p50", 54, median), ("p99", 240, _p99)):
        before, beside = of([c.seen for c in alone]), of([c.seen for c in busy])
        yield at_most(f"live.busy_{name}_ms", beside, "ms", goal, baseline=before)


@benchmark("live.catch_up")
def catch_up(bench: Bench) -> Iterator[Figure]:
    """Changes a second that a worker deals with who was away while they were made; its start is not counted."""
    with _prepared(bench) as (at, pool):
        changes = pool.change_all()
        with _working(at), (timer := Timer()).running():
            _until_empty(at)
    yield at_least("live.catch_up_per_s", changes / timer.seconds, "changes/s", 3000)


@contextmanager
def _prepared(bench: Bench) -> Iterator[tuple[Server, Pool]]:
    """The scale's marts with 21 segments, and patients who have an appointment to change; as before afterwards."""
    at, slugs = marts(bench, bench.scale), bench.scale.slugs
    _use_every_place(at)
    put_segments(at, slugs, RULES)
    pool = Pool(at, slugs)
    pool.fill(BEHIND)
    try:
        ingest_all(at, slugs)
        evaluate(at, slugs, TODAY)
        _count_rows(at, slugs)
        yield at, pool
    finally:
        pool.drain()


def _count_rows(at: Server, slugs: list[str]) -> None:
    """Vacuum what was just written as a first build writes it: else the server does so in the middle of the run, once.

    After it all plans that read these tables are made anew.
    """
    with connect_admin(at) as admin:
        for slug in slugs:
            written = [
                sql.Identifier(clinic_schema(slug), table)
                for table in ("segment", "segment_version", "segment_member", "segment_state")
            ]
            admin.execute(sql.SQL("vacuum analyze {}").format(sql.SQL(", ").join(written)))


def _use_every_place(at: Server) -> None:
    """Have a temporary table on every connection that the server takes, as an instance has had after its first builds.

    The first one of a place makes a schema, by which every other connection forgets all of its plans.
    """
    with ExitStack() as places, suppress(DatabaseUnavailable):
        while True:
            places.enter_context(connect_admin(at)).execute("create temporary table used ()")
    # The server lets go of them a moment after they are closed.
    while not _has_room(at):
        time.sleep(0.1)


def _has_room(at: Server) -> bool:
    try:
        with connect_admin(at) as admin:
            row = admin.execute(
                "select count(*) from pg_stat_activity where backend_type = 'client backend'"
            ).fetchone()
    except DatabaseUnavailable:
        return False
    return row is not None and row[0] < 10


@contextmanager
def _working(at: Server) -> Iterator[None]:
    """A live worker in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=worker.run, args=(at,))
    process.start()
    try:
        while not health(at).workers:
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.join()


@contextmanager
def _building(at: Server, slugs: list[str]) -> Iterator[Callable[[], bool]]:
    """A process that ingests every clinic and then runs dbt; tells whether it still does."""
    process = multiprocessing.get_context("spawn").Process(target=_build, args=(at, slugs))
    process.start()
    try:
        yield process.is_alive
    finally:
        process.join()
    if process.exitcode:
        raise AssertionError("the build beside the worker failed")


def _build(at: Server, slugs: list[str]) -> None:
    ingest_all(at, slugs)
    run_dbt(at, today_everywhere(slugs, TODAY))


def _measured(load: Load, seconds: float, going_on: Callable[[], bool] = lambda: False) -> list[Change]:
    """What changed for so long, or for as long as something goes on."""
    with load:
        end = time.monotonic() + seconds
        while time.monotonic() < end or going_on():
            time.sleep(0.1)
    return load.changes


def _until_empty(at: Server) -> None:
    with connect_admin(at) as admin:
        while _waiting(admin):
            time.sleep(0.02)


def _waiting(admin: psycopg.Connection) -> bool:
    return admin.execute("select exists (select from operational.outbox)").fetchone() == (True,)


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]
