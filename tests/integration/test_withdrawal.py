"""Who withdraws is taken out of the clinic's mart whole, once, whoever is killed or late; and gets a receipt for it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from access_world import DELETED, logging
from operational_rows import CANARY, Rows
from psycopg.types.json import Jsonb

from infra.audit_tree.keys import RECEIPTS_FILE, AuditKeys
from infra.database import Server, clinic_transaction, connect, connect_admin, lock_clinic
from infra.roles import ClinicKind, Login
from infra.segments import add_segments
from orchestration.clinics import ClinicDay
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from orchestration.live.attend import retry
from orchestration.live.lane import open_lane
from orchestration.live.reconcile_consents import reconcile_consents
from orchestration.live.report import refresh_report
from orchestration.programs import active_segments
from policies.consent_receipt import STREAM, Outcome, Place, PropagationKind, Receipt
from policies.segments.definition import parse_segments
from policies.segments.reconcile import compile_program
from tests.integration.gate import hanging
from tests.integration.test_crash import kill_at_gate

AS_OF = date(2026, 3, 4)
OLD = {"measure": "age", "op": ">", "value": 65}
SEEN = {"measure": "appointments.count", "op": ">=", "value": 1}
RULES = {"old": OLD, "frail": {"in_segment": "old"}, "either": {"any": [OLD, SEEN]}, "seen": SEEN}
BIRTH = date(1931, 5, 17)


@pytest.fixture(scope="module")
def rows(module_server: Server) -> Iterator[Rows]:
    definitions = json.dumps([{"slug": slug, "name": slug, "rule": rule} for slug, rule in RULES.items()])
    add_segments(module_server, ["north", "south"], parse_segments(definitions))
    with connect_admin(module_server) as admin:
        yield Rows(admin)


def build(at: Server, clinic: str = "north") -> None:
    """What a build does to members: rows loaded, all segments evaluated, reports made."""
    for asset in (Asset.PATIENTS, Asset.APPOINTMENTS):
        ingest(at, clinic, asset, uuid4())
    with (
        connect(Login.PIPELINE, at=at) as connection,
        clinic_transaction(connection, at.roles, clinic, ClinicKind.BUILDER),
    ):
        evaluate(connection, clinic)


def evaluate(connection: psycopg.Connection, clinic: str = "north") -> None:
    segments = active_segments(connection)
    program = compile_program(segments)
    values = [AS_OF, datetime.now(UTC), Jsonb(program.parameters)]
    psycopg.RawCursor(connection).execute(program.statement, values)
    refresh_report(connection, clinic, [segment.segment_id for segment in segments])


def finish(at: Server, *clinics: str) -> None:
    reconcile_consents(at, [ClinicDay(clinic, AS_OF) for clinic in clinics or ("north",)])


def seen_patient(rows: Rows, clinic: str = "north", person: UUID | None = None, **consent: Any) -> UUID:
    """An old patient with a visit, who shares the profile."""
    patient = rows.patient(clinic, person, consent=False, birth_date=BIRTH)
    rows.consent(clinic, rows.person_of(patient), **consent)
    rows.appointment(clinic, patient, date(2026, 1, 5))
    return patient


def feed(rows: Rows, patient: UUID, clinic: str = "north") -> dict[str, list[str]]:
    """What the feed of each segment tells of a patient, in its order, with the cause."""
    found = rows.admin.execute(
        f"select s.slug, array_agg(c.kind || ' ' || c.cause order by c.run) from clinic_{clinic}.segment_change as c"
        f" inner join clinic_{clinic}.segment as s using (segment_id) where patient_id = %s group by 1",
        [patient],
    ).fetchall()
    return dict(found)


def members(rows: Rows, patient: UUID, clinic: str = "north") -> set[str]:
    found = rows.admin.execute(
        f"select s.slug from clinic_{clinic}.segment_member as m inner join clinic_{clinic}.segment as s"
        " using (segment_id) where patient_id = %s and left_at is null",
        [patient],
    ).fetchall()
    return {row[0] for row in found}


def receipts(rows: Rows, at: Server, patient: UUID) -> list[Receipt]:
    """A patient's receipts, verified, in the order of their events."""
    known = AuditKeys.load(at.secrets_folder, RECEIPTS_FILE).verifiers(STREAM)
    return [Receipt.open(note, known) for note in receipts_of(rows, patient)]


def receipts_of(rows: Rows, patient: UUID) -> list[str]:
    found = rows.admin.execute(
        "select r.note from audit.consent_receipt as r inner join operational.consent_propagation as p"
        " using (propagation_id) where r.patient_id = %s order by p.since",
        [patient],
    ).fetchall()
    return [note for (note,) in found]


def words(rows: Rows, at: Server, patient: UUID) -> list[tuple[str, str]]:
    return [(receipt.kind.value, receipt.outcome.value) for receipt in receipts(rows, at, patient)]


def waiting(rows: Rows) -> int:
    row = rows.admin.execute(
        "select (select count(*) from operational.consent_propagation where done_at is null)"
        " + (select count(*) from clinic_north.withdrawal)"
    ).fetchone()
    assert row
    return int(row[0])


CLEAN = {
    "old": ["forget consent"],
    "frail": ["forget consent"],
    "either": ["forget consent", "entered consent"],
}


def clean(rows: Rows, patient: UUID) -> bool:
    """Nothing of the profile in the mart, and what the feed still tells."""
    shared = rows.admin.execute(
        "select profile_shared or birth_date is not null from clinic_north.raw_patients where patient_id = %s",
        [patient],
    ).fetchone()
    told = feed(rows, patient)
    seen = told.pop("seen")
    return shared == (False,) and told == CLEAN and len(seen) == 1 and members(rows, patient) == {"either", "seen"}


@pytest.mark.check(16)
@pytest.mark.check(46)
@pytest.mark.check(49)
def test_a_revocation_takes_out_what_the_profile_told_and_nothing_else(rows: Rows, module_server: Server) -> None:
    patient = seen_patient(rows)
    there = seen_patient(rows, "south", rows.person_of(patient))
    build(module_server)
    build(module_server, "south")
    assert members(rows, patient) == set(RULES) == members(rows, there, "south")
    before = rows.raw("south", "raw_patients"), rows.raw("south", "segment_member"), rows.raw("south", "segment_clock")
    rows.consent("north", rows.person_of(patient), "revoked")
    finish(module_server, "north", "south")
    assert clean(rows, patient)
    assert before == (
        rows.raw("south", "raw_patients"), rows.raw("south", "segment_member"), rows.raw("south", "segment_clock"),
    )  # fmt: skip
    kept = rows.admin.execute(
        "select entered_by, left_by from audit.withdrawn_stay where patient_id = %s", [patient]
    ).fetchall()
    assert sorted(kept, key=repr) == [("rule", "consent"), ("rule", "consent"), ("rule", None)]
    buckets = rows.admin.execute(
        "select distinct dimension, bucket from clinic_north.segment_report where dimension in ('age', 'sex')"
    ).fetchall()
    assert set(buckets) == {("age", "unknown"), ("sex", "unknown")}
    signed, revoked = receipts(rows, module_server, patient)
    assert (signed.kind, signed.outcome) == (PropagationKind.SIGNED, Outcome.SUPERSEDED)
    assert (revoked.kind, revoked.outcome, revoked.clinic) == (PropagationKind.REVOKED, Outcome.DONE, "north")
    assert set(revoked.places) == set(Place) and revoked.patient_id == patient and revoked.lag_ms >= 0
    everything = words(rows, module_server, patient), feed(rows, patient)
    finish(module_server, "north", "south")
    assert everything == (words(rows, module_server, patient), feed(rows, patient)) and waiting(rows) == 0
    named = rows.admin.execute(
        "select count(*) from audit.batch_patient as b inner join audit.access_event as e using (event_id)"
        " where e.action = 'consent.propagate' and b.patient_id = %s",
        [patient],
    ).fetchone()
    assert named == (1,)


@pytest.mark.check(49)
def test_a_build_that_came_first_leaves_the_rest_to_be_finished(rows: Rows, module_server: Server) -> None:
    patient = seen_patient(rows)
    build(module_server)
    rows.consent("north", rows.person_of(patient), "revoked")
    build(module_server)
    assert feed(rows, patient)["old"] == ["entered data", "left consent"]
    assert rows.raw("north", "withdrawal", "patient_id") == [(patient,)]
    finish(module_server)
    assert clean(rows, patient) and waiting(rows) == 0
    # And again, after a second signature: the feed forgets once.
    rows.consent("north", rows.person_of(patient))
    build(module_server)
    finish(module_server)
    assert members(rows, patient) == set(RULES)
    assert feed(rows, patient)["old"] == ["forget consent", "entered consent"]
    rows.consent("north", rows.person_of(patient), "revoked")
    finish(module_server)
    assert clean(rows, patient)
    assert words(rows, module_server, patient)[-3:] == [("revoked", "done"), ("signed", "done"), ("revoked", "done")]


@pytest.mark.check(48)
def test_an_evaluation_begun_before_a_revocation_and_committed_after_it_leaves_nothing(
    rows: Rows, module_server: Server
) -> None:
    build(module_server)
    patient = seen_patient(rows)
    for asset in (Asset.PATIENTS, Asset.APPOINTMENTS):
        ingest(module_server, "north", asset, uuid4())
    with (
        connect(Login.PIPELINE, at=module_server) as late,
        clinic_transaction(late, module_server.roles, "north", ClinicKind.BUILDER),
    ):
        lock_clinic(late, "north")
        evaluate(late)
        rows.consent("north", rows.person_of(patient), "revoked")
    assert members(rows, patient) == set(RULES)
    finish(module_server)
    assert clean(rows, patient)


@pytest.mark.check(16)
@pytest.mark.parametrize(
    ("events", "there", "told"),
    [
        (["revoked", "signed"], True, [("revoked", "superseded"), ("signed", "done")]),
        (["revoked", "signed", "revoked"], False,
         [("revoked", "done"), ("signed", "superseded"), ("revoked", "done")]),
    ],
)  # fmt: skip
def test_events_close_together_end_as_the_last_one_says(
    rows: Rows, module_server: Server, events: list[str], there: bool, told: list[tuple[str, str]]
) -> None:
    patient = seen_patient(rows)
    build(module_server)
    finish(module_server)
    for kind in events:
        rows.consent("north", rows.person_of(patient), kind)
    finish(module_server)
    assert words(rows, module_server, patient) == [("signed", "done"), *told]
    if there:
        # What stood before the revocation is gone all the same.
        assert members(rows, patient) == set(RULES)
        assert feed(rows, patient)["old"] == ["forget consent", "entered consent"]
    else:
        assert clean(rows, patient)


@pytest.mark.check(16)
@pytest.mark.check(17)
def test_a_consent_that_runs_out_is_taken_out_like_a_revoked_one(rows: Rows, module_server: Server) -> None:
    patient = seen_patient(rows, expires=datetime.now(UTC) + timedelta(days=1))
    build(module_server)
    finish(module_server)
    assert "old" in members(rows, patient)
    over = datetime.now(UTC) - timedelta(minutes=1)
    rows.admin.execute(
        "update operational.consent set expires_at = %s where person_id = %s", [over, rows.person_of(patient)]
    )
    rows.admin.execute("update clinic_north.raw_patients set profile_until = %s where patient_id = %s", [over, patient])
    finish(module_server)
    assert clean(rows, patient)
    assert set(words(rows, module_server, patient)) == {("signed", "done"), ("expired", "done")}
    finish(module_server)
    assert len(receipts(rows, module_server, patient)) == 2


@pytest.mark.check(16)
@pytest.mark.check(49)
@pytest.mark.parametrize(
    ("late", "told"),
    [("consent", [("signed", "done"), ("expired", "superseded"), ("signed", "done")]),
     ("mart", [("signed", "done"), ("signed", "done")])],
)  # fmt: skip
def test_of_who_signs_again_after_the_end_what_stood_before_is_gone_all_the_same(
    rows: Rows, module_server: Server, late: str, told: list[tuple[str, str]]
) -> None:
    """By the consent; or by the mart alone, which nobody has brought up to date since a signature before the end."""
    patient = seen_patient(rows, expires=datetime.now(UTC) + timedelta(days=1))
    build(module_server)
    finish(module_server)
    over = datetime.now(UTC) - timedelta(minutes=1)
    rows.admin.execute("update clinic_north.raw_patients set profile_until = %s where patient_id = %s", [over, patient])
    if late == "consent":
        rows.admin.execute(
            "update operational.consent set expires_at = %s where person_id = %s", [over, rows.person_of(patient)]
        )
    rows.consent("north", rows.person_of(patient))
    finish(module_server)
    assert members(rows, patient) == set(RULES) and waiting(rows) == 0
    assert feed(rows, patient)["old"] == ["forget consent", "entered consent"]
    assert words(rows, module_server, patient) == told


@pytest.mark.check(34)
@pytest.mark.parametrize("table", ["person", "registration"])
def test_who_was_deleted_is_taken_out_whole(rows: Rows, module_server: Server, table: str) -> None:
    patient = seen_patient(rows)
    build(module_server)
    finish(module_server)
    rows.admin.execute(f"update operational.{table} set {DELETED} where person_id = %s", [rows.person_of(patient)])
    finish(module_server)
    told = feed(rows, patient)
    assert {slug: told[slug][0] for slug in ("old", "frail", "either")} == dict.fromkeys(
        ("old", "frail", "either"), "forget consent"
    )
    assert words(rows, module_server, patient) == [("signed", "done"), ("deleted", "done")]
    assert not [row for row in rows.raw("north", "raw_patients", "patient_id") if row == (patient,)]


@pytest.mark.check(47)
@pytest.mark.parametrize(
    ("schema", "table", "verb"),
    [
        ("clinic_north", "raw_patients", "update"),
        ("clinic_north", "segment_forget", "insert"),
        ("operational", "consent_propagation", "update"),
    ],
)
def test_killed_at_any_step_nothing_is_half_done_and_the_next_one_finishes(
    rows: Rows, module_server: Server, schema: str, table: str, verb: str
) -> None:
    patient = seen_patient(rows)
    build(module_server)
    finish(module_server)
    rows.consent("north", rows.person_of(patient), "revoked")
    before = feed(rows, patient)
    with hanging(rows.admin, schema, table, "true", verb):
        kill_at_gate(rows.admin, finish, module_server)
    assert feed(rows, patient) == before and words(rows, module_server, patient) == [("signed", "done")]
    finish(module_server)
    assert clean(rows, patient)
    assert words(rows, module_server, patient) == [("signed", "done"), ("revoked", "done")]


@pytest.mark.check(47)
def test_two_at_once_finish_everything_once(rows: Rows, module_server: Server) -> None:
    patients = [seen_patient(rows) for _ in range(12)]
    build(module_server)
    finish(module_server)
    for patient in patients:
        rows.consent("north", rows.person_of(patient), "revoked")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: finish(module_server), range(2)))
    assert all(len(receipts(rows, module_server, patient)) == 2 for patient in patients)
    assert all(clean(rows, patient) for patient in patients) and waiting(rows) == 0


def test_a_row_that_the_database_refuses_holds_up_nobody_else(rows: Rows, module_server: Server) -> None:
    good, bad = seen_patient(rows), seen_patient(rows)
    build(module_server)
    finish(module_server)
    rows.admin.execute(
        f"alter table clinic_north.raw_patients add constraint bad check (patient_id <> '{bad}') not valid"
    )
    for patient in (bad, good):
        rows.consent("north", rows.person_of(patient), "revoked")
    finish(module_server)
    assert clean(rows, good) and not clean(rows, bad)
    rows.admin.execute("alter table clinic_north.raw_patients drop constraint bad")
    with open_lane(module_server) as lane:
        assert retry(lane, ClinicDay("north", AS_OF)) == (1, 0)
    assert clean(rows, bad)


def test_without_its_keyring_the_receipt_alone_waits(
    rows: Rows, module_server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    patient = seen_patient(rows)
    build(module_server)
    finish(module_server)
    rows.consent("north", rows.person_of(patient), "revoked")
    keyring = module_server.secrets_folder / RECEIPTS_FILE
    away = keyring.rename(keyring.with_suffix(".away"))
    try:
        with logging():
            finish(module_server)
        assert clean(rows, patient) and len(receipts_of(rows, patient)) == 1
    finally:
        away.rename(keyring)
    assert "receipts wait to be signed" in "".join(capfd.readouterr())
    finish(module_server)
    assert clean(rows, patient) and words(rows, module_server, patient) == [("signed", "done"), ("revoked", "done")]


@pytest.mark.check(51)
def test_neither_receipts_nor_what_waits_hold_a_value_of_a_profile(rows: Rows, module_server: Server) -> None:
    for table in (
        "operational.consent_propagation", "operational.outbox", "audit.consent_receipt", "audit.withdrawn_stay",
        "audit.access_event", "clinic_north.segment_forget", "clinic_north.withdrawal",
    ):  # fmt: skip
        for (text,) in rows.admin.execute(f"select to_jsonb(t)::text from {table} as t"):
            assert CANARY not in text and str(BIRTH) not in text, table


@pytest.mark.check(49)
@pytest.mark.parametrize(("login", "kind"), [(Login.SERVICE, ClinicKind.READER), (Login.PIPELINE, ClinicKind.BUILDER)])
def test_no_role_of_a_clinic_reads_what_was_taken_out(module_server: Server, login: Login, kind: ClinicKind) -> None:
    with (
        connect(login, at=module_server) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        clinic_transaction(connection, module_server.roles, "north", kind),
    ):
        connection.execute("select 1 from audit.withdrawn_stay")
