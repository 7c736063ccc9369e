"""How a verdict goes on by time alone: the days on which it changes although no new fact comes.

A condition can change only on some days: those on which a fact comes in or leaves the window, a birthday, a day
that is as far from a fact as a constant of the condition says. The reference is asked on each of these in
order, and nowhere is it assumed that a verdict changes but once. Ten years ahead are looked at. A form is open until
the day that its row says, if it says one. A consent that ends is a new fact: its day is not asked for.
"""

import calendar
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from math import floor
from operator import itemgetter

from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.reference import Patient, Verdict, holds
from policies.segments.values import Row
from policies.segments.windows import Window

HORIZON_DAYS = 3653
# As measured: what is spent on a row before any day is looked at, in days, and on so many constants as on a row.
DAYS_OF_FINDING = 10
CONSTANTS_A_ROW = 4
# Comparisons of these units with a constant change as that many days or years have passed.
_DAYS, _YEARS = "days", "years"


@dataclass(frozen=True)
class Course:
    """What a verdict is from each of these days on: the as-of date first, and no two neighbours alike."""

    steps: tuple[tuple[date, Verdict], ...]

    @property
    def holds(self) -> Verdict:
        """The verdict on the as-of date."""
        return self.steps[0][1]

    @property
    def changes_on(self) -> date | None:
        """The first later day with another verdict; None if there is none within `HORIZON_DAYS`."""
        return self.steps[1][0] if len(self.steps) > 1 else None


def raw_table(condition: Condition) -> FactTable:
    """The table of the mart that a condition's measure is made from: plans are made of their days."""
    table = condition.definition.table
    return FactTable.ADHERENCE if table is FactTable.PLANS else table


def course_of(condition: Condition, patient: Patient, as_of: date) -> Course:
    """The course of one condition for a patient."""
    narrowed = _narrowed(condition, patient, as_of)
    days = [as_of, *_days_of_change(condition, narrowed, as_of)]
    return _course((day, holds(condition, narrowed, day)) for day in days)


def looks(condition: Condition, patient: Patient, as_of: date) -> int:
    """How often `course_of` looks at a row: at each of them on each day on which the condition may change.

    Constants are looked at as well; and to find the rows and days at all is as much as some days.
    """
    narrowed = _narrowed(condition, patient, as_of)
    constants = len(condition.value) if isinstance(condition.value, list) else 1
    looked_at = len(_rows(condition, narrowed)) + constants // CONSTANTS_A_ROW
    return looked_at * (DAYS_OF_FINDING + len(_days_of_change(condition, narrowed, as_of)))


def _narrowed(condition: Condition, patient: Patient, as_of: date) -> Patient:
    """The patient with those rows alone that count on some day from the as-of date on."""
    window = _window(condition)
    rows = [row for row in _rows(condition, patient) if window is None or _still_counts(row, condition, window, as_of)]
    return Patient(patient.columns, {raw_table(condition): rows})


def together(courses: Sequence[Course], decide: Callable[[Sequence[Verdict]], Verdict]) -> Course:
    """The course of what several verdicts decide together."""
    current: list[Verdict] = [course.holds for course in courses]
    changes = [(day, index, verdict) for index, course in enumerate(courses) for day, verdict in course.steps]

    def steps() -> Iterator[tuple[date, Verdict]]:
        for day, changed in groupby(sorted(changes, key=itemgetter(0)), key=itemgetter(0)):
            for _, index, verdict in changed:
                current[index] = verdict
            yield day, decide(current)

    return _course(steps())


def _course(steps: Iterable[tuple[date, Verdict]]) -> Course:
    found: list[tuple[date, Verdict]] = []
    for day, verdict in steps:
        if not found or found[-1][1] is not verdict:
            found.append((day, verdict))
    return Course(tuple(found))


def _days_of_change(condition: Condition, patient: Patient, after: date) -> list[date]:
    """Every day on which the condition may change, and perhaps some on which it does not."""
    marks, window, unit = _marks(condition, patient), _window(condition), condition.definition.unit
    first, last = after.toordinal() + 1, min(after.toordinal() + HORIZON_DAYS, date.max.toordinal())
    found = _shifted([mark.toordinal() for mark in marks], _shifts(condition), first, last)
    if window:
        found |= {_leaves(mark, window) for mark in marks}
    if unit == _YEARS:
        found |= {_birthday(mark, after.year + ahead) for mark in marks for ahead in range(HORIZON_DAYS // 365 + 1)}
    return [date.fromordinal(day) for day in sorted(found) if first <= day <= last]


def _shifted(marks: list[int], shifts: set[int], first: int, last: int) -> set[int]:
    """The days from the first to the last that are so many days beside a mark.

    A day is a bit, and all marks are shifted at once: of thousands of days and constants there are millions of pairs.
    """
    if not marks or first > last:
        return set()
    lowest, highest, days = min(marks), max(marks), last - first + 1
    bits = bytearray((highest - lowest) // 8 + 1)
    for mark in marks:
        bits[(mark - lowest) // 8] |= 1 << (mark - lowest) % 8
    found = 0
    for shift in shifts:
        if lowest + shift <= last and highest + shift >= first:
            begin = max(first - shift - lowest, 0)  # of the bits that come to lie between
            part = int.from_bytes(bits[begin // 8 : (begin + days) // 8 + 1], "little") >> begin % 8
            found |= part << max(lowest + shift - first, 0)
    return {first + day for day in range(days) if found >> day & 1}


def _rows(condition: Condition, patient: Patient) -> Sequence[Row]:
    table = raw_table(condition)
    return [patient.columns] if table is FactTable.PATIENTS else patient.facts.get(table, ())


def _marks(condition: Condition, patient: Patient) -> set[date]:
    """The days that stand in the rows which the measure is taken from."""
    values = (value for row in _rows(condition, patient) for value in row.values())
    return {value for value in values if isinstance(value, date) and not isinstance(value, datetime)}


def _shifts(condition: Condition) -> set[int]:
    """How many days beside a mark the condition may change: it comes in on its day, and is past the day after."""
    constants = condition.constants() if condition.value is not None and condition.definition.unit == _DAYS else []
    away = [floor(constant) for constant in constants if not isinstance(constant, str)]
    return {0, 1} | {sign * days + beside for days in away for sign in (1, -1) for beside in (0, 1)}


def _window(condition: Condition) -> Window | None:
    return Window.parse(condition.window) if condition.window else None


def _still_counts(row: Row, condition: Condition, window: Window, as_of: date) -> bool:
    day: date | None = row[condition.definition.day]
    return day is not None and _leaves(day, window) > as_of.toordinal()


def _leaves(day: date, window: Window) -> int:
    """The first day, as an ordinal, whose window begins after this day."""
    if window.days:
        return day.toordinal() + window.days
    year, month = divmod(day.year * 12 + day.month - 1 + window.months, 12)
    if year >= date.max.year:
        return date.max.toordinal() + 1
    # 31 January is in the month that ends on 28 February, and in no other.
    end = date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    return end.toordinal() + (window.before(end) < day)


def _birthday(born: date, year: int) -> int:
    """A birthday as the reference counts years: of 29 February, on 1 March of other years."""
    leapling = (born.month, born.day) == (2, 29) and not calendar.isleap(year)
    return (date(year, 3, 1) if leapling else born.replace(year=year)).toordinal()
