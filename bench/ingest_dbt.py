"""What one dbt run over every clinic costs beyond its SQL."""

import json
from collections.abc import Iterator

from bench.harness import Bench, Figure, at_most, benchmark
from bench.ingest import ingest_all
from bench.scale import AS_OF
from infra.database import Server, connect_admin
from orchestration.dbt_run import dbt_folder, run_dbt, today_everywhere


@benchmark("ingest.dbt")
def overhead(bench: Bench) -> Iterator[Figure]:
    """Milliseconds a clinic and model that dbt's nodes took and their SQL did not; baseline: the SQL's own.

    Whatever a node waits for counts as overhead: other threads' locks and processors too.
    """
    at, slugs = bench.data(), bench.scale.slugs
    ingest_all(at, slugs)
    outcome = run_dbt(at, today_everywhere(slugs, AS_OF), select=["resource_type:model"])
    runs, sql_seconds = _own_time(at, outcome.invocation_id)
    spent = _node_seconds(at)
    yield at_most(
        "ingest.dbt_overhead",
        1000 * (spent - sql_seconds) / runs,
        "ms",
        20,
        baseline=1000 * sql_seconds / runs,
    )


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


def _node_seconds(at: Server) -> float:
    results = json.loads((dbt_folder(at) / "target" / "run_results.json").read_text())["results"]
    return float(sum(result["execution_time"] for result in results))
