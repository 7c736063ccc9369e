"""Marks on forms, appointments and plans. The walls of `p0012_writing.sql` and `p0015_forms.sql` read them."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.appointments.steps_repository import check_again, hold
from api.gateway import Work
from api.me.statements import WHOSE
from api.profiles.columns import TREATED
from api.recording import recorded_by_state
from infra.errors import Refused
from policies.access.states import FACTS
from policies.words import Action


@dataclass(frozen=True)
class Kind:
    """A kind of item that can be confidential: its table and the column of its id."""

    table: str
    id: str


FORM = Kind("form", "form_id")
APPOINTMENT = Kind("appointment", "appointment_id")
PLAN = Kind("treatment_plan", "plan_id")

# The event is as confidential as the item was or becomes: else it would tell guardians that there is one.
_OF_PATIENT = sql.SQL("""
select
    r.clinic_id, r.patient_id, r.person_id, null::uuid as acting_for, null::uuid as consent_event_id,
    {treated} as treated, i.confidential or %(confidential)s as confidential
from operational.{table} as i
inner join operational.registration as r on r.clinic_id = i.clinic_id and r.patient_id = i.patient_id
inner join operational.person as p on p.person_id = r.person_id
where
    i.clinic_id = %(event__clinic_id)s and i.{id} = %(item)s
    and i.deleted_at is null and r.deleted_at is null and p.deleted_at is null""")
_OWN = sql.SQL("""
select w.*, r.clinic_id, r.patient_id
from {whose} as w
inner join operational.registration as r on r.person_id = w.person_id and r.deleted_at is null
inner join operational.{table} as i
    on i.clinic_id = r.clinic_id and i.patient_id = r.patient_id and i.deleted_at is null
where i.{id} = %(item)s""")
_MARK = sql.SQL("""
update operational.{table} set confidential = %(confidential)s
where
    clinic_id = operational.context_clinic() and patient_id = %(patient)s and {id} = %(item)s
    and confidential <> %(confidential)s""")

# Shown again, its forms stay hidden: some were for their own sake.
_HIDE_FORMS = sql.SQL("""
update operational.form set confidential = true
where
    clinic_id = operational.context_clinic() and patient_id = %(patient)s and occasion = %(item)s::uuid::text
    and not confidential""")
# Before the copies: a sender who makes some meanwhile is waited for.
_HUSH = sql.SQL("""
update operational.message set confidential = %(confidential)s
where
    clinic_id = operational.context_clinic() and about_id = %(item)s and copied_from is null
    and state in ('pending', 'dead')""")
_STOP_COPIES = sql.SQL("""
update operational.message set state = 'unreachable', failure = 'confidential', content = null, address = null
where
    clinic_id = operational.context_clinic() and about_id = %(item)s and copied_from is not null
    and state in ('pending', 'dead')""")


async def mark_patients(work: Work, kind: Kind, item: UUID | None, confidential: bool) -> None:
    """Hide an item of a patient of the clinic from guardians, an appointment with its forms, or show it again.

    Raises:
        NotThere: no such item of the clinic, or not of a patient whom the caller treats.
        Refused: an appointment that is shown again, and the patient has another one then.
    """
    found = await work.find(_of_patient(kind), item=item, confidential=confidential)
    await _mark(work, kind, found, item, confidential)


async def mark_own(work: Work, kind: Kind, item: UUID | None, confidential: bool) -> None:
    """Hide an item of the caller's own from their guardians, an appointment with its forms, or show it again.

    Raises:
        NotThere: no such item of the caller's.
        Refused: an appointment that is shown again, and the caller has another one then.
    """
    found = await work.find(_own(kind), me=work.caller.principal.person_id, item=item)
    await _mark(work, kind, found, item, confidential)


async def _mark(work: Work, kind: Kind, found: dict[str, Any], item: UUID | None, confidential: bool) -> None:
    query = _MARK.format(table=sql.Identifier(kind.table), id=sql.Identifier(kind.id))
    conflict = Refused("the patient has another appointment then", place="body.confidential", rule="double_booked")
    if kind is APPOINTMENT and not confidential:
        await _check_shown(work, found["clinic_id"], item, conflict)
    await work.run(query, conflict=conflict, patient=found["patient_id"], item=item, confidential=confidential)
    await work.run(_HUSH, item=item, confidential=confidential)
    if confidential:
        await work.run(_STOP_COPIES, item=item)
        if kind is APPOINTMENT:
            await work.run(_HIDE_FORMS, patient=found["patient_id"], item=item)


async def _check_shown(work: Work, clinic_id: int, appointment: UUID | None, refused: Refused) -> None:
    """Whether a hidden appointment may make the patient busy again; its specialist was busy all the while."""
    held = await hold(work, {"clinic_id": clinic_id, "appointment_id": appointment})
    if held.confidential:
        await check_again(work, replace(held, confidential=False), refused, specialist=None)


@cache
def _of_patient(kind: Kind) -> str:
    query = _OF_PATIENT.format(treated=TREATED, table=sql.Identifier(kind.table), id=sql.Identifier(kind.id))
    return recorded_by_state(query, FACTS[Action.RECORD_HIDE], in_clinic=True)


@cache
def _own(kind: Kind) -> str:
    query = _OWN.format(whose=WHOSE[True], table=sql.Identifier(kind.table), id=sql.Identifier(kind.id))
    return recorded_by_state(query, FACTS[Action.OWN_RECORD_HIDE], in_clinic=False, at_clinic=True)
