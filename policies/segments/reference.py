"""What a rule means: the reference that the compiled SQL must agree with, patient by patient.

Plain and slow on purpose. A condition is true, false or unknown (None); the trees follow Kleene's
three-valued logic (Introduction to Metamathematics, section 64), which is SQL's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from policies.segments.catalogue import FactTable
from policies.segments.condition import Condition
from policies.segments.rule import AllOf, InSegment, Not, Rule
from policies.segments.windows import Window

Row = Mapping[str, Any]
Verdict = bool | None


@dataclass(frozen=True)
class Patient:
    """One patient of a clinic's mart: the columns of `raw_patients`, and the rows of each fact table."""

    columns: Row
    facts: Mapping[FactTable, Sequence[Row]] = field(default_factory=dict)


def holds(rule: Rule, patient: Patient, as_of: date, segments: Mapping[str, Rule] | None = None) -> Verdict:
    """Whether a rule holds for a patient on a day; None is unknown.

    `segments` are the clinic's rules by slug, all that are named among them and none naming itself.
    """
    return _holds(rule, _Asked(patient, as_of, segments or {}))


@dataclass(frozen=True)
class _Asked:
    """Of whom, and as of when; and what was found of segments, each worked out once however many name it."""

    patient: Patient
    as_of: date
    segments: Mapping[str, Rule]
    known: dict[str, Verdict] = field(default_factory=dict)


def _holds(rule: Rule, asked: _Asked) -> Verdict:
    if isinstance(rule, Condition):
        return _condition(rule, asked.patient, asked.as_of)
    if isinstance(rule, InSegment):
        if rule.in_segment not in asked.known:
            asked.known[rule.in_segment] = _holds(asked.segments[rule.in_segment], asked)
        return asked.known[rule.in_segment]
    if isinstance(rule, Not):
        verdict = _holds(rule.part, asked)
        return None if verdict is None else not verdict
    if isinstance(rule, AllOf):
        return _decided(False, (_holds(part, asked) for part in rule.all))
    return _decided(True, (_holds(part, asked) for part in rule.any))


def _decided(by: bool, verdicts: Iterable[Verdict]) -> Verdict:
    """One part that is `by` decides; otherwise one that is unknown leaves it unknown."""
    found = list(verdicts)
    return by if by in found else None if None in found else not by


def value_of(condition: Condition, patient: Patient, as_of: date) -> Any:
    """The value of a condition's measure for a patient on a day; None is unknown."""
    measure = condition.definition
    if measure.table is FactTable.PATIENTS:
        return _OF_PATIENT[measure.name](patient.columns, as_of)
    return _OF_FACTS[measure.name](rows_of(condition, patient, as_of), as_of)


def rows_of(condition: Condition, patient: Patient, as_of: date) -> list[Row]:
    """The facts that the value of a condition's measure is made of; none for a measure of the patient."""
    return [row for row in patient.facts.get(condition.definition.table, ()) if _counts(condition, row, as_of)]


def _counts(condition: Condition, row: Row, as_of: date) -> bool:
    """Whether a fact counts: up to the as-of date, within the window, with the arguments' values."""
    measure = condition.definition
    day = row[measure.day]
    if day is None or day > as_of:
        return False
    if condition.window and day <= Window.parse(condition.window).before(as_of):
        return False
    for name, argument in measure.arguments.items():
        given = condition.argument(name)
        if given is not None and row[argument.column] not in (given if isinstance(given, list) else [given]):
            return False
    return True


def _condition(condition: Condition, patient: Patient, as_of: date) -> Verdict:
    value = value_of(condition, patient, as_of)
    if condition.op == "is_known":
        return value is not None
    if condition.op == "is_unknown":
        return value is None
    if value is None:
        return None
    constants = [_constant(constant, value) for constant in condition.constants()]
    return _COMPARISONS[condition.op](value, constants)


def _constant(constant: Any, value: Any) -> Any:
    return date.fromisoformat(constant) if isinstance(value, date) else constant


_COMPARISONS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "=": lambda value, constants: bool(value == constants[0]),
    "!=": lambda value, constants: bool(value != constants[0]),
    "<": lambda value, constants: bool(value < constants[0]),
    "<=": lambda value, constants: bool(value <= constants[0]),
    ">": lambda value, constants: bool(value > constants[0]),
    ">=": lambda value, constants: bool(value >= constants[0]),
    "between": lambda value, constants: bool(constants[0] <= value <= constants[1]),
    "in": lambda value, constants: value in constants,
    "starts_with": lambda value, constants: value.startswith(constants[0]),
    "contains_any": lambda value, constants: not set(value).isdisjoint(constants),
    "contains_all": lambda value, constants: set(value).issuperset(constants),
    "contains_none": lambda value, constants: set(value).isdisjoint(constants),
}


def _age(patient: Row, as_of: date) -> int | None:
    """Completed years; whoever was born on 29 February has a birthday on 1 March of other years."""
    born: date | None = patient["birth_date"]
    if born is None or born > as_of:
        return None
    return as_of.year - born.year - ((as_of.month, as_of.day) < (born.month, born.day))


def _days_registered(patient: Row, as_of: date) -> int | None:
    days = (as_of - patient["registered_on"]).days
    return days if days >= 0 else None


_OF_PATIENT: dict[str, Callable[[Row, date], Any]] = {
    "age": _age,
    "registration.days": _days_registered,
    **{
        name: lambda patient, _, name=name: patient[name]  # type: ignore[misc]
        for name in ("sex", "blood_type", "insurance_type", "chronic_conditions", "allergies")
    },
}


def _of_status(rows: Iterable[Row], *statuses: str) -> list[Row]:
    return [row for row in rows if row["status"] in statuses]


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _days_since(days: Iterable[date], as_of: date) -> int | None:
    newest = max(days, default=None)
    return None if newest is None else (as_of - newest).days


def _attended(rows: Iterable[Row]) -> list[date]:
    return [row["starts_on"] for row in _of_status(rows, "fulfilled")]


def _numbers(rows: Iterable[Row]) -> list[float]:
    """Numeric answers, the first one given before others; of one instant, by id."""
    answered = sorted(rows, key=lambda row: (row["answered_at"], row["answer_id"]))
    return [row["number"] for row in answered if row["number"] is not None]


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


_OPEN = ("pending", "in_progress")
_OF_FACTS: dict[str, Callable[[list[Row], date], Any]] = {
    "appointments.count": lambda rows, _: len(rows),
    "appointments.noshow_count": lambda rows, _: len(_of_status(rows, "noshow")),
    "appointments.noshow_rate": lambda rows, _: _share(
        len(_of_status(rows, "noshow")), len(_of_status(rows, "noshow", "fulfilled"))
    ),
    "appointments.first_on": lambda rows, _: min(_attended(rows), default=None),
    "appointments.last_on": lambda rows, _: max(_attended(rows), default=None),
    "appointments.days_since_last": lambda rows, as_of: _days_since(_attended(rows), as_of),
    "forms.completed": lambda rows, _: len(_of_status(rows, "completed")),
    "forms.pending": lambda rows, _: len(_of_status(rows, *_OPEN)),
    "forms.overdue": lambda rows, as_of: sum(
        row["due_on"] is not None and row["due_on"] < as_of for row in _of_status(rows, *_OPEN)
    ),
    "answers.latest": lambda rows, _: next(reversed(_numbers(rows)), None),
    "answers.first": lambda rows, _: next(iter(_numbers(rows)), None),
    "answers.min": lambda rows, _: min(_numbers(rows), default=None),
    "answers.max": lambda rows, _: max(_numbers(rows), default=None),
    "answers.mean": lambda rows, _: _mean(_numbers(rows)),
    "adherence.completion_rate": lambda rows, _: _share(
        sum(row["done"] for row in rows), sum(row["prescribed"] for row in rows)
    ),
    "adherence.days_since_last": lambda rows, as_of: _days_since(
        (row["day"] for row in rows if row["done"] > 0), as_of
    ),
}
DEFINED = frozenset(_OF_PATIENT) | frozenset(_OF_FACTS)
