"""Who entered and who left, when, in which run, why, and whether automation may act on it."""

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import psycopg
import pytest

from infra.database import Server, connect_admin
from tests.integration.segment_clinic import AS_OF, FIRST_RUN, OLD, RECENT, SEEN, SegmentClinic
from tests.spec.segments.tables import Row

BORN = date(1950, 1, 1)


@pytest.fixture(scope="module")
def connection(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect_admin(module_server) as admin:
        yield admin


@pytest.fixture
def clinic(module_server: Server, connection: psycopg.Connection) -> Iterator[SegmentClinic]:
    """Patients a (old) and b (young), of whom none was seen yet; evaluated once."""
    with connection.transaction(force_rollback=True):
        clinic = SegmentClinic(connection, module_server)
        clinic.patient("a", birth_date=BORN)
        clinic.patient("b", birth_date=date(2000, 1, 1))
        clinic.save("old", OLD)
        clinic.save("seen", SEEN)
        assert clinic.run() == (1, 0)
        yield clinic


def test_a_first_run_asks_nobody_to_act_unless_it_was_saved_so(clinic: SegmentClinic) -> None:
    clinic.save("loud", OLD, fires=True)
    assert clinic.run() == (1, 0)
    assert clinic.feed("old") == [("a", "entered", "rule", False)]
    assert clinic.feed("loud") == [("a", "entered", "rule", True)]


def test_a_run_that_changes_nothing_writes_nothing(clinic: SegmentClinic) -> None:
    def everything() -> list[object]:
        return [
            clinic.admin.execute(f"select ctid::text, * from {table}").fetchall()
            for table in ("segment_member", "segment_clock", "segment_state", "changed_patient")
        ]

    before = everything()
    assert clinic.run() == (0, 0)
    assert everything() == before and clinic.last_run() == 1


def test_what_the_patient_did_moves_by_data_and_fires(clinic: SegmentClinic) -> None:
    clinic.visit("b")
    assert clinic.run() == (1, 0)
    assert clinic.feed("seen") == [("b", "entered", "data", True)]


def test_what_is_taken_back_moves_by_correction(clinic: SegmentClinic) -> None:
    visit = clinic.visit("b")
    clinic.run()
    clinic.take_back(visit)
    assert clinic.run() == (0, 1)
    assert clinic.feed("seen", after=2) == [("b", "left", "correction", True)]


def test_what_nothing_but_the_day_changed_moves_by_time(clinic: SegmentClinic) -> None:
    clinic.visit("b")
    clinic.save("recent", RECENT)
    clinic.run()
    assert clinic.run(AS_OF + timedelta(days=30)) == (0, 1)
    assert clinic.feed("recent", after=2) == [("b", "left", "time", True)]
    # A form that expired by itself is noted as time, too.
    clinic.visit("a", AS_OF - timedelta(days=40), cause="time")
    clinic.run(AS_OF + timedelta(days=30))
    assert clinic.feed("seen", after=3) == [("a", "entered", "time", True)]


def test_a_consent_that_ends_always_fires(clinic: SegmentClinic) -> None:
    clinic.patient("a", "consent", birth_date=None)
    assert clinic.run() == (0, 1)
    clinic.patient("a", "consent", birth_date=BORN)
    clinic.run()
    # Even as the rule changed too, which alone would not.
    clinic.save("old", {**OLD, "value": 60})
    clinic.patient("a", "consent", birth_date=None)
    clinic.run()
    assert clinic.feed("old", after=1) == [
        ("a", "left", "consent", True), ("a", "entered", "consent", True), ("a", "left", "rule", True),
    ]  # fmt: skip


def test_an_edit_neither_keeps_old_members_nor_touches_those_who_stay(clinic: SegmentClinic) -> None:
    clinic.patient("c", birth_date=date(1940, 1, 1))
    clinic.run()
    stayed = clinic.read("old", "segment_stay", "patient_id, entered_at, entered_run, version", "version = 1")
    clinic.save("old", {**OLD, "value": 80})
    assert clinic.run() == (0, 1)
    assert clinic.members("old") == "c"
    assert clinic.feed("old", after=2) == [("a", "left", "rule", False)]
    kept = clinic.read("old", "segment_stay", "patient_id, entered_at, entered_run, version")
    assert kept == stayed
    assert clinic.read("old", "segment_stay", "patient_id, version, left_version", "left_at is not null") == [
        ("a", 1, 2)
    ]


def test_who_comes_back_before_anybody_was_evaluated_has_left_and_entered(clinic: SegmentClinic) -> None:
    """Whoever looked in between saw nobody."""
    clinic.lose("a")
    clinic.patient("a", birth_date=BORN)
    assert clinic.feed("old", after=1) == [("a", kind, "correction", False) for kind in ("left", "entered")]
    assert clinic.run() == (0, 0) and clinic.members("old") == "a"
    clinic.patient("a", birth_date=BORN)  # was there
    assert clinic.run() == (0, 0) and clinic.feed("old", after=3) == []


def test_an_edit_that_was_saved_to_fire_fires_once(clinic: SegmentClinic) -> None:
    clinic.save("old", {**OLD, "value": 80}, fires=True)
    clinic.run()
    assert clinic.feed("old", after=1) == [("a", "left", "rule", True)]


def test_an_edit_fires_if_all_since_the_last_run_were_saved_so(clinic: SegmentClinic) -> None:
    """Quietly the second of them brings c in: whoever saves the third is shown that it brings nobody."""
    clinic.patient("c", birth_date=date(1960, 1, 1))
    clinic.run()
    clinic.save("old", {**OLD, "value": 60})
    clinic.save("old", {**OLD, "value": 61}, fires=True)
    assert clinic.run() == (1, 0)
    assert clinic.feed("old", after=1) == [("c", "entered", "rule", False)]
    clinic.save("old", {**OLD, "value": 79}, fires=True)
    clinic.save("old", {**OLD, "value": 80}, fires=True)
    assert clinic.run() == (0, 2)
    assert clinic.feed("old", after=2) == [(letter, "left", "rule", True) for letter in "ac"]
    # Those of a run before are over.
    clinic.save("old", {**OLD, "value": 60}, fires=True)
    clinic.run(given="a")
    clinic.run()
    assert clinic.feed("old", after=3) == [(letter, "entered", "rule", True) for letter in "ac"]


def test_a_quiet_edit_fires_nobody_through_a_segment_that_names_it(clinic: SegmentClinic) -> None:
    """Who saves the one that names it is shown what that changes, and not whom the quiet one moves."""
    clinic.save("frail", {"in_segment": "old"}, fires=True)
    clinic.patient("c", birth_date=date(1960, 1, 1))
    clinic.run()
    clinic.save("old", {**OLD, "value": 60})
    clinic.save("frail", {"any": [{"in_segment": "old"}, {"in_segment": "seen"}]}, fires=True)
    assert clinic.run() == (2, 0)
    assert clinic.feed("frail", after=2) == clinic.feed("old", after=2) == [("c", "entered", "rule", False)]
    clinic.save("old", OLD, fires=True)
    clinic.save("frail", {"in_segment": "old"}, fires=True)
    assert clinic.run() == (0, 2)
    assert clinic.feed("frail", after=3) == [("c", "left", "rule", True)]


NOBODY: Row = {"measure": "age", "op": ">", "value": 200}


def test_a_quiet_edit_of_a_segment_that_no_run_has_followed_yet_fires_nobody(clinic: SegmentClinic) -> None:
    """Its first version is shown by whoever begins to name it."""
    clinic.save("new", NOBODY)
    clinic.save("either", {"any": [{"in_segment": "new"}, {"in_segment": "old"}]}, fires=True)
    clinic.save("watched", {"in_segment": "either"}, fires=True)
    clinic.run()
    assert clinic.feed("watched", after=1) == [("a", "entered", "rule", True)]
    clinic.save("newer", NOBODY)
    clinic.save("either", {"any": [{"in_segment": "newer"}, {"in_segment": "old"}]}, fires=True)
    clinic.save("watched", {"all": [{"in_segment": "either"}]}, fires=True)
    clinic.save("newer", {"measure": "age", "op": "<", "value": 30})
    clinic.run()
    assert clinic.feed("watched", after=2) == clinic.feed("newer", after=2) == [("b", "entered", "rule", False)]


@pytest.mark.parametrize("through", ["old", "frail"])
def test_a_quiet_edit_of_a_segment_that_is_named_no_longer_fires_nobody(clinic: SegmentClinic, through: str) -> None:
    """Both rules of who named it are evaluated without whom the quiet one took: nobody is shown to leave."""
    clinic.save("frail", {"in_segment": "old"}, fires=True)
    clinic.save("watched", {"in_segment": through}, fires=True)
    clinic.run()
    clinic.save("old", NOBODY)
    clinic.save("frail", NOBODY, fires=True)
    clinic.save("watched", {"not": NOBODY}, fires=True)
    clinic.save("watched", NOBODY, fires=True)
    clinic.run()
    assert clinic.feed("watched", after=2) == [("a", "left", "rule", False)]
    clinic.save("old", OLD)
    clinic.save("watched", OLD, fires=True)
    clinic.run()
    assert clinic.feed("watched", after=3) == [("a", "entered", "rule", True)]


def test_before_the_first_run_a_quiet_version_keeps_the_next_one_quiet(clinic: SegmentClinic) -> None:
    for slug, fires in (("quiet", False), ("loud", True)):
        clinic.save(slug, OLD, fires=fires)
        clinic.save(slug, {**OLD, "value": 60}, fires=True)
    assert clinic.run() == (2, 0)
    assert clinic.feed("quiet") == [("a", "entered", "rule", False)]
    assert clinic.feed("loud") == [("a", "entered", "rule", True)]


def test_an_archived_segment_that_comes_back_to_fire_fires(clinic: SegmentClinic) -> None:
    clinic.save("old", {**OLD, "value": 66})
    clinic.archive("old")
    clinic.save("never", OLD)
    clinic.archive("never")
    assert clinic.run() == (0, 1) and clinic.run() == (0, 0)
    assert not clinic.tells_of_profiles("seen") and clinic.tells_of_profiles("old")
    for slug in ("old", "never"):
        clinic.save(slug, OLD, fires=True)
    assert clinic.run() == (2, 0)
    for slug in ("old", "never"):
        assert clinic.feed(slug, after=2) == [("a", "entered", "rule", True)]


def test_a_changed_rule_is_the_cause_through_those_who_name_it(clinic: SegmentClinic) -> None:
    clinic.save("frail", {"all": [{"in_segment": "old"}, {"not": {"in_segment": "seen"}}]}, fires=True)
    clinic.save("watched", {"in_segment": "frail"})
    assert clinic.run() == (2, 0)
    clinic.save("old", {**OLD, "value": 80})
    assert clinic.run() == (0, 3)
    # Saved to fire, but long ago: this run is not by a new version of its own.
    for slug in ("old", "frail", "watched"):
        assert clinic.feed(slug, after=2) == [("a", "left", "rule", False)]
    clinic.patient("c", birth_date=date(1940, 1, 1))
    clinic.run()
    assert clinic.feed("watched", after=3) == [("c", "entered", "data", True)]


def test_of_several_causes_the_first_counts(clinic: SegmentClinic) -> None:
    for letter, causes in zip(
        "cdef", (["time", "data"], ["data", "correction"], ["correction", "consent"], []), strict=True
    ):
        clinic.patient(letter, None)
        clinic.visit(letter, cause=None)
        for cause in causes:
            clinic.note(letter, cause)
    clinic.run()
    assert [row[::2] for row in clinic.feed("seen")] == [
        ("c", "data"), ("d", "correction"), ("e", "consent"), ("f", "time"),
    ]  # fmt: skip


def test_the_load_that_fills_a_clinic_asks_nobody_to_act(clinic: SegmentClinic) -> None:
    clinic.note(None, "data")
    clinic.visit("a", cause=None)
    clinic.visit("b")
    clinic.run(given="a")
    clinic.run()
    assert clinic.feed("seen") == [("a", "entered", "data", False), ("b", "entered", "data", False)]
    # That was it: what comes later fires.
    clinic.patient("c")
    clinic.visit("c")
    clinic.run()
    assert clinic.feed("seen", after=3) == [("c", "entered", "data", True)]


def test_an_archived_segments_members_leave_silently_and_come_back_as_a_first_run(clinic: SegmentClinic) -> None:
    clinic.archive("old")
    assert clinic.run() == (0, 1)
    clinic.save("old", OLD)
    assert clinic.run() == (1, 0)
    assert clinic.feed("old", after=1) == [("a", "left", "rule", False), ("a", "entered", "rule", False)]


def test_instants_follow_runs_even_when_a_run_was_stamped_earlier(clinic: SegmentClinic) -> None:
    clinic.visit("a")
    clinic.run(at=FIRST_RUN - timedelta(days=1))
    clinic.visit("b")
    clinic.run()
    instants = [row[0] for row in clinic.read("seen", "segment_change", "at")]
    assert instants == sorted(instants) and instants[0] == FIRST_RUN + timedelta(hours=1)


def test_a_cursor_skips_nothing_and_gives_nothing_twice(clinic: SegmentClinic) -> None:
    whole: list[tuple[object, ...]] = []
    position: tuple[int, str] = (0, "\0")
    for day in range(4):  # the feed is read on while it grows
        for letter in "cdefghij"[day : day + 4]:
            clinic.patient(letter)
            clinic.visit(letter, AS_OF + timedelta(days=day))
        if not day:
            clinic.save("recent", {**RECENT, "window": "2d"})
        clinic.run(AS_OF + timedelta(days=day))
        for _ in range(2):
            page = clinic.read(
                "recent", "segment_change", "run, patient_id, kind",
                f"(run, patient_id) > ({position[0]}, '{_id(position[1])}')",
            )[:3]  # fmt: skip
            position = page[-1][:2] if page else position
            whole += page
    rest = clinic.read(
        "recent",
        "segment_change",
        "run, patient_id, kind",
        f"(run, patient_id) > ({position[0]}, '{_id(position[1])}')",
    )
    assert whole + rest == clinic.read("recent", "segment_change", "run, patient_id, kind")
    assert {kind for *_, kind in whole + rest} == {"entered", "left"}


def _id(letter: str) -> str:
    return f"00000000-0000-0000-0000-{ord(letter):012x}"


def test_members_at_a_past_time(clinic: SegmentClinic) -> None:
    visit = clinic.visit("a")
    clinic.run()
    clinic.take_back(visit)
    clinic.visit("b")
    clinic.run()

    def then(hour: int) -> list[str]:
        at = FIRST_RUN + timedelta(hours=hour)
        where = f"entered_at <= '{at}' and (left_at is null or left_at > '{at}')"
        return [row[0] for row in clinic.read("seen", "segment_stay", "patient_id", where)]

    assert [then(hour) for hour in (1, 2, 3)] == [[], ["a"], ["b"]]


@pytest.mark.check(49)
def test_stays_that_tell_of_a_profile_are_known_by_their_versions(clinic: SegmentClinic) -> None:
    """Those of no such version are never among them; a stay that went on into one is."""
    clinic.visit("a")
    clinic.visit("b")
    clinic.run()
    clinic.save("seen", {"all": [SEEN, OLD]})
    clinic.run()
    clinic.save("seen", SEEN)
    clinic.patient("c")
    clinic.visit("c")
    clinic.run()
    stays = clinic.read("seen", "segment_stay", "patient_id, version, left_version, profile_dependent")
    assert set(stays) == {("a", 1, None, True), ("b", 1, 2, True), ("b", 3, None, False), ("c", 3, None, False)}
    told = clinic.read("seen", "segment_change", "patient_id, kind", "profile_dependent")
    assert told == [("a", "entered"), ("b", "entered"), ("b", "left")]


@pytest.mark.check(49)
def test_a_stay_that_archiving_ends_tells_of_the_rules_that_it_lasted_through(clinic: SegmentClinic) -> None:
    clinic.visit("a")
    clinic.run()
    clinic.save("seen", {"all": [SEEN, OLD]})
    clinic.run()
    clinic.archive("seen")
    clinic.run()
    clinic.save("seen", SEEN)
    clinic.run()
    stays = clinic.read("seen", "segment_stay", "patient_id, version, left_version, profile_dependent")
    assert set(stays) == {("a", 1, 2, True), ("a", 3, None, False)}


@pytest.mark.check(12)
def test_members_tell_of_profiles_until_a_rule_that_asks_for_none_is_evaluated(clinic: SegmentClinic) -> None:
    assert (clinic.tells_of_profiles("old"), clinic.tells_of_profiles("seen")) == (True, False)
    clinic.save("old", SEEN)
    clinic.save("seen", OLD)
    # The new rules are saved, and the members still those of the old ones, but for the patients of a partial run.
    for _ in range(2):
        assert clinic.tells_of_profiles("old") and clinic.tells_of_profiles("seen")
        clinic.run(given="a")
    clinic.run()
    assert (clinic.tells_of_profiles("old"), clinic.tells_of_profiles("seen")) == (False, True)


def test_drift_is_what_changed_without_a_cause(clinic: SegmentClinic) -> None:
    assert clinic.drift() == []
    clinic.visit("a")
    clinic.save("old", {**OLD, "value": 80})
    assert clinic.drift() == []  # both wait for the next run
    clinic.run()
    clinic.note("x", "data")
    clinic.visit("b", cause=None)
    clinic.admin.execute("delete from segment_member where entered_by = 'data'")
    assert [row[1:] for row in clinic.drift()] == [(2, 0)]


def test_drift_is_a_member_too_many_as_well(clinic: SegmentClinic) -> None:
    clinic.make_up("seen", "b")
    assert clinic.drift() == [(UUID(int=2), 0, 1)]
