"""From the rows of a patient to what a manager is shown of them: values, ids, days, statuses and numbers.

What a patient wrote is read where a rule asks for it, and never shown; nor is anything that no table here lists.
"""

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from api.segments import explaining_schemas as schemas
from api.segments.explaining_rules import Rules
from policies.classification import CATEGORY
from policies.segments.condition import Condition
from policies.segments.explanation import Explanation, Finding, Part
from policies.segments.flips import Course
from policies.segments.measure import FactTable, Measure
from policies.segments.missing import Missing, missing_from, missing_of
from policies.segments.reference import Patient
from policies.segments.rule import AllOf, AnyOf, InSegment, Not
from policies.segments.text import write
from policies.segments.values import Row
from policies.words import Category

_DAYS = {"starts_on", "booked_on", "assigned_on", "due_on", "completed_on", "answered_on", "day"}
_INSTANTS = {"answered_at", "starts_at"}
# What is shown of a record, under which name for its kind.
_SHOWN: dict[FactTable, tuple[str, tuple[str, ...]]] = {
    FactTable.APPOINTMENTS: ("appointment", ("appointment_id", "starts_on", "status", "service", "modality")),
    FactTable.FORMS: ("form", ("form_id", "template", "status", "assigned_on", "due_on", "completed_on")),
    FactTable.ANSWERS: (
        "answer", ("answer_id", "form_id", "template", "question", "answered_on", "number", "choice", "day"),
    ),
    FactTable.ADHERENCE: ("exercises", ("plan_id", "day", "prescribed", "done")),
    FactTable.PLANS: ("plan", ("plan_id", "starts_on", "prescribed", "done")),
}  # fmt: skip


def patient_of(row: Mapping[str, Any], expiring: Mapping[UUID, date] = MappingProxyType({})) -> Patient:
    """A patient as the reference takes one: a row of the repository's, and the days that open forms expire after."""
    facts = {table: [_fact(fact) for fact in row[table]] for table in _SHOWN if table in row}
    if forms := facts.get(FactTable.FORMS):
        facts[FactTable.FORMS] = [{**form, "expires_on": expiring.get(UUID(form["form_id"]))} for form in forms]
    return Patient({name: value for name, value in row.items() if name not in facts}, facts)


def explanation_of(
    segment: str, rules: Rules, row: Mapping[str, Any], as_of: date, found: Explanation
) -> schemas.Explanation:
    """An explanation as it is shown."""
    shared: bool = row["profile_shared"]
    return schemas.Explanation(
        segment=segment,
        version=rules.version,
        rule=write(rules.rule),
        patient_id=row["patient_id"],
        name=row["name"],
        as_of=as_of,
        stale=row["stale"],
        member=row["member"],
        holds=found.whole.holds,
        changes=_changes(found.whole.course),
        explanation=_part(found.whole, shared),
        named={slug: _part(part, shared) for slug, part in found.named.items()},
        missing=list(map(missing_as, missing_from(found, shared=shared))),
    )


def missing_as(missing: Missing) -> schemas.Missing:
    """Something missing as it is shown."""
    return schemas.Missing(
        lacking=missing.lacking,
        measure=missing.measure or None,
        form=missing.form or None,
        question=missing.question or None,
    )


def _fact(found: Mapping[str, Any]) -> Row:
    """A fact as it was before it became JSON."""
    return {name: _typed(name, value) for name, value in found.items()}


def _typed(name: str, value: Any) -> Any:
    if value is None:
        return None
    return date.fromisoformat(value) if name in _DAYS else datetime.fromisoformat(value) if name in _INSTANTS else value


_KINDS: dict[type, str] = {AllOf: "all", AnyOf: "any", Not: "not", Condition: "condition", InSegment: "in_segment"}


def _part(part: Part, shared: bool) -> schemas.Part:
    rule = part.rule
    return schemas.Part.model_validate(
        {
            "kind": _KINDS[type(rule)],
            "holds": part.holds,
            "changes": _changes(part.course),
            "parts": [_part(inner, shared) for inner in part.parts],
            "condition": _condition(rule, part.finding, shared)
            if isinstance(rule, Condition) and part.finding
            else None,
            "segment": rule.in_segment if isinstance(rule, InSegment) else None,
        }
    )


def _condition(condition: Condition, finding: Finding, shared: bool) -> schemas.ConditionFound:
    measure = condition.definition
    kind, columns = _SHOWN.get(measure.table, ("", ()))
    return schemas.ConditionFound(
        text=write(condition),
        measure=measure.name,
        unit=measure.unit,
        value=finding.value if _shown(measure) else None,
        shown=_shown(measure),
        sources=[{"kind": kind, **{name: row.get(name) for name in columns}} for row in finding.sources],
        more_sources=finding.more,
        missing=missing_as(missing_of(condition, shared=shared)) if finding.value is None else None,
    )


def _shown(measure: Measure) -> bool:
    """Whether a measure's value may be shown: it is no text that a patient wrote."""
    return CATEGORY.get(measure.value) is not Category.FREE_TEXT


def _changes(course: Course) -> schemas.Change | None:
    return schemas.Change(on=course.steps[1][0], to=course.steps[1][1]) if len(course.steps) > 1 else None
