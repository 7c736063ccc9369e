"""Any rule over any data: its course by time alone is what the reference says, day by day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import hypothesis
from hypothesis import strategies as st

from policies.segments.condition import Condition
from policies.segments.explanation import Part, explain
from policies.segments.flips import Course, course_of
from policies.segments.measure import FactTable
from policies.segments.reference import Patient, Verdict, holds
from policies.segments.rule import parse_rule
from tests.properties.segment_strategies import AS_OF, conditions, near, patients, rules, tables
from tests.spec.segments.tables import Row

DAYS = 500
slow_to_draw = hypothesis.settings(
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
)


@st.composite
def of_conditions(draw: st.DrawFn) -> tuple[date, Patient, list[Row]]:
    """Several conditions on a patient, as of a day from which many facts and edges lie ahead."""
    day = draw(AS_OF)
    known = patients(draw(tables(day)))
    ago = timedelta(days=draw(st.sampled_from([0, 1, 40, 400])))
    patient = expiring(draw, draw(st.sampled_from(known)), day)
    return day - ago, patient, [draw(conditions(day, known)) for _ in range(3)]


def expiring(draw: st.DrawFn, patient: Patient, day: date) -> Patient:
    """The patient, of some of whose forms it is known when they expire."""
    forms = [{**form, "expires_on": draw(st.none() | near(day))} for form in patient.facts[FactTable.FORMS]]
    return replace(patient, facts={**patient.facts, FactTable.FORMS: forms})


@st.composite
def of_rules(draw: st.DrawFn) -> tuple[date, Patient, Row, Row]:
    """A rule, and one that it may name."""
    as_of = draw(AS_OF)
    known = patients(draw(tables(as_of)))
    return (
        as_of - timedelta(days=draw(st.sampled_from([0, 40, 400]))),
        expiring(draw, draw(st.sampled_from(known)), as_of),
        draw(rules(as_of, known)),
        {"any": [{"not": {"in_segment": "other"}}, draw(rules(as_of, known, ["other"]))]},
    )


def daily(course: Course) -> Iterator[tuple[date, Verdict]]:
    """The verdict of each day, as a course tells it."""
    steps, verdict = dict(course.steps), course.holds
    for ahead in range(DAYS):
        day = course.steps[0][0] + timedelta(days=ahead)
        verdict = steps.get(day, verdict)
        yield day, verdict


@slow_to_draw
@hypothesis.given(of_conditions())
def test_a_condition_changes_on_the_days_of_its_course_and_on_no_other(
    case: tuple[date, Patient, list[Row]],
) -> None:
    as_of, patient, found = case
    for condition in map(Condition.model_validate, found):
        for day, verdict in daily(course_of(condition, patient, as_of)):
            assert holds(condition, patient, day) is verdict, (condition, day)


@slow_to_draw
@hypothesis.given(of_rules())
def test_a_rule_and_each_part_of_it_changes_as_the_reference_says(case: tuple[date, Patient, Row, Row]) -> None:
    as_of, patient, named, found = case
    segments = {"other": parse_rule(named)}
    explained = explain(parse_rule(found), patient, as_of, segments)
    for part in (*parts(explained.whole), *parts(explained.named["other"])):
        # That no day is left out, the conditions' test says: here it is how they go together.
        for day in near_steps(explained.whole, explained.named["other"]):
            assert at(part.course, day) is holds(part.rule, patient, day, segments)
    flip = explained.whole.course.changes_on
    assert flip is None or holds(parse_rule(found), patient, flip, segments) is not explained.whole.holds


def parts(part: Part) -> Iterator[Part]:
    yield part
    for inner in part.parts:
        yield from parts(inner)


def near_steps(*wholes: Part) -> set[date]:
    """The days on which some part changes, and the days before them."""
    steps = {day for whole in wholes for part in parts(whole) for day, _ in part.course.steps[1:]}
    return {wholes[0].course.steps[0][0]} | steps | {day - timedelta(days=1) for day in steps}


def at(course: Course, day: date) -> Verdict:
    return next(verdict for since, verdict in reversed(course.steps) if since <= day)
