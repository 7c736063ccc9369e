"""What a benchmark is, what it measures against, and how its figures are shown and kept."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.scale import Scale
from bench.scale_data import ensure
from infra.database import Server


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    `baseline` was measured in the same run and has the figure's unit; `ratio` is how it compares, over 1
    where we are better. `goal` is of the ratio where there is one, of the value otherwise.
    """

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    goal: float
    met: bool


def at_most(name: str, value: float, unit: str, goal: float, *, baseline: float | None = None) -> Figure:
    """A figure that should stay under its goal; a baseline is told beside it."""
    return Figure(name, value, unit, baseline, None, goal, value <= goal)


def at_least(name: str, value: float, unit: str, goal: float, *, baseline: float | None = None) -> Figure:
    """A figure that should reach its goal; a baseline is told beside it."""
    return Figure(name, value, unit, baseline, None, goal, value >= goal)


def against(name: str, seconds: float, baseline: float, goal: float) -> Figure:
    """Our seconds against the baseline's; the goal is the least share of the baseline's speed."""
    ratio = baseline / seconds
    return Figure(name, seconds, "s", baseline, ratio, goal, ratio >= goal)


@dataclass(frozen=True)
class Bench:
    """What a run of benchmarks works with: a server of its own, a scale, a folder for files."""

    at: Server
    scale: Scale
    folder: Path

    def data(self, scale: Scale | None = None) -> Server:
        """The database with a scale's rows, made if it is not there."""
        return ensure(scale or self.scale, self.at)


class Skipped(Exception):
    """A benchmark cannot run here; the text says why."""


Benchmark = Callable[[Bench], Iterator[Figure]]
BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str) -> Callable[[Benchmark], Benchmark]:
    """Register a benchmark as `area.what`; it may yield several figures of its area."""

    def register(function: Benchmark) -> Benchmark:
        BENCHMARKS[name] = function
        return function

    return register


@dataclass
class Timer:
    """Seconds that passed inside its `running` blocks."""

    seconds: float = field(default=0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time that the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began


def save(figures: list[Figure], path: Path) -> None:
    """Write the figures as a JSON list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


def show(figures: list[Figure], console: Console) -> None:
    """Print the figures as a table."""
    table = Table(title="Benchmarks")
    for heading in ("figure", "value", "unit", "baseline", "ratio", "goal", "met"):
        table.add_column(heading, justify="left" if heading in ("figure", "unit") else "right")
    for figure in figures:
        numbers = [_short(number) for number in (figure.baseline, figure.ratio, figure.goal)]
        met = "[green]yes[/]" if figure.met else "[red]no[/]"
        table.add_row(figure.name, _short(figure.value), figure.unit, *numbers, met)
    console.print(table)


def _short(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:,.2f}"
