"""A build gives way to changes that are late, for so long and no longer, and holds nothing meanwhile."""

import threading
from collections.abc import Callable, Iterator
from datetime import date
from uuid import uuid4

import psycopg
import pytest
from operational_rows import Rows

from infra.database import Server, connect
from infra.live_health import PLACES
from infra.roles import Login
from orchestration.dbt_run import run_dbt, today_everywhere
from orchestration.graph import MODELS
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from tests.integration.test_sealer import wait_until

CLINICS = today_everywhere(["north", "south"], date(2024, 6, 30))
SLEEPING = """
select exists (select from pg_locks as held where held.pid = waiting.pid and locktype = 'advisory'),
    backend_xid is not null
from pg_stat_activity as waiting
where datname = current_database() and application_name = %s and wait_event = 'PgSleep'
"""

# Of so many calls, which went on at once, and which waited.
GO_ON_AND_WAIT = """
select count(*) filter (where not waited), count(*) filter (where waited)
from (select pipeline.give_way() > interval '0' as waited from generate_series(1, %s) offset 0) as calls
"""


@pytest.fixture
def pipeline(server: Server) -> Iterator[psycopg.Connection]:
    with connect(Login.PIPELINE, at=server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def worker(server: Server) -> Iterator[psycopg.Connection]:
    """Somebody who holds a live worker's place, and brings nothing."""
    with connect(Login.PIPELINE, at=server, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s, 3)", [PLACES])
        yield connection


def change(admin: psycopg.Connection, ago: str, clinic: str = "north") -> None:
    """A change of somebody that was committed so long ago, and waits."""
    admin.execute(
        "insert into operational.outbox (clinic_id, entity, patient_id, changed_at)"
        " select clinic_id, 'form', gen_random_uuid(), clock_timestamp() - %s::interval"
        " from operational.clinic where slug = %s",
        [ago, clinic],
    )


def always(admin: psycopg.Connection, late: bool) -> None:
    """Changes are late from now on, or none is, whatever there is."""
    admin.execute(
        "create or replace function pipeline.changes_late() returns boolean language sql volatile set search_path = ''"
        f" as 'select {late}'"
    )


def is_late(connection: psycopg.Connection) -> bool:
    return connection.execute("select pipeline.changes_late()").fetchone() == (True,)


def waited(connection: psycopg.Connection) -> bool:
    """Give way once; whether that took a wait."""
    return connection.execute("select pipeline.give_way() > interval '0'").fetchone() == (True,)


def asleep(admin: psycopg.Connection, application: str) -> tuple[bool, bool] | None:
    """Of a session that gives way, whether it holds an advisory lock, and whether it has begun to write."""
    return admin.execute(SLEEPING, [application]).fetchone()


@pytest.mark.usefixtures("worker")
def test_late_is_what_a_worker_is_about_to_bring(admin: psycopg.Connection, pipeline: psycopg.Connection) -> None:
    found = {}
    for ago in ("-1 hour", "0.1 s", "1 hour"):
        admin.execute("delete from operational.outbox")
        change(admin, ago)
        found[ago] = is_late(pipeline)
    assert found == {"-1 hour": False, "0.1 s": True, "1 hour": False}
    for _ in range(20):  # others wait for something else
        change(admin, "1 hour")
    change(admin, "0.1 s", "south")
    assert is_late(pipeline)


def test_nothing_is_late_without_a_worker_or_a_change_that_waits(
    admin: psycopg.Connection, pipeline: psycopg.Connection, worker: psycopg.Connection
) -> None:
    assert not is_late(pipeline)
    # What is dead waits for nobody.
    admin.execute(
        "insert into clinic_north.dead_change (patient_id, entity, sqlstate, failed_at)"
        " values (%s, 'form', '22003', now() - interval '1 second')",
        [uuid4()],
    )
    assert not is_late(pipeline)
    change(admin, "0.1 s")
    assert is_late(pipeline)
    worker.execute("select pg_advisory_unlock_all()")
    assert not is_late(pipeline)


def test_who_gives_way_waits_while_something_is_late(admin: psycopg.Connection, pipeline: psycopg.Connection) -> None:
    always(admin, False)
    assert not any(waited(pipeline) for _ in range(10))
    always(admin, True)
    assert waited(pipeline)
    always(admin, False)
    assert not waited(pipeline)


def test_who_has_waited_enough_goes_on_though_something_is_late(
    admin: psycopg.Connection, pipeline: psycopg.Connection
) -> None:
    always(admin, True)
    # One after the other without any work between.
    before, after = (pipeline.execute(GO_ON_AND_WAIT, [calls]).fetchone() for calls in (2, 10_000))
    assert before == (0, 2)
    assert after and after[0] > after[1] > 0


@pytest.mark.check(44)
def test_a_build_ends_though_changes_are_late_all_the_time(server: Server, admin: psycopg.Connection) -> None:
    rows = Rows(admin)
    for clinic in ("north", "south"):
        rows.appointment(clinic, rows.patient(clinic), date(2024, 5, 1), "noshow")
        for asset in Asset:
            ingest(server, clinic, asset, uuid4())
    admin.execute("alter table clinic_north.patient_summary add constraint few check (noshows < 1)")
    always(admin, True)
    outcome = run_dbt(server, CLINICS)
    assert set(outcome.failed) == {"north"} and set(MODELS) <= set(outcome.done["south"])


@pytest.mark.parametrize("build", ["cloister-dbt", "cloister-pipeline"])
def test_a_build_that_gives_way_holds_no_lock(server: Server, admin: psycopg.Connection, build: str) -> None:
    always(admin, True)
    works: dict[str, Callable[[], object]] = {
        "cloister-dbt": lambda: run_dbt(server, CLINICS),
        "cloister-pipeline": lambda: ingest(server, "north", Asset.PATIENTS, uuid4()),
    }
    found: list[tuple[bool, bool]] = []
    thread = threading.Thread(target=works[build])
    thread.start()
    wait_until(lambda: found.extend(filter(None, [asleep(admin, build)])) or bool(found) or not thread.is_alive())
    thread.join()
    assert found == [(False, False)]
