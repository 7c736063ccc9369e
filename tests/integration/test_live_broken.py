"""What only some need holds up nobody else: a rule that does not compile, a patient for whom an evaluation fails."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from operational_rows import Rows
from psycopg.types.json import Jsonb

from infra.database import Server, connect_admin
from infra.live_health import health
from orchestration.clinics import ClinicDay
from orchestration.live import attend as attending
from orchestration.live.dead import Poisoned
from orchestration.live.lane import open_lane
from policies.segments.compiler import ActiveSegment
from policies.segments.sound import compiling
from policies.segments.text import read
from tests.integration.live_twins import AS_OF, RULES, TWINS, bring, evaluate, feed, load, save
from tests.integration.test_live_turns import segments_of
from tests.integration.test_withdrawal import OLD

NORTH = ClinicDay("north", AS_OF)
UNKNOWN = {"measure": "appointments.moon_phase", "op": ">", "value": 1}


@pytest.fixture(scope="module")
def rows(module_server: Server) -> Iterator[Rows]:
    with connect_admin(module_server) as admin:
        admin.execute("update operational.clinic set time_zone = 'UTC'")
        save(module_server, RULES)
        for clinic in TWINS:
            bring(module_server, clinic)
        yield Rows(admin)


def old_patient(rows: Rows, at: Server) -> UUID:
    patient = rows.patient("north", birth_date=date(1931, 5, 17))
    bring(at)
    assert segments_of(rows, patient) >= {"old", "frail"}
    return patient


def save_by_hand(rows: Rows, slug: str, rule: dict[str, Any], *, dependent: bool) -> None:
    """The next version of a segment's rule, whatever it is."""
    of_slug = f"segment_id = (select segment_id from clinic_north.segment where slug = '{slug}')"
    rows.admin.execute(
        "insert into clinic_north.segment_version (segment_id, version, rule, created_at, profile_dependent)"
        f" select segment_id, version + 1, %s, now(), %s from clinic_north.segment where {of_slug}",
        [Jsonb(rule), dependent],
    )
    rows.admin.execute(
        f"update clinic_north.segment set version = version + 1, profile_dependent = %s where {of_slug}", [dependent]
    )


@pytest.fixture
def broken(module_server: Server, rows: Rows) -> Iterator[list[UUID]]:
    """Two who are in a segment whose next rule is of a measure that is no more; another segment names it."""
    patients = [old_patient(rows, module_server) for _ in range(2)]
    save_by_hand(rows, "old", UNKNOWN, dependent=False)
    yield patients
    save_by_hand(rows, "old", OLD, dependent=True)
    with open_lane(module_server) as lane:
        attending.attend(lane, NORTH, wait=True)
    assert rows.raw("north", "segment_broken") == []


def test_a_rule_that_does_not_compile_leaves_its_members_and_the_others_go_on(
    module_server: Server, rows: Rows, broken: list[UUID]
) -> None:
    rows.appointment("north", broken[0], AS_OF)
    young = rows.patient("north", birth_date=date(2010, 1, 1))
    rows.appointment("north", young, AS_OF)
    bring(module_server)
    assert health(module_server).clinics["north"].broken == ["frail", "old"]
    assert health(module_server).clinics["south"].broken == []
    assert segments_of(rows, broken[0]) >= {"old", "frail", "attended"} and "attended" in segments_of(rows, young)
    save_by_hand(rows, "in-pain", {"measure": "registration.days", "op": ">=", "value": 0}, dependent=False)
    before = rows.admin.execute("select run from clinic_north.segment_clock").fetchone()
    bring(module_server)
    assert "in-pain" in segments_of(rows, young) and segments_of(rows, broken[1]) >= {"old", "frail", "in-pain"}
    bring(module_server)  # nothing is due any more, though two have never been evaluated by the new rule
    after = rows.admin.execute("select run from clinic_north.segment_clock").fetchone()
    assert before and after == (before[0] + 1,)


@pytest.mark.check(16)
@pytest.mark.check(49)
def test_who_withdraws_leaves_a_broken_segment_too(module_server: Server, rows: Rows, broken: list[UUID]) -> None:
    rows.consent("north", rows.person_of(broken[0]), "revoked")
    bring(module_server)
    assert not segments_of(rows, broken[0]) & {"old", "frail"}
    told = {slug: kind for slug, who, kind, *_ in feed(rows, "north") if who == broken[0]}
    assert (told["old"], told["frail"]) == ("forget", "forget")
    assert segments_of(rows, broken[1]) >= {"old", "frail"}


def test_once_it_is_mended_everybody_is_evaluated_by_it(module_server: Server, rows: Rows) -> None:
    patient = old_patient(rows, module_server)
    rows.admin.execute("update operational.profile set birth_date = '2010-01-01' where person_id = %s",
                       [rows.person_of(patient)])  # fmt: skip
    bring(module_server)
    assert "old" not in segments_of(rows, patient)


def test_what_a_build_has_mended_nobody_evaluates_once_more(module_server: Server, rows: Rows) -> None:
    young = rows.patient("north", birth_date=date(2010, 1, 1))
    bring(module_server)
    save_by_hand(rows, "old", UNKNOWN, dependent=False)
    bring(module_server)
    save_by_hand(rows, "old", OLD, dependent=True)
    load(module_server, "north")
    evaluate(module_server, "north")
    assert rows.raw("north", "segment_broken") == []
    rows.admin.execute(
        "update operational.profile set birth_date = '1931-05-17' where person_id = %s", [rows.person_of(young)]
    )
    bring(module_server)
    told = {slug: row for slug, who, *row in feed(rows, "north") if who == young}
    assert (told["old"][1], told["old"][3], told["frail"][1], told["frail"][3]) == ("data", True, "data", True)


@pytest.fixture
def nobody(module_server: Server, rows: Rows) -> Iterator[UUID]:
    """A patient whom the members' table refuses."""
    patient = rows.patient("north")
    bring(module_server)
    rows.admin.execute(
        f"alter table clinic_north.segment_member add constraint nobody check (patient_id <> '{patient}') not valid"
    )
    yield patient
    rows.admin.execute("alter table clinic_north.segment_member drop constraint nobody")
    with open_lane(module_server) as lane:
        attending.retry(lane, NORTH)
    assert rows.raw("north", "dead_change") == []


def test_one_patient_does_not_keep_a_new_rule_from_everybody(
    module_server: Server, rows: Rows, nobody: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "PATIENTS_A_STATEMENT", 3)
    others = [rows.patient("north") for _ in range(7)]
    bring(module_server)
    save(module_server, {"all-of-them": "registration.days >= 1"}, ("north",))
    bring(module_server)
    assert [(row[0], row[1]) for row in rows.raw("north", "dead_change")] == [(nobody, "segment")]
    assert all("all-of-them" in segments_of(rows, patient) for patient in others)
    told = {(kind, cause, fires) for slug, _, kind, cause, _, fires in feed(rows, "north") if slug == "all-of-them"}
    assert told == {("entered", "rule", False)}
    bring(module_server)
    assert rows.raw("north", "dead_change", "tries") == [(1,)]
    rows.admin.execute("alter table clinic_north.segment_member drop constraint nobody")
    rows.admin.execute("alter table clinic_north.segment_member add constraint nobody check (true)")
    assert load(module_server, "north") == 0
    with open_lane(module_server) as lane:
        assert attending.retry(lane, NORTH) == (1, 0)
    assert evaluate(module_server, "north") == (0, 0)


def test_of_a_rule_that_fails_for_all_nobody_is_to_blame(
    module_server: Server, rows: Rows, nobody: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attending, "MOST_DEAD", 0)
    save(module_server, {"one-more": "registration.days >= 2"}, ("north",))
    with pytest.raises(Poisoned):
        bring(module_server)
    monkeypatch.undo()
    bring(module_server)


def test_segments_that_name_a_broken_one_are_broken() -> None:
    def segment(number: int, rule: str) -> ActiveSegment:
        return ActiveSegment(UUID(int=number), 1, read(rule), f"s{number}")

    whole = [segment(1, "age > 1"), segment(2, 'in_segment("s1")'), segment(3, 'in_segment("s2")')]
    assert compiling(whole) == whole
    assert compiling([*whole, segment(4, 'in_segment("s5")'), segment(6, 'in_segment("s4") or age > 3')]) == whole
    assert compiling([segment(7, 'in_segment("s8")'), segment(8, 'in_segment("s7")'), whole[0]]) == [whole[0]]


def test_what_is_archived_while_it_is_broken_is_left_by_the_build_that_comes_next(
    module_server: Server, rows: Rows
) -> None:
    """With whatever else is noted of its members then, such as the end of a consent, which always fires."""
    patient = old_patient(rows, module_server)
    rows.appointment("north", patient, AS_OF)
    bring(module_server)
    save_by_hand(rows, "seen", UNKNOWN, dependent=False)
    bring(module_server)
    rows.admin.execute("update clinic_north.segment set archived_at = now() where slug in ('seen', 'frail')")
    rows.consent("north", rows.person_of(patient), "revoked")
    load(module_server, "north")
    evaluate(module_server, "north")
    left = [row for slug, who, *row in feed(rows, "north") if (slug, who) == ("seen", patient)][-1]
    assert (left[0], left[1], left[3]) == ("left", "rule", True)
