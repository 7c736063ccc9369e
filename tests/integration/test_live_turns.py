"""Nobody's trouble is another's: backlogs, dead changes, what came after them, revocations, days, revivals."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, tzinfo
from uuid import UUID, uuid4

import psycopg
import pytest
from access_world import DELETED
from operational_rows import CANARY, Rows

from infra.database import Server, connect_admin
from orchestration.clinics import ClinicDay
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from orchestration.live import attend as attending
from orchestration.live import crew, queue
from orchestration.live.crew import Crew
from orchestration.live.dead import Poisoned, bury
from orchestration.live.lane import Lane, open_lane
from orchestration.live.warm import warm
from tests.integration.live_twins import AS_OF, RULES, TWINS, bring, feed, save
from tests.integration.test_live_worker import waiting
from tests.integration.test_sealer import wait_until
from tests.integration.test_withdrawal import receipts

NORTH = ClinicDay("north", AS_OF)


@pytest.fixture(scope="module")
def rows(module_server: Server) -> Iterator[Rows]:
    with connect_admin(module_server) as admin:
        admin.execute("update operational.clinic set time_zone = 'UTC'")
        save(module_server, RULES)
        for clinic in TWINS:
            bring(module_server, clinic)
        yield Rows(admin)


def test_a_backlog_of_one_clinic_leaves_turns_to_another(
    module_server: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clinic, patients in (("north", 12 * crew.UNITS_A_TURN), ("south", 1)):
        for _ in range(patients):
            rows.patient(clinic, consent=False)
    before = rows.admin.execute("select clock_timestamp()").fetchone()
    monkeypatch.setattr(queue, "PATIENTS_A_STATEMENT", 3)
    monkeypatch.setattr(crew, "QUICK", 1)
    working = Crew(module_server, dict.fromkeys(TWINS, "UTC"))
    for clinic in TWINS:
        working.call(clinic)
    with working:
        wait_until(lambda: not waiting(rows.admin))
    order = rows.admin.execute(
        "select organisation from audit.access_event where action = 'pipeline.live' and occurred_at > %s"
        " order by occurred_at",
        before,
    ).fetchall()
    assert order.index(("south",)) <= crew.UNITS_A_TURN < order.count(("north",))


@pytest.fixture
def refused(module_server: Server, rows: Rows) -> Iterator[UUID]:
    """A patient who shares the profile, and has a visit that north's mart refuses."""
    patient = rows.patient("north", birth_date=date(1931, 5, 17))
    rows.appointment("north", patient, AS_OF)
    bring(module_server)
    rows.admin.execute(
        "alter table clinic_north.raw_appointments add constraint no_canary check (service <> 'Zyxcanary') not valid"
    )
    rows.admin.execute("update operational.appointment set service = %s where patient_id = %s", [CANARY, patient])
    yield patient
    for table, constraint in (("raw_appointments", "no_canary"), ("segment_member", "nobody")):
        rows.admin.execute(f"alter table clinic_north.{table} drop constraint if exists {constraint}")
    with open_lane(module_server) as lane:
        attending.retry(lane, NORTH)
    assert rows.raw("north", "dead_change") == []


def test_what_came_after_the_failure_is_not_taken_for_dead(
    module_server: Server, rows: Rows, refused: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bury_late(lane: Lane, slug: str, found: Poisoned) -> None:
        if not rows.raw("north", "dead_change"):
            rows.form("north", refused)
        bury(lane, slug, found)

    monkeypatch.setattr(attending, "bury", bury_late)
    with open_lane(module_server) as lane:
        attending.attend(lane, NORTH, units=1)
    assert [row[1] for row in rows.raw("north", "dead_change")] == ["appointment"]
    left = rows.admin.execute("select entity from operational.outbox where patient_id = %s", [refused]).fetchall()
    assert left == [("form",)]


@pytest.mark.check(16)
@pytest.mark.parametrize("already", [False, True], ids=["together", "dead already"])
def test_a_revocation_goes_through_though_something_else_is_dead(
    module_server: Server, rows: Rows, refused: UUID, already: bool
) -> None:
    if already:
        bring(module_server)
    rows.consent("north", rows.person_of(refused), "revoked")
    bring(module_server)
    assert in_the_mart(rows, refused) == (False, None)
    assert {row[1] for row in rows.raw("north", "dead_change")} == {"appointment", "patient"}
    assert "old" not in segments_of(rows, refused)
    assert [each.kind for each in receipts(rows, module_server, refused)][-1] == "revoked"


@pytest.mark.check(16)
def test_of_who_cannot_even_be_evaluated_the_profile_leaves(module_server: Server, rows: Rows, refused: UUID) -> None:
    rows.admin.execute(
        f"alter table clinic_north.segment_member add constraint nobody check (patient_id <> '{refused}') not valid"
    )
    rows.consent("north", rows.person_of(refused), "revoked")
    bring(module_server)
    assert in_the_mart(rows, refused) == (False, None)
    assert (refused,) in rows.raw("north", "withdrawal", "patient_id")


@contextmanager
def recording_refused(rows: Rows) -> Iterator[None]:
    rows.admin.execute("alter table audit.access_event add constraint refusing check (false) not valid")
    try:
        yield
    finally:
        rows.admin.execute("alter table audit.access_event drop constraint refusing")


@pytest.mark.check(22)
@pytest.mark.check(47)
def test_what_cannot_be_recorded_waits_and_nobody_is_dead(module_server: Server, rows: Rows) -> None:
    patients = [rows.patient("north", birth_date=date(1931, 5, 17)) for _ in range(3)]
    before = outbox(rows)
    with recording_refused(rows), open_lane(module_server) as lane, pytest.raises(psycopg.errors.CheckViolation):
        attending.attend(lane, NORTH, wait=True)
    assert outbox(rows) == before and rows.raw("north", "dead_change") == []
    assert not any(segments_of(rows, patient) for patient in patients)
    bring(module_server)
    assert outbox(rows) == [] and all("old" in segments_of(rows, patient) for patient in patients)


@pytest.mark.check(16)
@pytest.mark.check(22)
def test_nor_is_a_revocation_dead_that_cannot_be_recorded(module_server: Server, rows: Rows, refused: UUID) -> None:
    bring(module_server)
    rows.consent("north", rows.person_of(refused), "revoked")
    before = outbox(rows)
    with recording_refused(rows), open_lane(module_server) as lane, pytest.raises(psycopg.errors.CheckViolation):
        attending.attend(lane, NORTH, wait=True)
    assert outbox(rows) == before and [row[1] for row in rows.raw("north", "dead_change")] == ["appointment"]
    bring(module_server)
    assert in_the_mart(rows, refused) == (False, None)


def test_of_a_revived_registration_the_records_come_back_with_it(module_server: Server, rows: Rows) -> None:
    patient = rows.patient("north")
    rows.appointment("north", patient, AS_OF)
    for deleted in (DELETED, "deleted_at = null"):
        bring(module_server)
        query = f"update operational.registration set {deleted} where patient_id = %s"
        rows.admin.execute(query, [patient])
    ingest(module_server, "north", Asset.PATIENTS, uuid4())
    bring(module_server)
    assert (patient,) in rows.raw("north", "raw_appointments", "patient_id")
    changes = [(slug, kind) for slug, who, kind, *_ in feed(rows, "north") if who == patient and slug == "attended"]
    assert changes == [("attended", "entered"), ("attended", "left"), ("attended", "entered")]


def test_of_a_lane_that_is_warm_a_change_finds_every_plan_made(module_server: Server, rows: Rows) -> None:
    def plans(lane: Lane) -> set[str]:
        found = lane.connection.execute("select statement from pg_prepared_statements where statement like '/* north%'")
        made = {statement for (statement,) in found}
        lane.connection.rollback()
        return made

    patient = rows.patient("north")
    bring(module_server)
    with open_lane(module_server) as lane:
        warm(lane, "north")
        before = plans(lane)
        rows.appointment("north", patient, AS_OF)
        rows.form("north", patient)
        assert attending.attend(lane, NORTH, wait=True) is attending.Left.NOTHING
        (recorded,) = plans(lane) - before
    assert "audit.access_event" in recorded and len(before) > 5


def day_of(rows: Rows) -> date:
    row = rows.admin.execute("select as_of from clinic_north.segment_clock").fetchone()
    assert row
    day: date = row[0]
    return day


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=1)], ids=["a build", "a clock that is ahead"])
def test_a_day_that_was_set_back_begins_again(
    module_server: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """By a build for a day of the past; or seen so by a worker whose own clock says that it is tomorrow."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    monkeypatch.setattr(crew, "datetime", Clock)
    today = datetime.now(UTC).date()
    with Crew(module_server, {"north": "UTC"}) as working:

        def begun() -> bool:
            working.call("north")
            return day_of(rows) == today

        wait_until(begun)
        rows.admin.execute("update clinic_north.segment_clock set as_of = %s", [AS_OF])
        wait_until(begun)


def outbox(rows: Rows) -> list[tuple[UUID, str]]:
    """What waits in north, as ids and entities."""
    return rows.admin.execute(
        "select patient_id, entity from operational.outbox where clinic_id = %s order by outbox_id",
        [rows.clinic_id("north")],
    ).fetchall()


def in_the_mart(rows: Rows, patient: UUID) -> tuple[bool, date | None]:
    found = rows.admin.execute(
        "select profile_shared, birth_date from clinic_north.raw_patients where patient_id = %s", [patient]
    ).fetchone()
    assert found
    return found[0], found[1]


def segments_of(rows: Rows, patient: UUID) -> set[str]:
    found = rows.admin.execute(
        "select slug from clinic_north.segment_member inner join clinic_north.segment using (segment_id)"
        " where patient_id = %s and left_at is null",
        [patient],
    ).fetchall()
    return {slug for (slug,) in found}
