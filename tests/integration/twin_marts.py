"""What twins must have alike: all where both looked at the same moments, else what no look in between moves."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
from operational_rows import Rows

from infra.audit_tree.keys import RECEIPTS_FILE, AuditKeys
from infra.database import Server, clinic_transaction, connect, lock_clinic
from infra.roles import ClinicKind, Login
from orchestration import programs
from orchestration.live.report import refresh_report
from orchestration.reevaluate import Changes, reevaluate
from policies.consent_receipt import STREAM, Receipt
from policies.segments.reconcile import compile_program
from tests.integration.live_twins import RAW, TWINS, feed, noted

Found = list[tuple[Any, ...]]
NEVER = date.max
# Whatever looked at a clinic, and how often.
ALWAYS = {
    "members": "select s.slug, m.patient_id from {c}.segment_member as m inner join {c}.segment as s using (segment_id)"
    " where m.left_at is null order by 1, 2",
    "segments": "select s.slug, s.version, s.profile_dependent, s.archived_at is null, k.version, k.profile_dependent,"
    " k.rules in ('', 'again'), b.version, b.sqlstate from {c}.segment as s left join {c}.segment_state as k"
    " using (segment_id) left join {c}.segment_broken as b using (segment_id) order by 1",
    "day": "select as_of from {c}.segment_clock",
    "left open": "select patient_id from operational.consent_propagation where done_at is null"
    " union all select patient_id from {c}.withdrawal union all select patient_id from operational.outbox"
    " union all select patient_id from {c}.dead_change",
    # Who shares no profile has nothing in the clinic that it told until then.
    "told": "select s.slug, t.patient_id, t.entered_by from {c}.segment_stay as t"
    " inner join {c}.segment as s using (segment_id) left join {c}.raw_patients as r on r.patient_id = t.patient_id"
    " cross join lateral (select max(p.since) as at from operational.consent_propagation as p"
    " inner join operational.clinic as k using (clinic_id)"
    " where 'clinic_' || k.slug = '{c}' and p.patient_id = t.patient_id and p.kind <> 'signed') as ended"
    " where not coalesce(r.profile_shared, false) and t.entered_at < ended.at and exists ("
    " select from {c}.segment_version as v where v.segment_id = t.segment_id and v.created_at < ended.at"
    " and v.version between t.version and coalesce(t.left_version, v.version) and v.rule::text ~ '\"(age|sex)\"')",
}
EMPTY = ("left open", "told")
OF_MOMENTS = {
    "withdrawn": "select s.slug, w.patient_id, w.entered_by, w.version, w.fires_in, w.left_by, w.left_version,"
    " w.fires_out from audit.withdrawn_stay as w inner join operational.clinic as k using (clinic_id)"
    " inner join {c}.segment as s using (segment_id) where 'clinic_' || k.slug = '{c}'"
    " order by 1, 2, w.entered_run",
}
REPORT = (
    "select s.slug, r.dimension, r.bucket, r.patients from {c}.segment_report as r"
    " inner join {c}.segment as s using (segment_id) order by 1, 2, 3"
)


def assert_alike(at: Server, rows: Rows, day: date, *, moments: bool, told: str) -> None:
    """`moments` says whether both clinics were always brought up to date at the same ones."""
    for table in RAW:
        north, south = rows.raw("north", table), rows.raw("south", table)
        assert north == south, (table, told, *differing(north, south))
    assert noted(rows, "north") == noted(rows, "south") == [], told
    for name, query in ALWAYS.items():
        north, south = both(rows, query)
        assert north == south, (name, told, *differing(north, south))
        assert name not in EMPTY or north == [], (name, told)
    if moments:
        north, south = feed(rows, "north"), feed(rows, "south")
        assert north == south, (told, *differing(north, south))
        for name, query in OF_MOMENTS.items():
            north, south = both(rows, query)
            assert north == south, (name, told, *differing(north, south))
        north, south = receipts(at, rows, "north"), receipts(at, rows, "south")
        assert north == south, (told, *differing(north, south))
    for clinic in TWINS:
        assert_in_order(rows, clinic, told)
    assert_worked_out(at, rows, day, told)


def both(rows: Rows, query: str) -> tuple[Found, Found]:
    north, south = (rows.admin.execute(query.replace("{c}", f"clinic_{clinic}")).fetchall() for clinic in TWINS)
    return north, south


def differing(north: Found, south: Found) -> tuple[Found, Found]:
    """What only one of them has."""
    return [row for row in north if row not in south], [row for row in south if row not in north]


def receipts(at: Server, rows: Rows, clinic: str) -> Found:
    """Of each patient what became of which consent, in the order of the events."""
    known = AuditKeys.load(at.secrets_folder, RECEIPTS_FILE).verifiers(STREAM)
    found = rows.admin.execute(
        "select r.note from audit.consent_receipt as r inner join operational.consent_propagation as p"
        " using (propagation_id) where r.clinic_id = %s order by p.patient_id, p.since, p.kind",
        [rows.clinic_id(clinic)],
    ).fetchall()
    opened = [Receipt.open(note, known) for (note,) in found]
    return [(receipt.patient_id, receipt.kind, receipt.outcome, set(receipt.places)) for receipt in opened]


def assert_in_order(rows: Rows, clinic: str, told: str) -> None:
    """Whoever follows the feed of a clinic from its beginning has its members."""
    there: set[tuple[str, UUID]] = set()
    for slug, patient, kind, *_ in feed(rows, clinic):
        assert ((slug, patient) in there) is (kind == "left") or kind == "forget", (clinic, slug, patient, told)
        (there.add if kind == "entered" else there.discard)((slug, patient))
    members = rows.admin.execute(ALWAYS["members"].replace("{c}", f"clinic_{clinic}")).fetchall()
    assert there == set(members), (clinic, told)


def assert_worked_out(at: Server, rows: Rows, day: date, told: str) -> None:
    """A day on which somebody's memberships flip is never told late; and nothing is left to be evaluated."""
    with connect(Login.PIPELINE, at=at) as connection:
        exact = {clinic: _evaluated_anew(at, connection, rows, clinic, day) for clinic in TWINS}
    (north, before, given, report), (south, by_build, given_south, report_south) = exact["north"], exact["south"]
    assert north == south == given == given_south, told
    for patient in {*before, *by_build, *north}:
        assert before.get(patient, NEVER) <= north.get(patient, NEVER), (patient, told)
        # A build does not work them out: while it says so, everybody is due on the next day.
        if rows.raw("south", "segment_clock", "flips_known") == [(True,)]:
            assert by_build.get(patient, NEVER) <= north.get(patient, NEVER), (patient, told)
    assert report == report_south, (told, *differing(report, report_south))


def _evaluated_anew(
    at: Server, connection: psycopg.Connection, rows: Rows, clinic: str, day: date
) -> tuple[dict[UUID, date], dict[UUID, date], dict[UUID, date], Found]:
    """Flip days as a run over everybody has them, as they are kept, and as one over given patients has them; and what
    segments are made up of. All that it writes is undone."""
    now = datetime.now(UTC)
    with clinic_transaction(connection, at.roles, clinic, ClinicKind.BUILDER):
        lock_clinic(connection, clinic)
        kept: dict[UUID, date] = dict(connection.execute("select patient_id, flips_on from patient_flip").fetchall())
        patients = [patient for (patient,) in connection.execute("select patient_id from raw_patients")]
        sound = programs.sound_segments(connection)
        done = programs.evaluate(connection, compile_program(sound, flips=True), day, now)
        assert done == (0, 0), clinic
        exact: dict[UUID, date] = dict(connection.execute("select patient_id, flips_on from patient_flip").fetchall())
        done_again = reevaluate(connection, clinic, compile_program(sound, given=True), patients, day, now)
        assert done_again == Changes(0, 0), clinic
        given: dict[UUID, date] = dict(connection.execute("select patient_id, flips_on from patient_flip").fetchall())
        refresh_report(connection, clinic, [each for (each,) in connection.execute("select segment_id from segment")])
        report = connection.execute(REPORT.replace("{c}.", "")).fetchall()
        raise psycopg.Rollback()
    return exact, kept, given, report
