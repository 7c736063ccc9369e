"""Any rules over any data: the compiled flip day is never after the first day on which the reference says otherwise."""

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import hypothesis
import psycopg
import pytest
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from infra.database import Server, connect
from infra.roles import Login
from policies.segments.compiler import ActiveSegment, compile_told
from policies.segments.condition import Condition
from policies.segments.explanation import explain
from policies.segments.flip_days import turns_of
from policies.segments.flips import HORIZON_DAYS, raw_table
from policies.segments.reference import Patient
from policies.segments.rule import Rule, parse_rule
from tests.properties.segment_strategies import AS_OF, PATIENTS, conditions, patients, rules, tables
from tests.spec.segments.tables import Row, Spec, filled, patient_id

GIVEN = PATIENTS[1:]
Days = dict[str, date | None]


@pytest.fixture(scope="module")
def clinic(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect(Login.PIPELINE, at=module_server) as connection:
        yield connection


@st.composite
def ahead(draw: st.DrawFn) -> tuple[Spec, list[Row], list[Row]]:
    """Tables as of a day from which many facts and edges lie ahead, rules that may name each other, and conditions."""
    day = draw(AS_OF)
    rows = draw(tables(day))
    known = patients(rows)
    asked = [draw(rules(day, known, [f"s{lower}" for lower in range(number)])) for number in range(3)]
    ago = timedelta(days=draw(st.sampled_from([0, 1, 40, 400])))
    return Spec(day - ago, rows, []), asked, [draw(conditions(day, known)) for _ in range(3)]


def compiled(
    clinic: psycopg.Connection,
    as_of: date,
    rules: dict[str, Rule],
    given: str | None = None,
    middle: str | None = None,
) -> Days:
    """Each patient's flip day over all of the rules; in halves, of those alone who have one or are members."""
    segments = [ActiveSegment(UUID(int=number), 1, rule, slug) for number, (slug, rule) in enumerate(rules.items())]
    between = patient_id(middle) if middle else None
    told = compile_told(segments, given=given is not None, middle=between)
    text = f"with {told.passes}told as ({told.told}) select patient_id, flips_on from told where $2::date is null"
    some = [] if given is None else [list(map(patient_id, given))]
    rows = psycopg.RawCursor(clinic).execute(text, [as_of, None, Jsonb(told.parameters), *some]).fetchall()
    return {chr(patient.int): day for patient, day in rows}


def first_changes(rules: dict[str, Rule], patient: Patient, as_of: date) -> list[date]:
    """Of each rule the first day on which the reference says otherwise, if there is one."""
    found = [explain(rule, patient, as_of, rules).whole.course.changes_on for rule in rules.values()]
    return [day for day in found if day]


def is_exact(condition: Condition, patient: Patient, day: date | None, first: date | None) -> bool:
    """Whether a day is the first one of the change where one fact decides at most, or a month's end before it.

    Of more facts, one may be looked at that changes nothing.
    """
    facts = patient.facts.get(raw_table(condition), ())
    decides = not condition.definition.counts or 1 in turns_of(condition)
    if len(facts) > 1 or not decides or condition.measure == "forms.overdue":
        return True
    by_months = condition.measure == "age" or (condition.window or "").endswith(("mo", "y"))
    return day == first or (by_months and day is not None and day + timedelta(days=1) == first)


def near(day: date | None, as_of: date) -> date | None:
    """A day that the reference looks as far as."""
    return day if day and (day - as_of).days <= HORIZON_DAYS else None


@hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 2,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(ahead())
def test_a_flip_day_is_never_late_and_exact_where_one_fact_decides(
    clinic: psycopg.Connection, module_server: Server, case: tuple[Spec, list[Row], list[Row]]
) -> None:
    spec, asked, single = case
    as_of, known = spec.as_of, {str(one.columns["patient"]): one for one in patients(spec.tables)}
    named = {f"s{number}": parse_rule(rule) for number, rule in enumerate(asked)}
    with filled(clinic, module_server, spec):
        together = compiled(clinic, as_of, named)
        assert compiled(clinic, as_of, named, GIVEN) == {letter: together[letter] for letter in GIVEN}
        in_halves = compiled(clinic, as_of, named, middle="b")
        assert {letter: in_halves.get(letter) for letter in together} == together
        for letter, day in together.items():
            assert day is None or day > as_of
            assert all(day and day <= first for first in first_changes(named, known[letter], as_of)), letter
        for condition in map(Condition.model_validate, single):
            alone: dict[str, Rule] = {"s": condition}
            for letter, day in compiled(clinic, as_of, alone).items():
                first = next(iter(first_changes(alone, known[letter], as_of)), None)
                assert day is None or day > as_of
                assert first is None or (day and day <= first), (condition, letter)
                assert is_exact(condition, known[letter], near(day, as_of), first), (condition, letter)


@st.composite
def exercising(draw: st.DrawFn) -> tuple[Spec, list[Row]]:
    """Two plans whose days lie around a day, and conditions on how they are kept."""
    as_of = draw(AS_OF)
    ago, length = st.integers(-5, 70), st.integers(1, 70)
    days = [
        {"patient": "a", "plan": plan, "day": as_of + timedelta(days=day - draw(ago)), "prescribed": 4}
        for plan in range(draw(st.integers(1, 2)))
        for day in range(draw(length))
    ]
    once = {(row["plan"], row["day"]): {**row, "done": draw(st.sampled_from([0, 1, 4, 4]))} for row in days}
    window = st.sampled_from([{}, {"window": "7d"}, {"window": "30d"}, {"window": "1mo"}, {"window": "2mo"}])
    one: st.SearchStrategy[Row] = st.builds(
        lambda given, op, value: {"measure": "adherence.completion_rate", "op": op, "value": value, **given},
        window, st.sampled_from(["<", "<=", ">", ">=", "="]), st.sampled_from([0, 0.25, 0.5, 0.8, 1, 2]),
    )  # fmt: skip
    filled_with = {"raw_patients": [{"patient": "a"}], "raw_adherence": list(once.values()), "raw_answers": []}
    return Spec(as_of, filled_with, []), draw(st.lists(one, min_size=3, max_size=3))


@hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 4,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(exercising())
def test_the_flip_day_of_a_rate_is_not_late_however_many_days_move_it(
    clinic: psycopg.Connection, module_server: Server, case: tuple[Spec, list[Row]]
) -> None:
    spec, asked = case
    (patient,) = patients(spec.tables)
    with filled(clinic, module_server, spec):
        for rule in map(parse_rule, asked):
            day = compiled(clinic, spec.as_of, {"s": rule})["a"]
            assert day is None or day > spec.as_of
            assert all(day and day <= first for first in first_changes({"s": rule}, patient, spec.as_of)), rule
