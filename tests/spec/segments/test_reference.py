"""The reference evaluator over the same small tables: what the compiled SQL is held against is right itself."""

import csv
from collections.abc import Callable
from datetime import date, datetime

import pytest

from policies.segments.catalogue import CATALOGUE
from policies.segments.reference import COMPARISONS, holds
from policies.segments.rule import conditions, parse_rule
from tests.properties.segment_strategies import patients
from tests.spec.segments.tables import Row, Spec, complete
from tests.spec.segments.test_segments import CASES, said

DAYS = ("birth_date", "registered_on", "starts_on", "booked_on", "assigned_on", "due_on", "completed_on", "day")
SETS = ("chronic_conditions", "allergies")


def _set(cell: str) -> list[str]:
    """An array as PostgreSQL writes it."""
    return [each for row in csv.reader([cell.strip("{}")]) for each in row]


CASTS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(DAYS, date.fromisoformat), **dict.fromkeys(SETS, _set), "answered_at": datetime.fromisoformat,
    "number": float, "prescribed": int, "done": int,
}  # fmt: skip


def _cast(table: str, given: str | list[Row]) -> list[Row]:
    """A table's rows as the reference takes them: days, numbers and sets."""
    return [
        {name: CASTS[name](value) if name in CASTS and isinstance(value, str) else value for name, value in row.items()}
        for row in complete(table, given)
    ]


@pytest.mark.check(45)
@pytest.mark.parametrize(("spec", "rule", "expected"), CASES, ids=said)
def test_by_the_reference_a_rule_holds_for(spec: Spec, rule: Row, expected: str) -> None:
    known = patients({"raw_answers": [], **{name: _cast(name, given) for name, given in spec.tables.items()}})
    found = [str(one.columns["patient"]) for one in known if holds(parse_rule(rule), one, spec.as_of)]
    assert "".join(sorted(found)) == expected


def test_every_measure_and_comparison_of_the_reference_is_asked_for() -> None:
    asked = [one for _, rule, _ in CASES for one in conditions(parse_rule(rule))]
    assert {one.measure for one in asked} == set(CATALOGUE)
    assert {one.op for one in asked} == {*COMPARISONS, "is_known", "is_unknown"}
