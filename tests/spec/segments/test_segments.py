"""Every measure and every operator, over small tables, as the clinic's builder runs them."""

from typing import get_args

import pytest

from infra.database import Server, connect_admin
from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import Operator
from policies.segments.rule import conditions, parse_rule
from tests.spec.segments import facts, patients
from tests.spec.segments.tables import Row, Spec, arrange, members

SPECS = [*patients.SPECS, *facts.SPECS]
CASES = [(spec, rule, expected) for spec in SPECS for rule, expected in spec.holds]


@pytest.fixture(scope="module")
def clinic(module_server: Server) -> Server:
    with connect_admin(module_server) as admin:
        arrange(admin, max(len(spec.holds) for spec in SPECS))
    return module_server


@pytest.mark.parametrize(("spec", "rule", "expected"), CASES, ids=lambda value: _said(value))
def test_a_rule_holds_for(clinic: Server, spec: Spec, rule: Row, expected: str) -> None:
    assert members(clinic, spec, [rule]) == [expected]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: _said(spec))
def test_segments_compiled_together_hold_what_each_holds_alone(clinic: Server, spec: Spec) -> None:
    assert members(clinic, spec, [rule for rule, _ in spec.holds]) == [expected for _, expected in spec.holds]


def test_undecided_stays_undecided_through_a_segment_that_is_named(clinic: Server) -> None:
    rules: list[Row] = [
        {"in_segment": "s1"},
        {"measure": "age", "op": ">", "value": 65},
        {"not": {"in_segment": "s0"}},
        {"any": [{"in_segment": "s2"}, {"in_segment": "s1"}]},
        {"not": {"any": [{"in_segment": "s2"}, {"in_segment": "s1"}]}},
    ]
    assert members(clinic, patients.AGE, rules) == ["a", "a", "bc", "abc", ""]


def test_every_measure_and_operator_is_specified() -> None:
    found = [condition for _, rule, _ in CASES for condition in conditions(parse_rule(rule))]
    assert {condition.measure for condition in found} == set(CATALOGUE)
    assert {condition.op for condition in found} == set(get_args(Operator))


def _said(value: object) -> str:
    if isinstance(value, Spec):
        return f"{value.as_of}-{'-'.join(name.removeprefix('raw_') for name in value.tables)}"
    return str(value).replace("'", "") or "nobody"
