"""The rows that a measure's value comes from.

Of a count, a rate or a mean all that count; of what is first, latest, lowest or highest those that decide it.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from policies.segments.catalogue import FactTable
from policies.segments.condition import Condition
from policies.segments.reference import Patient, Row, rows_of

Chosen = Callable[[Sequence[Row], date], Iterable[Row]]
ID_COLUMN = {
    FactTable.APPOINTMENTS: "appointment_id",
    FactTable.FORMS: "form_id",
    FactTable.ANSWERS: "answer_id",
    FactTable.ADHERENCE: "plan_id",
}


def sources_of(condition: Condition, patient: Patient, as_of: date) -> list[Row]:
    """The rows that a condition's value comes from, the newest first; none for what the profile says.

    Raises:
        KeyError: nobody said which rows the measure comes from.
    """
    measure = condition.definition
    if measure.table is FactTable.PATIENTS:
        return []
    id_column = ID_COLUMN[measure.table]
    chosen = list(CHOSEN[measure.name](rows_of(condition, patient, as_of), as_of))
    return sorted(chosen, key=lambda row: (row[measure.day], str(row[id_column])), reverse=True)


def _status(*statuses: str) -> Chosen:
    return lambda rows, _: [row for row in rows if row["status"] in statuses]


def _extreme(column: str, pick: Callable[..., object], among: Chosen) -> Chosen:
    """Of those rows that have the column's lowest or highest value; of ties all."""

    def chosen(rows: Sequence[Row], as_of: date) -> list[Row]:
        found = [row for row in among(rows, as_of) if row[column] is not None]
        return [row for row in found if row[column] == pick(other[column] for other in found)]

    return chosen


def _all(rows: Sequence[Row], _: date) -> Sequence[Row]:
    return rows


def _numeric(rows: Sequence[Row], _: date) -> list[Row]:
    return [row for row in rows if row["number"] is not None]


def _one(latest: bool) -> Chosen:
    """The answer that `reference` takes for the latest or the first."""

    def chosen(rows: Sequence[Row], as_of: date) -> list[Row]:
        ordered = sorted(_numeric(rows, as_of), key=lambda row: (row["answered_at"], row["answer_id"]))
        return ordered[-1:] if latest else ordered[:1]

    return chosen


_attended = _status("fulfilled")
_open = _status("pending", "in_progress")
CHOSEN: dict[str, Chosen] = {
    "appointments.count": _all,
    "appointments.noshow_count": _status("noshow"),
    "appointments.noshow_rate": _status("noshow", "fulfilled"),
    "appointments.first_on": _extreme("starts_on", min, _attended),
    "appointments.last_on": _extreme("starts_on", max, _attended),
    "appointments.days_since_last": _extreme("starts_on", max, _attended),
    "forms.completed": _status("completed"),
    "forms.pending": _open,
    "forms.overdue": lambda rows, as_of: [
        row for row in _open(rows, as_of) if row["due_on"] is not None and row["due_on"] < as_of
    ],
    "answers.latest": _one(latest=True),
    "answers.first": _one(latest=False),
    "answers.min": _extreme("number", min, _all),
    "answers.max": _extreme("number", max, _all),
    "answers.mean": _numeric,
    "adherence.completion_rate": _all,
    "adherence.days_since_last": _extreme("day", max, lambda rows, _: [row for row in rows if row["done"] > 0]),
}
