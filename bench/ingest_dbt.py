"""What one dbt run over every clinic costs beyond its SQL."""

from collections.abc import Iterator
from uuid import uuid4

from bench.harness import Bench, Figure, Timer, at_most, benchmark
from bench.ingest import ingest_all
from bench.scale import AS_OF
from infra.database import Server, connect_admin
from orchestration.dbt_run import dbt, today_everywhere, variables


@benchmark("ingest.dbt")
def overhead(bench: Bench) -> Iterator[Figure]:
    """Milliseconds a clinic and model beyond the SQL's own; baseline: the SQL's own.

    The whole command counts, its start too. One thread: with more, models wait for each other's SQL
    under the clinic's lock, and their times could not be added up.
    """
    at, slugs, run_id = bench.data(), bench.scale.slugs, str(uuid4())
    ingest_all(at, slugs)
    with (timer := Timer()).running():
        dbt(at, ["run", "--threads", "1"], variables(at, today_everywhere(slugs, AS_OF), run_id))
    runs, sql_seconds = _own_time(at, run_id)
    extra = timer.seconds - sql_seconds
    yield at_most("ingest.dbt_overhead", 1000 * extra / runs, "ms", 20, baseline=1000 * sql_seconds / runs)


def _own_time(at: Server, run_id: str) -> tuple[int, float]:
    """How many times a model was built in a clinic, and the seconds of its SQL."""
    with connect_admin(at) as admin:
        row = admin.execute(
            "select count(*), sum(sql_seconds) from pipeline.clinic_run where invocation_id = %s and status = 'done'",
            [run_id],
        ).fetchone()
    if row is None or not row[0]:
        raise AssertionError("dbt built nothing")
    return row[0], row[1]
