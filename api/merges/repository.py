"""Doubtful registrations in the database, in the context of their clinic."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api.families import repository as families
from api.gateway import Grant, Work
from api.verifications import people_repository as people
from infra.errors import NotThere, Refused

MOST = 200
# Every table whose rows are a patient's at a clinic; a test compares it with the catalogue.
MOVED = (
    "appointment",
    "form",
    "form_answer",
    "treatment_plan",
    "adherence",
    "exercise",
    "exercise_done",
    "patient_source",
    "message_refusal",
    "brought_record",
)
MERGED = "merged with another registration"

_CASES = sql.SQL("""
select c.case_id, c.opened_at, s.side, r.patient_id, p.name, r.registered_on
from (
    select * from operational.merge_case
    where clinic_id = %(clinic)s and decision is null order by opened_at, case_id limit %(most)s
) as c
cross join lateral (values ('kept', c.kept_patient_id), ('other', c.other_patient_id)) as s (side, patient_id)
inner join operational.registration as r on r.clinic_id = c.clinic_id and r.patient_id = s.patient_id
left join operational.person as p on p.person_id = r.person_id""")
_CLOSE = sql.SQL("""
update operational.merge_case
set decision = %(decision)s, decided_at = statement_timestamp(), decided_by = %(by)s
where clinic_id = %(clinic)s and case_id = %(case)s and decision is null
returning case_id, kept_patient_id, other_patient_id""")
# Of two forms for one occasion, such as the registration, each stays; one of them for none.
_FREE = sql.SQL("""
update operational.form as f set occasion = null
where f.clinic_id = %(clinic)s and f.patient_id = %(other)s and exists (
    select from operational.form as k
    where k.clinic_id = f.clinic_id and k.patient_id = %(kept)s and k.template = f.template
        and k.occasion = f.occasion and k.deleted_at is null
)""")
_MOVE = sql.SQL("""
update operational.{} set patient_id = %(kept)s where clinic_id = %(clinic)s and patient_id = %(other)s""")
# What waits to be told, or to be tried again, is the kept patient's to hear, at that account; but no campaign twice.
_MOVE_MESSAGES = sql.SQL("""
update operational.message as m
set patient_id = r.patient_id, person_id = r.person_id,
    about_id = case when m.about_id = %(other)s then r.patient_id else m.about_id end
from operational.registration as r
where r.clinic_id = %(clinic)s and r.patient_id = %(kept)s and m.clinic_id = %(clinic)s and m.patient_id = %(other)s
    and m.state in ('pending', 'dead') and m.copied_from is null and not exists (
        select from operational.message as k
        where m.kind = 'campaign' and k.kind = 'campaign' and k.about_id = m.about_id and k.patient_id = %(kept)s
    )""")
_KEPT = sql.SQL("""
select person_id from operational.registration where clinic_id = %(clinic)s and patient_id = %(kept)s""")
# Who adds a record to it meanwhile comes before, or finds it deleted.
_HOLD = sql.SQL("""
select from operational.registration where clinic_id = %(clinic)s and patient_id = %(other)s for update""")
_REVIVE = sql.SQL("""
update operational.registration set deleted_at = null, deleted_by = null, delete_reason = null
where clinic_id = %(clinic)s and patient_id = %(kept)s and deleted_at is not null""")
_DELETE = sql.SQL("""
update operational.registration
set deleted_at = statement_timestamp(), deleted_by = %(by)s, delete_reason = %(reason)s
where clinic_id = %(clinic)s and patient_id = %(other)s
returning person_id""")


async def cases(grant: Grant) -> list[dict[str, Any]]:
    """The clinic's open cases, a row for each of the two registrations."""
    order = sql.SQL("opened_at, case_id, side")
    return await grant.disclose(_CASES, order, clinic=_clinic(grant), most=MOST)


async def close(work: Work, case_id: UUID | None, decision: str) -> dict[str, Any]:
    """Decide a case, once.

    Raises:
        NotThere: no such case at this clinic, or it is decided.
    """
    by = work.caller.principal.principal_id
    rows = await work.run(_CLOSE, clinic=_clinic(work), case=case_id, decision=decision, by=by)
    if not rows:
        raise NotThere("no such case")
    return rows[0]


async def merge(work: Work, kept: UUID, other: UUID) -> None:
    """Make the records of one registration the other's, and mark it as deleted.

    Raises:
        Refused: the two have records that cannot both be one patient's; or the person of the one that stays is deleted,
            such as a child who went with the last guardian: nobody would see the records any more.
    """
    conflict = Refused("records that cannot be one patient's", place="case", rule="conflicting_records")
    clinic = _clinic(work)
    (stays,) = await work.run(_KEPT, clinic=clinic, kept=kept)
    await work.serve(stays["person_id"])
    if not await families.hold(work, stays["person_id"]):  # who goes with the last guardian meanwhile is waited for
        raise Refused("no patient any more", place="case", rule="deleted")
    await work.run(_HOLD, clinic=clinic, other=other)
    await work.run(_FREE, clinic=clinic, kept=kept, other=other)
    for table in MOVED:
        await work.run(_MOVE.format(sql.Identifier(table)), clinic=clinic, kept=kept, other=other, conflict=conflict)
    await work.run(_REVIVE, clinic=clinic, kept=kept)
    await work.run(_MOVE_MESSAGES, clinic=clinic, kept=kept, other=other)
    by = work.caller.principal.principal_id
    for row in await work.run(_DELETE, clinic=clinic, other=other, by=by, reason=MERGED):
        await work.serve(row["person_id"])
        await people.retire(work, row["person_id"], MERGED, by)


def _clinic(held: Grant | Work) -> int | None:
    return held.clinic.clinic_id if held.clinic else None
