"""What the live worker brings is what a build would have brought: rows, members, causes; and nothing else moves."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from operational_rows import CANARY, Rows

from infra.database import Server, connect_admin
from orchestration import mart_state
from orchestration.clinics import ClinicDay
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from orchestration.live import queue
from orchestration.live.attend import attend, retry
from orchestration.live.dead import dead_patients
from orchestration.live.lane import open_lane
from orchestration.live.unit import begin_day
from tests.histories import seeds
from tests.integration.live_twins import (
    AS_OF,
    RAW,
    RULES,
    TWINS,
    Twins,
    bring,
    evaluate,
    feed,
    load,
    noted,
    save,
)

NORTH = ClinicDay("north", AS_OF)
# What a clinic has of its segments.
KEPT = ("segment", "segment_version", "segment_member", "segment_state", "segment_clock", "segment_forget",
        "segment_broken", "patient_flip", "changed_patient", "live_clock", "mart_clock")  # fmt: skip


@pytest.fixture(scope="module")
def rows(module_server: Server) -> Iterator[Rows]:
    with connect_admin(module_server) as admin:
        yield Rows(admin)


@pytest.fixture(scope="module")
def at(module_server: Server, rows: Rows) -> Server:
    """Two clinics in one time zone, with the same segments."""
    rows.admin.execute("update operational.clinic set time_zone = 'Europe/Berlin'")
    save(module_server, RULES)
    return module_server


def as_it_lies(rows: Rows, clinic: str) -> dict[str, list[tuple[object, ...]]]:
    """Each row of a mart with the transaction that wrote it."""
    return {table: rows.raw(clinic, table, "xmin::text, *") for table in (*RAW, *KEPT)}


def assert_alike(rows: Rows, told: str = "") -> None:
    for table in RAW:
        assert rows.raw("north", table) == rows.raw("south", table), (table, told)
    assert feed(rows, "north") == feed(rows, "south"), told
    assert noted(rows, "north") == noted(rows, "south") == [], told


@pytest.mark.check(45)
@pytest.mark.check(46)
@pytest.mark.parametrize("seed", seeds(1792, 8053))
def test_live_and_batch_give_the_same_rows_members_and_causes(at: Server, rows: Rows, seed: int) -> None:
    twins = Twins(rows, random.Random(seed))
    for step in range(8):
        twins.step(30)
        if step in (2, 5):
            save(at, {"old": f"age > {60 + step}", "recent": f"appointments.count({step}d) > 0"}, fires=step > 2)
        if step in (3, 6):
            archived = "now()" if step == 3 else "null"
            for clinic in TWINS:
                rows.admin.execute(f"update clinic_{clinic}.segment set archived_at = {archived} where slug = 'lazy'")
        before = as_it_lies(rows, "south")
        bring(at)
        assert as_it_lies(rows, "south") == before
        load(at)
        evaluate(at)
        assert_alike(rows, f"seed {seed}, step {step}")
    changes = feed(rows, "north")
    assert {cause for _, _, _, cause, *_ in changes} >= {"data", "rule", "consent", "correction"}
    assert len({slug for slug, *_ in changes}) > 5
    assert load(at, "north") == 0 and evaluate(at, "north") == (0, 0)


def test_what_an_ingest_left_half_done_the_worker_ends(at: Server, rows: Rows) -> None:
    twins = Twins(rows, random.Random(1))
    bring(at)
    for asset in Asset:
        twins.step(30)
        # Whoever this copies is evaluated by all that is committed, and not by this asset alone.
        ingest(at, "north", asset, uuid4())
        bring(at)
        load(at)
        evaluate(at)
        assert_alike(rows)


def test_many_whom_an_ingest_noted_are_evaluated_together(
    at: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = Twins(rows, random.Random(2))
    twins.step(10)
    for slug in ("north", "south"):  # into marts that have patients: of the first ones all are noted at once
        load(at, slug)
        evaluate(at, slug)
    monkeypatch.setattr(queue, "PATIENTS_A_STATEMENT", 5)
    twins.step(60)
    load(at, "north")
    assert len(noted(rows, "north")) > 5
    bring(at)
    load(at)
    evaluate(at)
    assert_alike(rows)


def test_a_saved_rule_is_evaluated_for_everybody_at_once(at: Server, rows: Rows) -> None:
    bring(at)
    patients = [rows.patient("north", birth_date=date(1930, 1, 1)) for _ in range(3)]
    bring(at)
    save(at, {"very-old": "age > 90"}, ("north",))
    bring(at)
    entered = [row for row in feed(rows, "north") if row[0] == "very-old"]
    assert {(patient, cause, fires) for _, patient, _, cause, _, fires in entered} >= {
        (patient, "rule", False) for patient in patients
    }


@pytest.mark.check(46)
def test_who_stays_as_a_consent_ends_stays_by_the_rule_that_was_just_saved(at: Server, rows: Rows) -> None:
    """Live evaluates them by it before it does all others: the stay that goes on names the version that found them."""
    save(at, {"either": "age > 65 or appointments.count > 0"}, ("north",))
    patient = rows.patient("north", birth_date=date(1930, 1, 1))
    rows.consent("north", rows.person_of(patient))
    rows.appointment("north", patient, AS_OF)
    bring(at)
    rows.consent("north", rows.person_of(patient), "revoked")
    save(at, {"either": "age > 66 or appointments.count > 0"}, ("north",))
    bring(at)
    told = [row[2:5] for row in feed(rows, "north") if row[:2] == ("either", patient)]
    assert told == [("forget", "consent", 1), ("entered", "consent", 2)]


@pytest.mark.check(21)
def test_every_unit_is_one_event_that_resolves_to_its_patients(at: Server, rows: Rows) -> None:
    bring(at)
    patient = rows.patient("north")
    rows.appointment("north", patient, AS_OF)
    bring(at)
    bring(at)  # nothing waits, nothing is read
    events = rows.admin.execute(
        "select e.resource_type, e.patients, e.categories, array_agg(b.asset order by b.asset)"
        " from audit.access_event as e inner join audit.batch_patient as b using (event_id, occurred_at)"
        " where e.action = 'pipeline.live' and b.patient_id = %s group by e.event_id, 1, 2, 3",
        [patient],
    ).fetchall()
    assert events == [
        ("mart", 1, ["clinical", "identifier", "name", "profile"], ["appointments", "patients"])
    ]  # fmt: skip


def stale(rows: Rows) -> list[tuple[UUID, str, str, str | None, int]]:
    return rows.admin.execute(
        "select patient_id, entity, sqlstate, constraint_name, tries from clinic_north.dead_change order by entity"
    ).fetchall()


@pytest.fixture
def poisoned(at: Server, rows: Rows) -> Iterator[UUID]:
    """Nine patients with a visit each, of whom north's mart refuses one."""
    bring(at)
    rows.admin.execute(
        "alter table clinic_north.raw_appointments add constraint no_canary check (service <> 'Zyxcanary')"
    )
    patients = [rows.patient("north") for _ in range(9)]
    for patient in patients:
        appointment = rows.appointment("north", patient, AS_OF)
    rows.admin.execute(
        "update operational.appointment set service = 'Zyxcanary' where appointment_id = %s", [appointment]
    )
    yield patients[-1]
    rows.admin.execute("alter table clinic_north.raw_appointments drop constraint if exists no_canary")
    load(at, "north")
    evaluate(at, "north")
    assert stale(rows) == []


@pytest.mark.check(51)
def test_a_poison_change_is_set_apart_and_the_rest_goes_on(
    at: Server, rows: Rows, poisoned: UUID, capfd: pytest.CaptureFixture[str]
) -> None:
    bring(at)
    assert stale(rows) == [
        (poisoned, "appointment", "23514", "no_canary", 1), (poisoned, "patient", "23514", "no_canary", 1),
    ]  # fmt: skip
    there = {row[0] for row in rows.raw("north", "raw_patients", "patient_id")}
    assert poisoned not in there and len(there) >= 8
    kept = rows.admin.execute("select t::text from clinic_north.dead_change as t").fetchall()
    assert CANARY not in str(kept) and CANARY not in "".join(capfd.readouterr())
    # A later change of the patient's brings the dead ones as well, or they die again.
    rows.admin.execute("update operational.person set name = name || 'n'")
    bring(at)
    assert {(entity, tries) for _, entity, _, _, tries in stale(rows)} == {("appointment", 2), ("patient", 2)}
    rows.admin.execute("update operational.appointment set service = 'visit' where service = 'Zyxcanary'")
    bring(at)
    assert stale(rows) == []
    assert (poisoned,) in rows.raw("north", "raw_appointments", "patient_id")


def test_dead_changes_are_tried_again_when_an_operator_says_so(at: Server, rows: Rows, poisoned: UUID) -> None:
    with open_lane(at) as lane:
        attend(lane, NORTH)
        assert retry(lane, NORTH) == (1, 1)
        rows.admin.execute("alter table clinic_north.raw_appointments drop constraint no_canary")
        assert retry(lane, NORTH) == (1, 0)
        assert dead_patients(lane, "north") == []
    assert (poisoned,) in rows.raw("north", "raw_appointments", "patient_id")
    recorded = rows.admin.execute("select patients from audit.access_event where action = 'live.retry'").fetchall()
    assert recorded == [(1,), (1,)]


def test_an_evaluation_that_fails_keeps_its_cause(at: Server, rows: Rows) -> None:
    bring(at)
    patient = rows.patient("north")
    rows.appointment("north", patient, AS_OF)
    load(at, "north")
    rows.admin.execute(
        f"alter table clinic_north.segment_member add constraint nobody check (patient_id <> '{patient}')"
    )
    try:
        bring(at)
        assert stale(rows) == [(patient, "segment", "23514", "nobody", 1)]
        bring(at)  # and leaves it alone
        assert [row[-1] for row in stale(rows)] == [1]
    finally:
        rows.admin.execute("alter table clinic_north.segment_member drop constraint nobody")
    with open_lane(at) as lane:
        assert retry(lane, NORTH) == (1, 0)
    assert ("seen", patient, "entered", "data", 1, True) in feed(rows, "north")


def test_what_is_no_fault_of_the_data_is_not_dead(at: Server, rows: Rows) -> None:
    bring(at)
    rows.patient("north")
    rows.admin.execute("alter table clinic_north.raw_patients rename to elsewhere")
    try:
        with pytest.raises(psycopg.errors.UndefinedTable):
            bring(at)
    finally:
        rows.admin.execute("alter table clinic_north.elsewhere rename to raw_patients")
    assert stale(rows) == []
    bring(at)
    assert rows.admin.execute("select count(*) from operational.outbox where clinic_id = 1").fetchone() == (0,)


def test_marts_that_only_the_worker_brought_up_to_date_are_not_current(at: Server, rows: Rows) -> None:
    bring(at)
    state = mart_state.built_from(at, "north")
    mart_state.begin(at, ["north"], "first")
    mart_state.remember(at, NORTH, state, "first")
    assert mart_state.is_current(at, NORTH)
    rows.admin.execute("update operational.treatment_plan set title = title where clinic_id = 1")
    bring(at)
    assert mart_state.is_current(at, NORTH)  # something waited, and no row is another
    rows.patient("north")
    assert not mart_state.is_current(at, NORTH)
    bring(at)
    assert not mart_state.is_current(at, NORTH)


def test_a_clinics_day_begins_and_its_members_follow(at: Server, rows: Rows) -> None:
    """Last, since north has another day from here on."""
    bring(at)
    now = datetime.now(UTC)
    today = ClinicDay("north", now.astimezone(ZoneInfo("Europe/Berlin")).date())
    with open_lane(at) as lane:
        assert begin_day(lane, today, now, wait=True)
        attend(lane, today, wait=True)
    day = rows.admin.execute("select as_of from clinic_north.segment_clock").fetchone()
    assert day == rows.admin.execute("select as_of from pipeline.member_day where clinic = 'north'").fetchone()
    assert day and day[0] > AS_OF
    assert "time" in {cause for _, _, _, cause, *_ in feed(rows, "north")}
    assert evaluate(at, "north", day[0]) == (0, 0)
