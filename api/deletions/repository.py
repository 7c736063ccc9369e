"""Marks on records of one clinic: deleted by whom and why, and not deleted any more."""

from uuid import UUID

from psycopg import sql

from api.deletions.schemas import RecordKind
from api.gateway import Work
from infra.errors import NotThere
from policies.words import DeletionReason

# Table, id, and whether it is hidden from guardians.
_PLACES = {
    RecordKind.REGISTRATION: (
        sql.Identifier("operational", "registration"), sql.Identifier("patient_id"), sql.SQL("false"),
    ),
    RecordKind.APPOINTMENT: (
        sql.Identifier("operational", "appointment"), sql.Identifier("appointment_id"), sql.SQL("confidential"),
    ),
}  # fmt: skip
_MARK = sql.SQL("""
update {} set deleted_at = clock_timestamp(), deleted_by = %(by)s, delete_reason = %(reason)s
where clinic_id = %(clinic_id)s and {} = %(record)s and deleted_at is null
returning patient_id, {} as confidential""")
_UNMARK = sql.SQL("""
update {} set deleted_at = null, deleted_by = null, delete_reason = null
where clinic_id = %(clinic_id)s and {} = %(record)s and deleted_at is not null
returning patient_id, {} as confidential""")


async def mark(work: Work, clinic_id: int, kind: RecordKind, record: UUID | None, reason: DeletionReason) -> None:
    """Mark a record as deleted, and record of which patient.

    Raises:
        NotThere: no such record of the clinic, or it is deleted.
    """
    by = work.caller.principal.principal_id
    statement = _MARK.format(*_PLACES[kind])
    rows = await work.run(statement, clinic_id=clinic_id, record=record, by=by, reason=reason.value)
    if not rows:
        raise NotThere("no such thing")
    await work.record(rows[0]["patient_id"], confidential=rows[0]["confidential"])


async def unmark(work: Work, clinic_id: int, kind: RecordKind, record: UUID | None) -> None:
    """Take the mark away, and record of which patient.

    Raises:
        NotThere: no such record of the clinic, or it is not deleted.
    """
    rows = await work.run(_UNMARK.format(*_PLACES[kind]), clinic_id=clinic_id, record=record)
    if not rows:
        raise NotThere("no such thing")
    await work.record(rows[0]["patient_id"], confidential=rows[0]["confidential"])
