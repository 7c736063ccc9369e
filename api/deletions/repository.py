"""Marks on records of one clinic: deleted by whom and why, and not deleted any more."""

from uuid import UUID

from psycopg import sql

from api.deletions.schemas import RecordKind
from api.gateway import Work
from api.merges.repository import MERGED
from api.plans.repository import NEVER_BEGAN
from infra.errors import NotThere, Refused
from policies.words import DeletionReason

# Table, id, and whether it is hidden from guardians.
_PLACES = {
    kind: (sql.Identifier("operational", table), sql.Identifier(key), sql.SQL(hidden))
    for kind, table, key, hidden in (
        (RecordKind.REGISTRATION, "registration", "patient_id", "false"),
        (RecordKind.APPOINTMENT, "appointment", "appointment_id", "confidential"),
        (RecordKind.FORM, "form", "form_id", "confidential"),
        (RecordKind.PLAN, "treatment_plan", "plan_id", "confidential"),
        (RecordKind.BROUGHT_RECORD, "brought_record", "brought_id", "confidential"),
    )
}
# What has come in the place of what was deleted.
_TAKEN = {RecordKind.APPOINTMENT: "double_booked", RecordKind.FORM: "assigned_again"}
_MARK = sql.SQL("""
update {} set deleted_at = clock_timestamp(), deleted_by = %(by)s, delete_reason = %(reason)s
where clinic_id = %(clinic_id)s and {} = %(record)s and deleted_at is null
returning patient_id, {} as confidential""")
_UNMARK = sql.SQL("""
update {} set deleted_at = null, deleted_by = null, delete_reason = null
where
    clinic_id = %(clinic_id)s and {} = %(record)s and deleted_at is not null
    and coalesce(delete_reason, '') <> all(%(closed)s)
returning patient_id, {} as confidential""")
# What stands only with a registration that does: an appointment would keep its time taken where nobody sees it.
_OF_A_PATIENT = {RecordKind.REGISTRATION, RecordKind.APPOINTMENT}
# Whoever deletes the registration looks for its appointments when it is theirs: this waits, or is found.
_HOLD_PATIENT = sql.SQL("""
select r.patient_id from operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
where a.clinic_id = %(clinic_id)s and a.appointment_id = %(record)s for no key update of r""")
# Seen only once the registration is there again.
_IS_THERE = sql.SQL("""
select r.patient_id from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
where r.clinic_id = %(clinic_id)s and r.patient_id = %(patient)s""")


async def mark(work: Work, clinic_id: int, kind: RecordKind, record: UUID | None, reason: DeletionReason) -> UUID:
    """Mark a record as deleted, and record of which patient; their id.

    Raises:
        NotThere: no such record of the clinic, or it is deleted.
    """
    by = work.caller.principal.principal_id
    statement = _MARK.format(*_PLACES[kind])
    rows = await work.run(statement, clinic_id=clinic_id, record=record, by=by, reason=reason.value)
    if not rows:
        raise NotThere("no such thing")
    patient: UUID = rows[0]["patient_id"]
    await work.record(patient, confidential=rows[0]["confidential"])
    return patient


async def unmark(work: Work, clinic_id: int, kind: RecordKind, record: UUID | None) -> UUID:
    """Take the mark away, and record of which patient; their id.

    Raises:
        NotThere: no such record of the clinic, or it is not deleted; of a merge, or of a person who is deleted; an
            appointment of a registration that is; a plan that its specialist ended before it began.
        Refused: specialist or patient has another appointment at the time of this one, or the form was assigned again.
    """
    if kind is RecordKind.APPOINTMENT:
        await work.run(_HOLD_PATIENT, clinic_id=clinic_id, record=record)
    conflict = Refused("another is in its place", place="path.record", rule=_TAKEN.get(kind, "not_alone"))
    statement = _UNMARK.format(*_PLACES[kind])
    rows = await work.run(
        statement, conflict=conflict, clinic_id=clinic_id, record=record, closed=[MERGED, NEVER_BEGAN]
    )
    if not rows:
        raise NotThere("no such thing")
    patient: UUID = rows[0]["patient_id"]
    if kind in _OF_A_PATIENT and not await work.run(_IS_THERE, clinic_id=clinic_id, patient=patient):
        raise NotThere("no such thing")
    await work.record(patient, confidential=rows[0]["confidential"])
    return patient
