"""What a rule means: the reference that the compiled SQL must agree with, patient by patient.

Plain and slow on purpose. A condition is true, false or unknown (None); the trees follow Kleene's
three-valued logic (Introduction to Metamathematics, section 64), which is SQL's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.rule import AllOf, InSegment, Not, Rule
from policies.segments.values import OF_FACTS, OF_PATIENT, Row
from policies.segments.windows import Window

Verdict = bool | None
OPEN = frozenset({"pending", "in_progress"})
DEFINED = frozenset(OF_PATIENT) | frozenset(OF_FACTS)


@dataclass(frozen=True)
class Patient:
    """One patient of a clinic's mart: the columns of `raw_patients`, and the rows of each fact table.

    A form may have `expires_on` besides, the last day that it is open on.
    """

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
        return OF_PATIENT[measure.name](patient.columns, as_of)
    value = OF_FACTS[measure.name](rows_of(condition, patient, as_of), as_of)
    if measure.needs_window and condition.window:
        return value / Window.parse(condition.window).length_in_months
    return value


def rows_of(condition: Condition, patient: Patient, as_of: date) -> list[Row]:
    """The facts that the value of a condition's measure is made of; none for a measure of the patient."""
    table = condition.definition.table
    facts = _plans(patient, as_of) if table is FactTable.PLANS else patient.facts.get(table, ())
    before = Window.parse(condition.window).before(as_of) if condition.window else date.min
    return [row for row in facts if _counts(condition, row, as_of, before)]


def _plans(patient: Patient, as_of: date) -> list[Row]:
    """The patient's plans, each made of its days: the first of them, what it prescribes in all, what was done of it."""
    days: dict[Any, list[Row]] = {}
    for row in patient.facts.get(FactTable.ADHERENCE, ()):
        days.setdefault(row["plan_id"], []).append(row)
    return [
        {
            "plan_id": plan,
            "starts_on": min(row["day"] for row in rows),
            "prescribed": sum(row["prescribed"] for row in rows),
            "done": sum(row["done"] for row in rows if row["day"] <= as_of),
        }
        for plan, rows in days.items()
    ]


def _counts(condition: Condition, row: Row, as_of: date, before: date) -> bool:
    """Whether a fact counts: by its day and window, its status, what it holds, and the arguments."""
    measure = condition.definition
    day = row[measure.day]
    if day is None or (day < as_of if measure.ahead else day > as_of):
        return False
    if measure.value and row[measure.value] is None:
        return False
    if measure.statuses and _status(row, as_of) not in measure.statuses:
        return False
    if condition.window and day <= before:
        return False
    for name, argument in measure.arguments.items():
        given = condition.argument(name)
        if given is not None and row[argument.column] not in (given if isinstance(given, list) else [given]):
            return False
    return True


def _status(row: Row, as_of: date) -> Any:
    """A fact's status on a day: of a form that is open, and is known to be so until a day, expired after that day."""
    until = row.get("expires_on")
    return "expired" if until is not None and until < as_of and row["status"] in OPEN else row["status"]


def _condition(condition: Condition, patient: Patient, as_of: date) -> Verdict:
    value = value_of(condition, patient, as_of)
    if condition.op == "is_known":
        return value is not None
    if condition.op == "is_unknown":
        return value is None
    if value is None:
        return None
    constants = [_constant(constant, value) for constant in condition.constants()]
    return COMPARISONS[condition.op](value, constants)


def _constant(constant: Any, value: Any) -> Any:
    return date.fromisoformat(constant) if isinstance(value, date) else constant


COMPARISONS: dict[str, Callable[[Any, list[Any]], bool]] = {
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
