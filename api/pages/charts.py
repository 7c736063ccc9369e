"""Bar charts as shapes: the numbers that a template draws as SVG. No script, no inline style."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# A row's height in SVG units, and the longest bar in percent of the room for bars.
ROW = 30
ROOM = 100

DIMENSIONS = {
    "age": "Age",
    "sex": "Sex",
    "insurance": "Insurance",
    "attendance": "Missed visits",
    "adherence": "Plan followed, last 30 days",
}
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Bar:
    """One bucket, and where its row stands in the drawing: y in SVG units, the width in percent."""

    label: str
    patients: int
    share: int
    y: int
    width: float


@dataclass(frozen=True)
class Chart:
    """One dimension of a segment's make-up."""

    key: str
    title: str
    bars: list[Bar]
    height: int

    @property
    def summary(self) -> str:
        """The chart in one sentence, for those who do not see it."""
        return "; ".join(f"{bar.label}: {bar.patients} ({bar.share} %)" for bar in self.bars)


def charts(make_up: Sequence[dict[str, Any]]) -> list[Chart]:
    """The charts of a make-up, in a fixed order, without those that would be empty."""
    return [found for key in DIMENSIONS if (found := chart(make_up, key))]


def chart(make_up: Sequence[dict[str, Any]], key: str) -> Chart | None:
    """The chart of one dimension, if there is anything to draw."""
    rows = sorted((row for row in make_up if row["dimension"] == key), key=_order)
    total = sum(row["patients"] for row in rows)
    if not total:
        return None
    most = max(row["patients"] for row in rows)
    bars = [_bar(row, place, most, total) for place, row in enumerate(rows)]
    return Chart(key, DIMENSIONS[key], bars, len(bars) * ROW)


def _bar(row: dict[str, Any], place: int, most: int, total: int) -> Bar:
    patients = row["patients"]
    return Bar(row["bucket"], patients, round(100 * patients / total), place * ROW, round(ROOM * patients / most, 1))


def _order(row: dict[str, Any]) -> tuple[bool, int, str]:
    """Numbers by size, then words, what is not known last."""
    return row["bucket"] == UNKNOWN, _leading(row["bucket"]), row["bucket"]


def _leading(bucket: str) -> int:
    """The number a bucket starts with, so that '5-17' comes before '18-39'."""
    digits = "".join(character if character.isdigit() else " " for character in bucket).split()
    return int(digits[0]) if digits else -1
