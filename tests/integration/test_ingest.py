"""Ingest: the raw tables become what the clinic may see, only what changed moves, and once is enough."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from access_world import DELETED
from operational_rows import Rows

from infra.database import Server
from orchestration.contracts import Contract
from orchestration.ingest import load
from orchestration.ingest.load import Loaded, ingest
from orchestration.ingest.session import ClinicFailed, ClinicSession, connect_arrow
from orchestration.ingest.sources import Asset, Source
from tests.clocks import CLOCKS_CHANGE

TABLES = (
    "raw_patients",
    "raw_appointments",
    "raw_forms",
    "raw_answers",
    "raw_adherence",
)
EVENING = datetime(2024, 3, 10, 23, 30, tzinfo=UTC)


@pytest.fixture
def rows(admin: psycopg.Connection) -> Rows:
    return Rows(admin)


def everything(at: Server, clinic: str = "north") -> dict[Asset, Loaded]:
    return {asset: ingest(at, clinic, asset, uuid4()) for asset in Asset}


def mart(rows: Rows, clinic: str = "north") -> dict[str, list[tuple[object, ...]]]:
    return {table: rows.raw(clinic, table) for table in TABLES}


@pytest.fixture
def full(rows: Rows) -> Rows:
    """Both clinics with a little of everything."""
    for clinic in ("north", "south"):
        for number in range(4):
            patient = rows.patient(clinic, consent=number % 2 == 0)
            rows.appointment(clinic, patient, date(2024, 1, 1 + number))
            rows.form(clinic, patient, EVENING if number else None)
            rows.plan(clinic, patient, [date(2024, 2, 1), date(2024, 2, 2)])
    return rows


def test_the_first_load_copies_every_live_row(server: Server, full: Rows) -> None:
    loaded = everything(server)
    assert {asset: done.rows_written for asset, done in loaded.items()} == {
        Asset.PATIENTS: 4, Asset.APPOINTMENTS: 4, Asset.FORMS: 7, Asset.ADHERENCE: 8,
    }  # fmt: skip
    assert {done.patients for done in loaded.values()} == {4}


@pytest.mark.check(42)
def test_loading_twice_equals_once(server: Server, full: Rows) -> None:
    everything(server)
    once = mart(full)
    assert all(done == Loaded(0, 0, 0) for done in everything(server).values())
    assert mart(full) == once


@pytest.mark.check(42)
def test_assets_in_any_order_give_the_same_mart(server: Server, full: Rows, admin: psycopg.Connection) -> None:
    everything(server)
    forward = mart(full)
    admin.execute("truncate clinic_north.raw_patients, clinic_north.raw_forms, clinic_north.raw_adherence")
    for asset in reversed(Asset):
        ingest(server, "north", asset, uuid4())
    assert mart(full) == forward


def test_only_changed_rows_move(server: Server, full: Rows, admin: psycopg.Connection) -> None:
    everything(server)
    before = {row[0]: row[1] for row in full.raw("north", "raw_appointments", "appointment_id, xmin::text")}
    changed = next(iter(before))
    admin.execute(
        "update operational.appointment set status = 'noshow' where appointment_id = %s",
        [changed],
    )
    assert ingest(server, "north", Asset.APPOINTMENTS, uuid4()) == Loaded(1, 0, 1)
    after = {row[0]: row[1] for row in full.raw("north", "raw_appointments", "appointment_id, xmin::text")}
    assert {key for key in before if before[key] != after[key]} == {changed}
    assert ("noshow",) in full.raw("north", "raw_appointments", "status")


def test_a_registration_that_becomes_anothers_moves_though_all_counters_add_up_to_the_same(
    server: Server, rows: Rows, admin: psycopg.Connection
) -> None:
    renamed, other = rows.person(date(1950, 1, 1)), rows.person(date(1950, 1, 1))
    patient = rows.patient("north", renamed, consent=False)
    admin.execute("update operational.person set name = 'Renamed' where person_id = %s", [renamed])
    everything(server)
    admin.execute("update operational.registration set person_id = %s where patient_id = %s", [other, patient])
    sums = admin.execute(
        "select g.version + p.version from operational.registration as g inner join operational.person as p"
        " on p.person_id in (%s, g.person_id) order by p.version", [renamed]
    ).fetchall()  # fmt: skip
    assert sums[0][0] == sums[1][0] - 1
    assert ingest(server, "north", Asset.PATIENTS, uuid4()) == Loaded(1, 0, 1)
    name = admin.execute("select name from operational.person where person_id = %s", [other]).fetchone()
    assert rows.raw("north", "raw_patients", "name") == [name]


@pytest.mark.check(34)
@pytest.mark.parametrize("table", ["appointment", "form", "form_answer", "treatment_plan", "adherence"])
def test_deleted_rows_leave_raw_tables(server: Server, full: Rows, admin: psycopg.Connection, table: str) -> None:
    everything(server)
    admin.execute(f"update operational.{table} set {DELETED}")
    everything(server)
    gone = {
        "appointment": {"raw_appointments"},
        "form": {"raw_forms", "raw_answers"},
        "form_answer": {"raw_answers"},
        "treatment_plan": {"raw_adherence"},
        "adherence": {"raw_adherence"},
    }[table]
    assert {name for name, found in mart(full).items() if not found} == gone


@pytest.mark.check(34)
@pytest.mark.parametrize("table", ["registration", "person"])
def test_a_deleted_patient_leaves_raw_patients(
    server: Server, full: Rows, admin: psycopg.Connection, table: str
) -> None:
    everything(server)
    admin.execute(f"update operational.{table} set {DELETED}")
    assert ingest(server, "north", Asset.PATIENTS, uuid4()) == Loaded(0, 4, 4)
    assert full.raw("north") == []


def test_days_are_the_clinics_own(server: Server, rows: Rows) -> None:
    for clinic in ("north", "south"):
        rows.form(clinic, rows.patient(clinic), EVENING)
        ingest(server, clinic, Asset.FORMS, uuid4())
    assert rows.raw("north", "raw_answers", "answered_on") == [(date(2024, 3, 11),)]  # Berlin
    assert rows.raw("south", "raw_answers", "answered_on") == [(date(2024, 3, 10),)]  # Sao Paulo
    assert rows.raw("north", "raw_forms", "completed_on") == [(date(2024, 3, 11),)]


def test_a_day_begins_at_the_clinics_midnight_where_the_clocks_change(server: Server, rows: Rows) -> None:
    patient = rows.patient("north")
    for instant, _ in CLOCKS_CHANGE:
        rows.form("north", patient, datetime.fromisoformat(instant))
    ingest(server, "north", Asset.FORMS, uuid4())
    days = sorted(day for _, day in CLOCKS_CHANGE)
    assert sorted(row[0] for row in rows.raw("north", "raw_answers", "answered_on")) == days
    assert sorted(row[0] for row in rows.raw("north", "raw_forms", "completed_on")) == days


def test_a_form_expires_in_the_mart_without_any_write(server: Server, rows: Rows, admin: psycopg.Connection) -> None:
    rows.form("north", rows.patient("north"), None)
    admin.execute("alter table operational.form disable trigger touch")
    found = []
    for days in (0, -2):  # as if time had passed: the version stays
        # Of the clinic's day, which is another than the server's late in the evening.
        admin.execute(
            "update operational.form set expires_on = (now() at time zone 'Europe/Berlin')::date + %s", [days]
        )
        ingest(server, "north", Asset.FORMS, uuid4())
        found += admin.execute("select status from clinic_north.raw_forms").fetchall()
    assert found == [("pending",), ("expired",)]


@pytest.mark.check(46)
def test_changes_of_one_clinic_touch_no_row_of_another(server: Server, full: Rows, admin: psycopg.Connection) -> None:
    everything(server)
    everything(server, "south")
    before = {table: full.raw("south", table, "xmin::text, ctid::text, *") for table in TABLES}
    for table in ("appointment", "form", "adherence", "registration"):
        admin.execute(
            f"update operational.{table} set version = version where clinic_id = %s",
            [full.clinic_id("north")],
        )
    assert all(done.rows_written for done in everything(server).values())
    assert {table: full.raw("south", table, "xmin::text, ctid::text, *") for table in TABLES} == before


@pytest.mark.check(13)
def test_consent_for_one_clinic_shows_nothing_to_the_other(server: Server, rows: Rows) -> None:
    person = rows.person()
    rows.patient("north", person)
    rows.patient("south", person, consent=False)
    for clinic in ("north", "south"):
        ingest(server, clinic, Asset.PATIENTS, uuid4())
    shown = "profile_shared, birth_date, allergies is not null"
    assert rows.raw("north", columns=shown) == [(True, date(1950, 1, 1), True)]
    assert rows.raw("south", columns=shown) == [(False, None, False)]


@pytest.mark.check(17)
@pytest.mark.parametrize(
    ("at", "expires"),
    [(timedelta(days=-2), timedelta(days=-1)), (timedelta(minutes=4), None)],
    ids=["expired", "not yet"],
)
def test_a_consent_out_of_its_time_shows_nothing(
    server: Server, rows: Rows, at: timedelta, expires: timedelta | None
) -> None:
    now = datetime.now(UTC)
    person = rows.person()
    rows.patient("north", person, consent=False)
    rows.consent("north", person, at=now + at, expires=now + expires if expires else None)
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert rows.raw("north", columns="profile_shared, birth_date") == [(False, None)]


def test_a_consent_that_runs_out_empties_the_profile_without_any_write(
    server: Server, rows: Rows, admin: psycopg.Connection
) -> None:
    person = rows.person()
    rows.patient("north", person, consent=False)
    rows.consent("north", person, expires=datetime.now(UTC) + timedelta(hours=1))
    ingest(server, "north", Asset.PATIENTS, uuid4())
    # The hour has passed: the table's counters stay as they are.
    admin.execute("alter table operational.consent disable trigger all")
    admin.execute("update operational.consent set expires_at = now() - interval '1 second'")
    assert ingest(server, "north", Asset.PATIENTS, uuid4()) == Loaded(1, 0, 1)
    assert rows.raw("north", columns="profile_shared, birth_date") == [(False, None)]


def test_signing_again_brings_the_profile_back(server: Server, rows: Rows) -> None:
    person = rows.person()
    rows.patient("north", person)
    rows.consent("north", person, "revoked")
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert rows.raw("north", columns="birth_date") == [(None,)]
    rows.consent("north", person)
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert rows.raw("north", columns="birth_date") == [(date(1950, 1, 1),)]


def test_what_was_signed_while_a_transaction_waited_for_the_clinic_is_signed(
    server: Server, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = rows.person_of(rows.patient("north", consent=False))
    load_one = load._load

    def sign_then_load(session: ClinicSession, source: Source) -> tuple[int, int, pl.Series]:
        rows.consent("north", person)
        return load_one(session, source)

    monkeypatch.setattr(load, "_load", sign_then_load)
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert rows.raw("north", columns="profile_shared, birth_date") == [(True, date(1950, 1, 1))]


def test_a_standing_tombstone_outweighs_a_consent(server: Server, rows: Rows, admin: psycopg.Connection) -> None:
    patient = rows.patient("north")
    admin.execute(
        "insert into operational.profile_tombstone (clinic_id, patient_id, revoked_at) values (%s, %s, now())",
        [rows.clinic_id("north"), patient],
    )
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert rows.raw("north", columns="profile_shared, birth_date") == [(False, None)]


@pytest.mark.check(48)
@pytest.mark.parametrize("loads_before", [0, 1])
def test_a_revocation_between_read_and_write_brings_nothing_back(
    server: Server,
    rows: Rows,
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    loads_before: int,
) -> None:
    patient = rows.patient("north")
    if loads_before:
        ingest(server, "north", Asset.PATIENTS, uuid4())
        admin.execute("update operational.person set version = version")
    check = Contract.check

    def revoke_then_check(self: Contract, frame: object) -> None:
        rows.consent("north", rows.person_of(patient), "revoked")
        check(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(Contract, "check", revoke_then_check)
    ingest(server, "north", Asset.PATIENTS, uuid4())
    assert rows.raw("north", columns="profile_shared, birth_date, sex") == [(False, None, None)]


@pytest.mark.check(42)
def test_a_killed_run_repeated_gives_the_same(
    server: Server,
    full: Rows,
    monkeypatch: pytest.MonkeyPatch,
    admin: psycopg.Connection,
) -> None:
    everything(server, "south")
    waiting = admin.execute("select count(*) from operational.outbox").fetchone()
    with monkeypatch.context() as patch:
        patch.setattr(load, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            ingest(server, "north", Asset.APPOINTMENTS, uuid4())
    assert full.raw("north", "raw_appointments") == []
    assert admin.execute("select count(*) from operational.outbox").fetchone() == waiting
    assert ingest(server, "north", Asset.APPOINTMENTS, uuid4()) == Loaded(4, 0, 4)


def test_the_outbox_is_emptied_for_that_clinic_and_asset(server: Server, full: Rows, admin: psycopg.Connection) -> None:
    ingest(server, "north", Asset.APPOINTMENTS, uuid4())
    left = admin.execute("select distinct clinic_id, entity from operational.outbox").fetchall()
    north, south = full.clinic_id("north"), full.clinic_id("south")
    assert (north, "appointment") not in left
    assert {(south, "appointment"), (north, "patient"), (north, "adherence")} <= set(left)


@pytest.mark.check(21)
def test_every_load_is_one_event_with_its_batch(server: Server, full: Rows, admin: psycopg.Connection) -> None:
    batch = uuid4()
    for asset in Asset:
        ingest(server, "north", asset, batch)
    events = admin.execute(
        "select resource_type, patients, clinic_id, role, decision from audit.access_event"
        " where action = 'pipeline.ingest' and batch_id = %s order by 1",
        [batch],
    ).fetchall()
    north = full.clinic_id("north")
    assert events == [(asset.value, 4, north, "pipeline", "permit") for asset in sorted(Asset)]
    resolved = admin.execute(
        "select b.asset, array_agg(b.patient_id order by b.patient_id) from audit.access_event as e"
        " inner join audit.batch_patient as b on b.event_id = e.event_id and b.occurred_at = e.occurred_at"
        " where e.batch_id = %s and b.clinic_id = %s group by 1 order by 1",
        [batch, north],
    ).fetchall()
    everybody = admin.execute(
        "select array_agg(patient_id order by patient_id) from operational.registration where clinic_id = %s", [north]
    ).fetchone()
    assert everybody and resolved == [(asset.value, everybody[0]) for asset in sorted(Asset)]
    again = uuid4()
    ingest(server, "north", Asset.PATIENTS, again)
    nobody = admin.execute(
        "select patients, (select count(*) from audit.batch_patient as b where b.event_id = e.event_id)"
        " from audit.access_event as e where batch_id = %s", [again]
    ).fetchall()  # fmt: skip
    assert nobody == [(0, 0)]


@pytest.mark.check(29)
def test_a_refused_row_is_named_by_its_rule_alone(server: Server, full: Rows, admin: psycopg.Connection) -> None:
    admin.execute("alter table clinic_north.raw_patients add constraint no_canary check (name !~ 'Zyx')")
    with pytest.raises(ClinicFailed) as failure:
        ingest(server, "north", Asset.PATIENTS, uuid4())
    assert "no_canary" in str(failure.value) and "23514" in str(failure.value)
    assert "Zyx" not in repr(failure.value) and failure.value.__suppress_context__


def test_a_huge_clinic_is_loaded_in_slices(server: Server, full: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "FRAME_PATIENTS", 2)
    sizes: list[int] = []
    check = Contract.check

    def measure(self: Contract, frame: object) -> None:
        sizes.append(len(frame))  # type: ignore[arg-type]
        check(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(Contract, "check", measure)
    assert ingest(server, "north", Asset.ADHERENCE, uuid4()).rows_written == 8
    assert len(sizes) == 2 and sum(sizes) == 8


def test_one_connection_serves_many_clinics(server: Server, full: Rows) -> None:
    with connect_arrow(server) as connection:
        for clinic in ("north", "south"):
            assert ingest(server, clinic, Asset.PATIENTS, uuid4(), connection=connection).rows_written == 4
    assert set(full.raw("north", columns="patient_id")).isdisjoint(full.raw("south", columns="patient_id"))
