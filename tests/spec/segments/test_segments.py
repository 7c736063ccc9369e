"""Every measure and every operator, over small tables, as the clinic's builder runs them."""

from collections.abc import Iterator

import psycopg
import pytest

from infra.database import Server, connect
from infra.roles import Login
from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import ARGUMENTS
from policies.segments.operators import OPERATORS
from policies.segments.rule import conditions, parse_rule
from tests.spec.segments import adherence, answers, appointments, forms, patients
from tests.spec.segments.tables import Row, Spec, filled, members, verdicts

SPECS = [*patients.SPECS, *appointments.SPECS, *forms.SPECS, *answers.SPECS, *adherence.SPECS]
CASES = [(spec, rule, expected) for spec in SPECS for rule, expected in spec.holds]


def said(value: object) -> str:
    """What a case is called."""
    if isinstance(value, Spec):
        return f"{value.as_of}-{'-'.join(name.removeprefix('raw_') for name in value.tables)}"
    return str(value).replace("'", "") or "nobody"


@pytest.fixture(scope="module")
def clinic(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect(Login.PIPELINE, at=module_server) as connection:
        yield connection


@pytest.mark.parametrize(("spec", "rule", "expected"), CASES, ids=said)
def test_a_rule_holds_for(
    clinic: psycopg.Connection, module_server: Server, spec: Spec, rule: Row, expected: str
) -> None:
    assert members(clinic, module_server, spec, [rule]) == [expected]


@pytest.mark.parametrize("spec", SPECS, ids=said)
def test_segments_compiled_together_hold_what_each_holds_alone(
    clinic: psycopg.Connection, module_server: Server, spec: Spec
) -> None:
    rules = [rule for rule, _ in spec.holds]
    assert members(clinic, module_server, spec, rules) == [expected for _, expected in spec.holds]


def test_undecided_stays_undecided_through_a_segment_that_is_named(
    clinic: psycopg.Connection, module_server: Server
) -> None:
    rules: list[Row] = [
        {"in_segment": "s1"},
        {"measure": "age", "op": ">", "value": 65},
        {"not": {"in_segment": "s0"}},
        {"any": [{"in_segment": "s2"}, {"in_segment": "s1"}]},
        {"not": {"any": [{"in_segment": "s2"}, {"in_segment": "s1"}]}},
    ]
    assert members(clinic, module_server, patients.AGE, rules) == ["a", "a", "bc", "abc", ""]
    with filled(clinic, module_server, patients.AGE):
        assert [found["d"] for found in verdicts(clinic, patients.AGE.as_of, rules)] == [None] * 5


def test_segments_that_name_two_others_each_cost_no_more_than_their_number(
    clinic: psycopg.Connection, module_server: Server
) -> None:
    """Put into each other, forty such expressions would be 2 to the power of forty."""
    below: list[Row] = [{"any": [{"in_segment": f"s{n - 1}"}, {"in_segment": f"s{n - 2}"}]} for n in range(2, 41)]
    rules = [{"measure": "age", "op": "=", "value": 66}, {"measure": "age", "op": "=", "value": 65}, *below]
    assert members(clinic, module_server, patients.AGE, rules) == ["a", "bc", *["abc"] * 39]


def test_of_given_patients_alone_the_verdicts_are_the_same(clinic: psycopg.Connection, module_server: Server) -> None:
    for spec in SPECS:
        rules = [rule for rule, _ in spec.holds]
        with filled(clinic, module_server, spec):
            of_all = verdicts(clinic, spec.as_of, rules)
            of_some = verdicts(clinic, spec.as_of, rules, given="bz")
        assert of_some == [{"b": found["b"]} for found in of_all]


def test_every_measure_and_operator_is_specified() -> None:
    """Each measure with its window and each of its arguments, each operator on each type that it fits."""
    found = [condition for _, rule, _ in CASES for condition in conditions(parse_rule(rule))]
    assert {condition.measure for condition in found} == set(CATALOGUE)
    taken = {
        (measure.name, name)
        for measure in CATALOGUE.values()
        for name in (*measure.arguments, *(["window"] if measure.windowed else []))
    }
    assert taken == {(one.measure, name) for one in found for name in (*ARGUMENTS, "window") if one.argument(name)}
    fitting = {(type_, op) for type_, fitting in OPERATORS.items() for op in fitting}
    assert fitting == {(one.definition.type, one.op) for one in found}
