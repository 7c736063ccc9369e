"""Any condition over any data: its course by time alone is what the reference says day by day."""

from datetime import date, timedelta

import hypothesis
from hypothesis import strategies as st

from policies.segments.flips import course_of
from policies.segments.reference import Patient, holds
from policies.segments.rule import conditions as conditions_of
from policies.segments.rule import parse_rule
from tests.properties.test_any_segment import AS_OF, conditions, patients, tables

DAYS = 800


@st.composite
def cases(draw: st.DrawFn) -> tuple[date, Patient, object]:
    as_of = draw(AS_OF)
    known = patients(draw(tables(as_of)))
    return as_of, draw(st.sampled_from(known)), draw(conditions(as_of, known))


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large])
@hypothesis.given(cases())
def test_a_condition_changes_on_the_days_of_its_course_and_on_no_other(case: tuple[date, Patient, object]) -> None:
    as_of, patient, found = case
    (condition,) = conditions_of(parse_rule(found))
    course = course_of(condition, patient, as_of)
    steps, verdict = dict(course.steps), course.holds
    for day in (as_of + timedelta(days=ahead) for ahead in range(DAYS)):
        verdict = steps.get(day, verdict)
        assert holds(condition, patient, day) is verdict, day
