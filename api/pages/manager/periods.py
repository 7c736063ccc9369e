"""Two spans of days compared: who entered and left a segment, and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from api.segments.history_schemas import Day

DAYS = 30


@dataclass(frozen=True)
class Period:
    """What changed in a span of days."""

    first: date
    last: date
    members: int
    entered: int
    left: int
    # By cause, the most frequent first.
    entered_by: list[tuple[str, int]]
    left_by: list[tuple[str, int]]


def periods(days: Sequence[Day]) -> list[Period]:
    """The last 30 days and the 30 before them, the newer first."""
    return [_period(days[-DAYS:]), _period(days[-2 * DAYS : -DAYS])]


def _period(days: Sequence[Day]) -> Period:
    return Period(
        days[0].day,
        days[-1].day,
        days[-1].members or 0,
        sum(day.entered or 0 for day in days),
        sum(day.left or 0 for day in days),
        _summed([day.entered_by for day in days]),
        _summed([day.left_by for day in days]),
    )


def _summed(causes: Sequence[dict[str, int]]) -> list[tuple[str, int]]:
    total: Counter[str] = Counter()
    for each in causes:
        total.update(each)
    return [(cause, count) for cause, count in total.most_common() if count]
