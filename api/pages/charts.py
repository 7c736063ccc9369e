"""Charts as shapes: the numbers that a template draws as SVG. No script, no inline style."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from jinja2.runtime import Macro
from markupsafe import Markup

from api.pages.texts import N_, language, say

# A row's height in SVG units, and the longest bar in percent of the room for bars.
ROW = 30
ROOM = 100
# The room for a line over days, in SVG units; it is stretched to the width that there is.
WIDTH, HEIGHT = 600, 120

DIMENSIONS = {
    "age": N_("Age"),
    "sex": N_("Sex"),
    "insurance": N_("Insurance"),
    "service": N_("Service of the last visit"),
    "attendance": N_("Missed visits"),
    "adherence": N_("Plan followed, last 30 days"),
}
UNKNOWN = "unknown"
# Of words there may be any number: the most frequent ones are shown, the others together.
MOST_BARS, OTHERS = 8, N_("others")


@dataclass(frozen=True)
class Bar:
    """One bucket, and where its row stands in the drawing: y in SVG units, the width in percent."""

    label: str
    # None where it is not told.
    count: int | None
    share: int
    y: int
    width: float


@dataclass(frozen=True)
class Chart:
    """Counts by one dimension, such as a segment's make-up by age."""

    key: str
    title: str
    bars: tuple[Bar, ...]
    height: int
    counted: str = N_("Present members")

    @property
    def summary(self) -> str:
        """The chart in one sentence, for those who do not see it."""
        told = [bar for bar in self.bars if bar.count is not None]
        return "; ".join(f"{_said(bar.label)}: {bar.count} ({bar.share} %)" for bar in told)


@dataclass(frozen=True)
class Trend:
    """A count over days, oldest first: the points of its line, and of the area under it, in SVG units."""

    title: str
    days: tuple[tuple[date, int], ...]
    line: str
    area: str
    most: int

    @property
    def summary(self) -> str:
        """The first, last, least and most of it, for those who do not see it."""
        counts = [count for _, count in self.days]
        return f"{counts[0]} → {counts[-1]} ({min(counts)}–{max(counts)})"


def once(macro: Macro, *given: Any) -> Markup:
    """What a macro draws of a chart, in the language of this request: drawn once for all who see the same."""
    return _drawn(macro, language(), given)


@lru_cache(maxsize=1024)
def _drawn(macro: Macro, _spoken: str, given: tuple[Any, ...]) -> Markup:
    return Markup(macro(*given))  # nosec B704 # a macro of ours, which escapes what it is given


def trend(title: str, days: Sequence[tuple[date, int]]) -> Trend | None:
    """A line from zero up over days, if there are two of them at least; by its content drawn once."""
    return _line(title, tuple(days)) if len(days) > 1 else None


@lru_cache(maxsize=1024)
def _line(title: str, days: tuple[tuple[date, int], ...]) -> Trend:
    most = max(count for _, count in days)
    begin, end = days[0][0], days[-1][0]
    span = (end - begin).days or 1
    points = [
        f"{round(WIDTH * (day - begin).days / span, 1)},{round(HEIGHT - HEIGHT * count / (most or 1), 1)}"
        for day, count in days
    ]
    line = " ".join(points)
    return Trend(title, days, line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}", most)


def charts(make_up: Sequence[dict[str, Any]]) -> list[Chart]:
    """The charts of a make-up, in a fixed order, without those that would be empty."""
    return [found for key in DIMENSIONS if (found := chart(make_up, key))]


def chart(make_up: Sequence[dict[str, Any]], key: str) -> Chart | None:
    """The chart of one dimension, if there is anything to draw."""
    rows = sorted((row for row in make_up if row["dimension"] == key), key=_order)
    return drawn(key, DIMENSIONS[key], _most([(row["bucket"].replace("_", " "), row["patients"]) for row in rows]))


def drawn(key: str, title: str, rows: Sequence[tuple[str, int | None]], counted: str = Chart.counted) -> Chart | None:
    """A chart of these labels and counts as they stand, if there is anything to draw."""
    total = sum(count or 0 for _, count in rows)
    if not total:
        return None
    most = max(count or 0 for _, count in rows)
    bars = tuple(
        Bar(label, count, round(100 * (count or 0) / total), place * ROW, round(ROOM * (count or 0) / most, 1))
        for place, (label, count) in enumerate(rows)
    )
    return Chart(key, title, bars, len(bars) * ROW, counted)


def _said(label: str) -> str:
    return say(UNKNOWN) if label == UNKNOWN else label


def _most(rows: list[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    if len(rows) <= MOST_BARS:
        return rows
    kept = {label for label, _ in sorted(rows, key=lambda row: -(row[1] or 0))[: MOST_BARS - 1]}
    others = sum(count or 0 for label, count in rows if label not in kept)
    return [*(row for row in rows if row[0] in kept), (say(OTHERS), others or None)]


def _order(row: dict[str, Any]) -> tuple[bool, int, str]:
    """Numbers by size, then words, what is not known last."""
    return row["bucket"] == UNKNOWN, _leading(row["bucket"]), row["bucket"]


def _leading(bucket: str) -> int:
    """The number a bucket starts with, so that '5-17' comes before '18-39'."""
    digits = "".join(character if character.isdigit() else " " for character in bucket).split()
    return int(digits[0]) if digits else -1
