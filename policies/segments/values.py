"""What each measure is of one patient, given the facts that count: a part of the reference.

Plain and slow on purpose. None is unknown.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
OfFacts = Callable[[list[Row], date], Any]


def _age(patient: Row, as_of: date) -> int | None:
    """Completed years; whoever was born on 29 February has a birthday on 1 March of other years."""
    born: date | None = patient["birth_date"]
    if born is None or born > as_of:
        return None
    return as_of.year - born.year - ((as_of.month, as_of.day) < (born.month, born.day))


def _since(patient: Row, as_of: date) -> date | None:
    registered: date = patient["registered_on"]
    return registered if registered <= as_of else None


def _days_since(days: Iterable[date | None], as_of: date) -> int | None:
    newest = max((day for day in days if day is not None), default=None)
    return None if newest is None else (as_of - newest).days


OF_PATIENT: dict[str, Callable[[Row, date], Any]] = {
    "age": _age,
    "registration.since": _since,
    "registration.days": lambda patient, as_of: _days_since([_since(patient, as_of)], as_of),
    **{
        name: lambda patient, _, name=name: patient[name]  # type: ignore[misc]
        for name in ("sex", "blood_type", "insurance_type", "chronic_conditions", "allergies")
    },
}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _missed(rows: Iterable[Row]) -> int:
    return sum(row["status"] == "noshow" for row in rows)


def _starts(rows: Iterable[Row]) -> list[date]:
    return [row["starts_on"] for row in rows]


def _in_order(rows: Iterable[Row], column: str) -> list[Any]:
    """Answers, the first one given before others; of one instant, by id."""
    return [row[column] for row in sorted(rows, key=lambda row: (row["answered_at"], row["answer_id"]))]


def _latest(column: str) -> OfFacts:
    return lambda rows, _: next(reversed(_in_order(rows, column)), None)


def _first(column: str) -> OfFacts:
    return lambda rows, _: next(iter(_in_order(rows, column)), None)


def _least(column: str) -> OfFacts:
    return lambda rows, _: min((row[column] for row in rows), default=None)


def _most(column: str) -> OfFacts:
    return lambda rows, _: max((row[column] for row in rows), default=None)


def _mean(rows: list[Row], _: date) -> float | None:
    """Exact, of numbers as they are written: with 15 digits, beyond which doubles have none of their own."""
    numbers = [Fraction(f"{row['number']:.15g}") for row in rows]
    return float(sum(numbers) / len(numbers)) if numbers else None


def _latest_choices(rows: list[Row]) -> list[str] | None:
    newest = max(((row["answered_at"], row["form_id"]) for row in rows), default=None)
    return None if newest is None else sorted({row["choice"] for row in rows if row["form_id"] == newest[1]})


def _progress(plans: list[Row]) -> float | None:
    newest = max(plans, key=lambda plan: (plan["starts_on"], plan["plan_id"]), default=None)
    return None if newest is None else _share(newest["done"], newest["prescribed"])


OF_FACTS: dict[str, OfFacts] = {
    "appointments.count": lambda rows, _: len(rows),
    "appointments.per_month": lambda rows, _: len(rows),
    "appointments.noshow_count": lambda rows, _: len(rows),
    "appointments.noshow_rate": lambda rows, _: _share(_missed(rows), len(rows)),
    "appointments.first_on": lambda rows, _: min(_starts(rows), default=None),
    "appointments.last_on": lambda rows, _: max(_starts(rows), default=None),
    "appointments.days_since_last": lambda rows, as_of: _days_since(_starts(rows), as_of),
    "appointments.next_on": lambda rows, _: min(_starts(rows), default=None),
    "appointments.days_until_next": lambda rows, as_of: (min(_starts(rows)) - as_of).days if rows else None,
    "forms.completed": lambda rows, _: len(rows),
    "forms.pending": lambda rows, _: len(rows),
    "forms.overdue": lambda rows, as_of: sum(row["due_on"] is not None and row["due_on"] < as_of for row in rows),
    "forms.expired": lambda rows, _: len(rows),
    "answers.count": lambda rows, _: len({row["form_id"] for row in rows}),
    "answers.days_since_last": lambda rows, as_of: _days_since((row["answered_on"] for row in rows), as_of),
    "answers.latest": _latest("number"),
    "answers.first": _first("number"),
    "answers.min": _least("number"),
    "answers.max": _most("number"),
    "answers.mean": _mean,
    "answers.latest_choice": _latest("choice"),
    "answers.first_choice": _first("choice"),
    "answers.latest_choices": lambda rows, _: _latest_choices(rows),
    "answers.choices": lambda rows, _: sorted({row["choice"] for row in rows}) or None,
    "answers.latest_text": _latest("body"),
    "answers.first_text": _first("body"),
    "answers.latest_date": _latest("day"),
    "answers.first_date": _first("day"),
    "answers.min_date": _least("day"),
    "answers.max_date": _most("day"),
    "adherence.completion_rate": lambda rows, _: _share(
        sum(row["done"] for row in rows), sum(row["prescribed"] for row in rows)
    ),
    "adherence.days_since_last": lambda rows, as_of: _days_since(
        (row["day"] for row in rows if row["done"] > 0), as_of
    ),
    "adherence.plan_progress": lambda rows, _: _progress(rows),
}
