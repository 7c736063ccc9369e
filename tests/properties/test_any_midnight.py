"""Any rules, any data, any days: evaluated on their flip days, patients are where a full evaluation puts them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import hypothesis
import psycopg
import pytest
from hypothesis import strategies as st

from infra.database import Server, connect_admin
from infra.roles import ClinicKind
from orchestration.live.midnight import pass_midnight
from policies.segments.reference import holds
from policies.segments.rule import parse_rule
from tests.integration.segment_clinic import SegmentClinic
from tests.properties.segment_strategies import AS_OF, PATIENTS, patients, rules, tables
from tests.spec.segments.tables import Row, put

RULES = ("s0", "s1", "s2")


@dataclass(frozen=True)
class Step:
    """Days that pass, those on which nothing ran among them; then visits, of whom and how many days ago.

    `before_the_end` is evaluated before a worker is killed, and `by_all` says whether a run over everybody follows,
    with or without flip days.
    """

    days: int
    visits: list[tuple[str, int]]
    before_the_end: str
    by_all: bool | None


STEPS = st.builds(
    Step,
    st.integers(1, 5) | st.integers(1, 100),
    st.lists(st.tuples(st.sampled_from(PATIENTS), st.integers(-3, 40)), max_size=1),
    st.sampled_from(["", *PATIENTS]),
    st.sampled_from([None, None, None, False, True]),
)


@pytest.fixture(scope="module")
def connection(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect_admin(module_server) as admin:
        yield admin


@st.composite
def stories(draw: st.DrawFn) -> tuple[date, dict[str, list[Row]], list[Row], list[Step]]:
    """A day from which much lies ahead, the rows of that day, rules that may name each other, and what comes then."""
    day = draw(AS_OF)
    rows = draw(tables(day))
    known = patients(rows)
    asked = [draw(rules(day, known, RULES[:number])) for number in range(len(RULES))]
    ago = timedelta(days=draw(st.sampled_from([1, 40, 400])))
    return day - ago, rows, asked, draw(st.lists(STEPS, min_size=1, max_size=4))


def begin(clinic: SegmentClinic, as_of: date, rows: dict[str, list[Row]], asked: list[Row]) -> SegmentClinic:
    """A clinic that has these rows and rules, evaluated as of a day."""
    for slug, rule in zip(RULES, asked, strict=True):
        clinic.save(slug, rule)
    put(clinic.admin, rows)
    clinic.facts = 1000
    clinic.run(as_of, flips=True)
    return clinic


def midnight(clinic: SegmentClinic, as_of: date) -> int | None:
    """Pass the midnight before a day, at noon of it."""
    clinic.become(ClinicKind.BUILDER)
    return pass_midnight(clinic.admin, clinic.slug, datetime.combine(as_of, time(12), UTC))


def noted(clinic: SegmentClinic) -> str:
    """Who waits for an evaluation."""
    rows = clinic.admin.execute("select distinct patient_id from changed_patient order by 1").fetchall()
    return "".join(chr(patient.int) for (patient,) in rows)


def meant(as_of: date, rows: Mapping[str, list[Row]], asked: list[Row]) -> list[str]:
    """The members of each rule as the reference has them."""
    rules = dict(zip(RULES, map(parse_rule, asked), strict=True))
    known = {str(one.columns["patient"]): one for one in patients(rows)}
    return [
        "".join(sorted(letter for letter, patient in known.items() if holds(rules[slug], patient, as_of, rules)))
        for slug in RULES
    ]


@pytest.mark.check(45)
@hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 10,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(stories())
def test_after_any_midnights_members_are_those_of_the_reference_and_causes_those_of_a_full_evaluation(
    module_server: Server,
    connection: psycopg.Connection,
    story: tuple[date, dict[str, list[Row]], list[Row], list[Step]],
) -> None:
    as_of, rows, asked, steps = story
    with connection.transaction(force_rollback=True):
        live = begin(SegmentClinic(connection, module_server, "north"), as_of, rows, asked)
        full = begin(SegmentClinic(connection, module_server, "south"), as_of, rows, asked)
        assert [live.members(slug) for slug in RULES] == meant(as_of, rows, asked)
        began = {clinic.slug: clinic.last_run() for clinic in (live, full)}
        seen = [*rows["raw_appointments"]]
        for step in steps:
            as_of += timedelta(days=step.days)
            seen += [{"patient": letter, "starts_on": as_of - timedelta(days=ago)} for letter, ago in step.visits]
            for clinic in (live, full):
                for letter, ago in step.visits:
                    clinic.visit(letter, as_of - timedelta(days=ago))
            assert midnight(live, as_of) is not None
            if step.before_the_end and step.before_the_end in noted(live):
                live.run(as_of, given=step.before_the_end)
            assert midnight(live, as_of) is None
            if step.by_all is None:
                live.run(as_of, given=noted(live))
            else:
                live.run(as_of, flips=step.by_all)
            full.run(as_of, middle="b")
            assert noted(live) == ""
            expected = meant(as_of, {**rows, "raw_appointments": seen}, asked)
            assert [full.members(slug) for slug in RULES] == expected
            for slug in RULES:
                assert live.members(slug) == full.members(slug)
                told = [sorted(clinic.feed(slug, after=began[clinic.slug])) for clinic in (live, full)]
                assert told[0] == told[1]
