"""Any rules over any data: the compiled SQL finds of every patient what the reference says, undecided included."""

from collections.abc import Iterator

import hypothesis
import psycopg
import pytest
from hypothesis import given

from infra.database import Server, connect
from infra.roles import Login
from policies.segments import reference
from policies.segments.catalogue import CATALOGUE
from policies.segments.rule import parse_rule
from tests.properties.segment_strategies import PATIENTS, cases, patients
from tests.spec.segments.tables import Row, Spec, Verdict, filled, verdicts

RULES = 3
GIVEN = PATIENTS[1:]


@pytest.fixture(scope="module")
def clinic(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect(Login.PIPELINE, at=module_server) as connection:
        yield connection


def defined(spec: Spec, asked: list[Row]) -> list[dict[str, Verdict]]:
    """What the reference says of each rule and patient."""
    rules = {f"s{number}": parse_rule(rule) for number, rule in enumerate(asked)}
    known = patients(spec.tables)
    return [
        {str(one.columns["patient"]): reference.holds(rule, one, spec.as_of, rules) for one in known}
        for rule in rules.values()
    ]


def test_every_measure_has_a_definition() -> None:
    assert set(CATALOGUE) == reference.DEFINED


@pytest.mark.check(45)
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large])
@given(cases(RULES))
def test_of_all_and_of_given_patients_the_compiled_rules_say_what_the_reference_says(
    clinic: psycopg.Connection, module_server: Server, case: tuple[Spec, list[Row]]
) -> None:
    spec, asked = case
    expected = defined(spec, asked)
    with filled(clinic, module_server, spec):
        assert verdicts(clinic, spec.as_of, asked) == expected
        some = [{letter: of_one[letter] for letter in GIVEN} for of_one in expected]
        assert verdicts(clinic, spec.as_of, asked, given=GIVEN) == some
