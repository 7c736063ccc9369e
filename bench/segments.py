"""Full evaluation of every clinic's segments, members written, against a polars program that only computes them."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from bench.harness import Bench, Figure, Timer, against, at_most, benchmark
from bench.scale import Scale
from bench.segments_polars import export
from bench.segments_polars import members as in_polars
from bench.segments_rules import FIVE, TWENTY
from bench.segments_sets import marts, members, put_segments, timed
from infra.database import Server

ROUNDS = 3
MORE_CLINICS = 10


@benchmark("segments.full")
def full(bench: Bench) -> Iterator[Figure]:
    """Seconds of twenty segments in every clinic, two clinics at a time; polars computes all clinics at once.

    Raises:
        AssertionError: the two find other members.
    """
    at, slugs, folder = marts(bench, bench.scale), bench.scale.slugs, bench.folder / "parquet"
    export(at, slugs, folder)
    put_segments(at, slugs, TWENTY)
    theirs, ours = Timer(), []
    for _ in range(ROUNDS):
        ours.append(timed(at, slugs))
        with theirs.running():
            computed = in_polars(folder)
    written = [row for slug in slugs for row in members(at, slug)]
    if len(written) != computed.height or set(written) != set(computed.iter_rows()):
        raise AssertionError(f"polars finds {computed.height} members, {len(written)} were written")
    yield against("segments.full", median(ours), theirs.seconds / ROUNDS, 1 / 3)


@benchmark("segments.twenty_by_five")
def twenty_by_five(bench: Bench) -> Iterator[Figure]:
    """Twenty segments by five, over the same twelve measures."""
    at, slugs = marts(bench, bench.scale), bench.scale.slugs
    # In turns: whichever came first would be at a disadvantage.
    rounds = [[_once(at, slugs, rules) for rules in (TWENTY, FIVE)] for _ in range(ROUNDS)]
    twenty, five = map(median, zip(*rounds, strict=True))
    yield at_most("segments.twenty_by_five", twenty / five, "x", 1.5)


@benchmark("segments.doubling")
def doubling(bench: Bench) -> Iterator[Figure]:
    """All patients by half of them, in as many clinics."""
    yield at_most("segments.doubling", _by(bench, bench.scale, bench.scale.halved()), "x", 2.2)


@benchmark("segments.thousand_clinics")
def thousand_clinics(bench: Bench) -> Iterator[Figure]:
    """The same rows over ten times as many clinics."""
    many = replace(bench.scale, clinics=MORE_CLINICS * bench.scale.clinics)
    yield at_most("segments.thousand_clinics", _by(bench, many, bench.scale), "x", 1.5)


def _by(bench: Bench, one: Scale, other: Scale) -> float:
    seconds, baseline = (_seconds(marts(bench, scale), scale.slugs, TWENTY) for scale in (one, other))
    return seconds / baseline


def _once(at: Server, slugs: list[str], rules: dict[str, str]) -> float:
    put_segments(at, slugs, rules)
    return timed(at, slugs)


def _seconds(at: Server, slugs: list[str], rules: dict[str, str]) -> float:
    put_segments(at, slugs, rules)
    return median(timed(at, slugs) for _ in range(ROUNDS))
