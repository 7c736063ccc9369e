"""Any members made up or lost: drift finds each of them, and nothing that waits for the next run."""

from collections.abc import Iterator
from datetime import date, timedelta

import hypothesis
import psycopg
import pytest
from hypothesis import strategies as st

from infra.database import Server, connect_admin
from policies.segments.references import reached
from policies.segments.rule import parse_rule
from tests.integration.segment_clinic import SegmentClinic
from tests.properties.segment_strategies import AS_OF, PATIENTS, patients, rules, tables
from tests.spec.segments.tables import Row, put

SLUGS = ("s0", "s1", "s2")
Story = tuple[date, dict[str, list[Row]], list[Row], set[tuple[str, str]], list[str], dict[str, Row]]


@pytest.fixture(scope="module")
def connection(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect_admin(module_server) as admin:
        yield admin


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Rows and rules; of whom which membership is tampered with; whose facts and which rules changed since the run."""
    as_of = draw(AS_OF)
    rows = draw(tables(as_of))
    known = patients(rows)
    asked = [draw(rules(as_of, known, SLUGS[:number])) for number in range(len(SLUGS))]
    tampered = st.sets(st.tuples(st.sampled_from(SLUGS), st.sampled_from(PATIENTS)))
    changed = {slug: draw(rules(as_of, known)) for slug in draw(st.sets(st.sampled_from(SLUGS), max_size=1))}
    return as_of, rows, asked, draw(tampered), draw(st.lists(st.sampled_from(PATIENTS), max_size=1)), changed


@pytest.mark.check(45)
@hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 4,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
)
@hypothesis.given(stories())
def test_drift_is_each_member_that_was_made_up_or_lost_and_nothing_else(
    module_server: Server, connection: psycopg.Connection, story: Story
) -> None:
    as_of, rows, asked, tampered, seen, changed = story
    with connection.transaction(force_rollback=True):
        clinic, other = (SegmentClinic(connection, module_server, slug) for slug in ("north", "south"))
        for each in (clinic, other):
            for slug, rule in zip(SLUGS, asked, strict=True):
                each.save(slug, rule)
            put(connection, rows)
            each.facts = 1000
            each.run(as_of)
        assert clinic.drift(as_of) == other.drift(as_of) == []
        before = {slug: clinic.members(slug) for slug in SLUGS}
        saved = {slug: parse_rule(rule) for slug, rule in zip(SLUGS, asked, strict=True)}
        for slug, letter in tampered:
            (clinic.lose_member if letter in before[slug] else clinic.make_up)(slug, letter)
        for letter in seen:
            clinic.visit(letter, as_of - timedelta(days=1))
        for slug, rule in changed.items():
            clinic.save(slug, rule)
        now = {**saved, **{slug: parse_rule(rule) for slug, rule in changed.items()}}
        quiet = [slug for slug in SLUGS if not {*changed} & (reached([slug], saved) | reached([slug], now))]
        expected = {}
        for slug in quiet:
            of_slug = [letter for found, letter in tampered if found == slug and letter not in seen]
            lost = sum(letter in before[slug] for letter in of_slug)
            if of_slug:
                expected[slug] = (lost, len(of_slug) - lost)
        found = {SLUGS[segment.int - 1]: (entering, leaving) for segment, entering, leaving in clinic.drift(as_of)}
        assert found == expected
        assert other.drift(as_of) == []
