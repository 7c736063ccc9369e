"""How far somebody is with the exercises of a plan."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Day:
    """One day of a plan: how often exercises were prescribed, at least once, and done."""

    day: date
    prescribed: int
    done: int


@dataclass(frozen=True)
class Progress:
    """Sums up to a day, and how many days of the plan in a row, up to that day, everything was done.

    The day itself counts in the sums; in the streak only once everything of it is done: it is not over yet.
    """

    prescribed: int
    done: int
    streak: int


def progress(days: Iterable[Day], today: date) -> Progress:
    """How far the plan is on a day; `days` in any order, of which later ones do not count."""
    past = sorted((day for day in days if day.day <= today), key=lambda day: day.day, reverse=True)
    return Progress(sum(day.prescribed for day in past), sum(day.done for day in past), _streak(past, today))


def _streak(newest_first: list[Day], today: date) -> int:
    streak = 0
    for day in newest_first:
        if day.done >= day.prescribed:
            streak += 1
        elif day.day != today:
            break
    return streak
