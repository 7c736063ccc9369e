"""Any history: one patient evaluated at a time, all together, or both in turn, come to the same members and feed."""

from collections.abc import Iterator
from datetime import date, timedelta

import hypothesis
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.database import Server, connect_admin
from tests.integration.segment_clinic import AS_OF, OLD, RECENT, SEEN, SegmentClinic

PATIENTS = "abc"
RULES = {
    "old": [OLD, {**OLD, "value": 40}],
    "recent": [RECENT, {**RECENT, "value": 2}],
    "unseen": [{"not": SEEN}, {"not": RECENT}],
    "careless": [{"all": [{"in_segment": "old"}, {"in_segment": "unseen"}]}, {"not": {"in_segment": "old"}}],
}
someone = st.sampled_from(PATIENTS)
CHANGES = st.one_of(
    st.tuples(st.just("visit"), someone, st.integers(0, 45)),
    st.tuples(st.just("take back"), st.integers(0, 9)),
    st.tuples(st.just("consent"), someone, st.booleans()),
    st.tuples(st.just("gone"), someone),
    st.tuples(st.just("rule"), st.sampled_from(sorted(RULES)), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("day"), st.integers(1, 40)),
)  # fmt: skip
Change = tuple[str | int | bool, ...]


@pytest.fixture(scope="module")
def connection(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect_admin(module_server) as admin:
        yield admin


class Told:
    """A clinic that histories are told to."""

    def __init__(self, clinic: SegmentClinic) -> None:
        self.clinic = clinic
        self.as_of = AS_OF
        self.visits: list[object] = []
        for slug, (rule, _) in RULES.items():
            clinic.save(slug, rule)
        for number, letter in enumerate(PATIENTS):
            clinic.patient(letter, birth_date=date(1950 + 20 * number, 1, 1))
        clinic.run()

    def change(self, change: Change) -> None:
        """Let one thing happen, with its cause noted as the ingest would."""
        clinic = self.clinic
        match change:
            case "visit", str(letter), int(ago):
                self.visits.append(clinic.visit(letter, self.as_of - timedelta(days=ago)))
            case "take back", int(which) if which < len(self.visits):
                clinic.take_back(self.visits.pop(which))  # type: ignore[arg-type]
            case "consent", str(letter), bool(shared):
                clinic.patient(letter, "consent", birth_date=date(1950, 1, 1) if shared else None)
            case "gone", str(letter):
                clinic.lose(letter)
            case "rule", str(slug), int(which), bool(fires):
                clinic.save(slug, RULES[slug][which], fires=fires)
            case "day", int(days):
                self.as_of += timedelta(days=days)

    def history(self) -> dict[str, list[tuple[str, str, str, bool]]]:
        """Each segment's feed after the first run, without its runs: of patients in turn there are more."""
        return {slug: sorted(self.clinic.feed(slug, after=1), key=lambda change: change[0]) for slug in RULES}


@pytest.mark.check(45)
@hypothesis.settings(
    max_examples=hypothesis.settings().max_examples // 4,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.lists(CHANGES, min_size=1, max_size=4), st.permutations(PATIENTS)), max_size=3))
def test_patient_by_patient_is_all_at_once(
    module_server: Server, connection: psycopg.Connection, story: list[tuple[list[Change], list[str]]]
) -> None:
    with connection.transaction(force_rollback=True):
        at_once = Told(SegmentClinic(connection, module_server, "north"))
        in_turn = Told(SegmentClinic(connection, module_server, "south"))
        for changes, order in story:
            for told in (at_once, in_turn):
                for change in changes:
                    told.change(change)
            at_once.clinic.run(at_once.as_of)
            for letter in order:
                in_turn.clinic.run(in_turn.as_of, given=letter)
            assert in_turn.clinic.run(in_turn.as_of, middle="b") == (0, 0)
            assert in_turn.history() == at_once.history()
        for slug in RULES:
            assert in_turn.clinic.members(slug) == at_once.clinic.members(slug)
