"""The rows that a measure's value comes from.

Of a count, a rate or a mean all that count; of what is first, latest, lowest or highest those that decide it. From
the sources alone the value is the same.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.reference import Patient, rows_of
from policies.segments.values import Row

Chosen = Callable[[Sequence[Row], date], Iterable[Row]]
ID_COLUMN = {
    FactTable.APPOINTMENTS: "appointment_id",
    FactTable.FORMS: "form_id",
    FactTable.ANSWERS: "answer_id",
    FactTable.ADHERENCE: "plan_id",
    FactTable.PLANS: "plan_id",
}


def sources_of(condition: Condition, patient: Patient, as_of: date) -> list[Row]:
    """The rows that a condition's value comes from, the newest first; none for what `raw_patients` says."""
    measure = condition.definition
    if measure.table is FactTable.PATIENTS:
        return []
    chosen = _CHOSEN.get(measure.name, _all)(rows_of(condition, patient, as_of), as_of)
    id_column = ID_COLUMN[measure.table]
    return sorted(chosen, key=lambda row: (row[measure.day], str(row[id_column])), reverse=True)


def _all(rows: Sequence[Row], _: date) -> Sequence[Row]:
    return rows


def _extreme(column: str, pick: Callable[..., Any]) -> Chosen:
    """Rows with the column's lowest or highest value; of ties all."""

    def chosen(rows: Sequence[Row], _: date) -> list[Row]:
        picked = pick((row[column] for row in rows), default=None)
        return [row for row in rows if row[column] == picked]

    return chosen


def _last(*columns: str) -> Chosen:
    """The one row that comes last by these columns."""
    return lambda rows, _: sorted(rows, key=lambda row: [row[column] for column in columns])[-1:]


def _first(*columns: str) -> Chosen:
    return lambda rows, _: sorted(rows, key=lambda row: [row[column] for column in columns])[:1]


def _overdue(rows: Sequence[Row], as_of: date) -> list[Row]:
    return [row for row in rows if row["due_on"] is not None and row["due_on"] < as_of]


def _of_latest_form(rows: Sequence[Row], as_of: date) -> list[Row]:
    latest = {row["form_id"] for row in _last("answered_at", "form_id")(rows, as_of)}
    return [row for row in rows if row["form_id"] in latest]


def _last_done(rows: Sequence[Row], as_of: date) -> Iterable[Row]:
    return _extreme("day", max)([row for row in rows if row["done"] > 0], as_of)


_LATEST_ANSWER, _FIRST_ANSWER = _last("answered_at", "answer_id"), _first("answered_at", "answer_id")
_CHOSEN: dict[str, Chosen] = {
    "appointments.first_on": _extreme("starts_on", min),
    "appointments.last_on": _extreme("starts_on", max),
    "appointments.days_since_last": _extreme("starts_on", max),
    "appointments.next_on": _extreme("starts_on", min),
    "appointments.days_until_next": _extreme("starts_on", min),
    "forms.overdue": _overdue,
    "answers.days_since_last": _extreme("answered_on", max),
    **{f"answers.latest{kind}": _LATEST_ANSWER for kind in ("", "_choice", "_text", "_date")},
    **{f"answers.first{kind}": _FIRST_ANSWER for kind in ("", "_choice", "_text", "_date")},
    "answers.latest_choices": _of_latest_form,
    "answers.min": _extreme("number", min),
    "answers.max": _extreme("number", max),
    "answers.min_date": _extreme("day", min),
    "answers.max_date": _extreme("day", max),
    "adherence.days_since_last": _last_done,
    "adherence.plan_progress": _last("starts_on", "plan_id"),
}
