"""Peak memory of the process that evaluates every clinic's segments: dbt's, as the pipeline runs it."""

import resource
from collections.abc import Iterator
from multiprocessing import get_context
from uuid import uuid4

from bench.harness import Bench, Figure, at_most, benchmark
from bench.scale import AS_OF
from bench.segments_rules import TWENTY
from bench.segments_sets import marts, put_segments
from infra.database import Server
from orchestration.dbt_run import dbt, today_everywhere, variables
from orchestration.programs import write_program


@benchmark("segments.memory")
def memory(bench: Bench) -> Iterator[Figure]:
    """Megabytes that were resident at most while twenty segments of every clinic were filled."""
    at, slugs = marts(bench, bench.scale), bench.scale.slugs
    put_segments(at, slugs, TWENTY)
    for slug in slugs:
        write_program(at, slug)
    # A process whose only child is dbt's: its children's peak is that of dbt.
    with get_context("spawn").Pool(1) as pool:
        yield at_most("segments.memory_mb", pool.apply(_peak, (at, slugs)), "MB", 300)


def _peak(at: Server, slugs: list[str]) -> float:
    dbt(at, ["run", "--select", "segment_member"], variables(at, today_everywhere(slugs, AS_OF), str(uuid4())))
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
