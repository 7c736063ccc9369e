"""One appointment, found in what a clinic or a family may ask for: statements that rule for its state."""

from functools import cache

from psycopg import sql

from api.me.statements import WHOSE
from api.recording import recorded_by_state
from policies.access.states import FACTS
from policies.words import Action

# Whose account the clinic's records mean by the name of the appointment's specialist.
TREATED = sql.SQL("""
exists (
    select from operational.specialist_name as s
    where
        s.clinic_id = a.clinic_id and s.name = a.specialist and s.unlinked_at is null
        and s.principal_id = %(event__principal_id)s
)""")
_AT_CLINIC = sql.SQL("""
select r.person_id, r.patient_id, a.clinic_id, a.appointment_id, null::uuid as acting_for,
    null::uuid as consent_event_id, {treated} as treated, a.confidential, a.status, a.starts_at, a.ends_at, v.room
from operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
inner join operational.person as p on p.person_id = r.person_id
left join operational.video_room as v on v.clinic_id = a.clinic_id and v.appointment_id = a.appointment_id
where
    a.clinic_id = %(event__clinic_id)s and a.appointment_id = %(appointment)s and a.deleted_at is null
    and r.deleted_at is null and p.deleted_at is null""")
_OF_PERSON = sql.SQL("""
select w.*, r.patient_id, a.clinic_id, a.appointment_id, a.status, a.starts_at, a.ends_at, v.room
from {whose} as w
inner join operational.registration as r on r.person_id = w.person_id and r.deleted_at is null
inner join operational.appointment as a on a.clinic_id = r.clinic_id and a.patient_id = r.patient_id
left join operational.video_room as v on v.clinic_id = a.clinic_id and v.appointment_id = a.appointment_id
where a.appointment_id = %(appointment)s and a.deleted_at is null""")


@cache
def at_clinic(action: Action) -> str:
    """What finds one appointment of the clinic that is asked for, and rules for its state."""
    return recorded_by_state(_AT_CLINIC.format(treated=TREATED), FACTS[action], in_clinic=True)


@cache
def of_family(action: Action, own: bool) -> str:
    """The same of the caller or a dependent, at whichever clinic."""
    return recorded_by_state(_OF_PERSON.format(whose=WHOSE[own]), FACTS[action], in_clinic=False, at_clinic=True)
