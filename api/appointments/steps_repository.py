"""Steps in the database: an appointment held until the work ends, who has time for it, and what becomes of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.appointments.held import Change, Held
from api.appointments.statements import at_clinic, of_family
from api.bookings.statements import OF_PATIENT, OF_SPECIALIST, is_taken
from api.gateway import Work
from infra.clinic_settings import DAYS_AHEAD, USUAL_MINUTES
from infra.errors import NotThere, Refused
from policies.appointments import FREEING, Status, Step
from policies.words import Action

# First of all, as in a booking: the time zone by which a day is told changes no more until the work ends.
_HELD = sql.SQL(f"""
with days as materialized (select operational.hold_days_soon(%(clinic)s))
select r.person_id, a.patient_id, a.service, a.specialist, a.status, a.starts_on, a.starts_at, a.ends_at,
    a.confidential, coalesce(s.minutes, {USUAL_MINUTES}) as minutes, s.specialists, s.is_open,
    {DAYS_AHEAD} as days_ahead, b.hours
from days
cross join operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
left join operational.service as s on s.clinic_id = a.clinic_id and s.service = a.service
left join operational.booking_setting as b on b.clinic_id = a.clinic_id
where a.clinic_id = %(clinic)s and a.appointment_id = %(appointment)s and (r.deleted_at is null or %(going)s)
for no key update of r, a""")  # nosec B608 # constants
# A statement of its own: what whoever held the specialist has booked is seen only by one that begins afterwards.
_HOLD_SPECIALIST = sql.SQL("""
select from operational.specialist where clinic_id = %(clinic)s and name = %(specialist)s for no key update""")
# Whether the specialist sees anybody, and what the constraints do not look at; null where the clinic knows no such one.
_OTHERS = "{} and a.appointment_id <> %(appointment)s"
# Of what has no end itself the constraints know nothing: it is compared with all others.
_UNTIL = "coalesce(%(ends_at)s::timestamptz, %(starts_at)s::timestamptz + make_interval(mins => %(minutes)s::integer))"
_AMONG = "(a.ends_at is null or %(ends_at)s::timestamptz is null)"
_FREE = sql.SQL(f"""
select
    (
        select is_active from operational.specialist where clinic_id = %(clinic)s and name = %(specialist)s
    ) as is_active,
    {is_taken(_OTHERS.format(OF_SPECIALIST), _UNTIL, _AMONG)} as specialist_taken,
    not %(hidden)s
        and {is_taken(_OTHERS.format(OF_PATIENT.format(patient="%(patient)s")), _UNTIL, _AMONG)} as patient_taken
""")  # nosec B608 # constants
# Whoever takes a step with it knows of it: it is held for nobody's proof any more.
_CHANGE = sql.SQL("""
with noted as (
    insert into operational.appointment_event (
        clinic_id, event_id, appointment_id, step, from_status, to_status, from_starts_at, to_starts_at, role, reason
    )
    select clinic_id, %(event)s, appointment_id, %(step)s, status, %(status)s, starts_at, %(starts_at)s, %(role)s,
        %(reason)s
    from operational.appointment where clinic_id = %(clinic)s and appointment_id = %(appointment)s
)
update operational.appointment as a
set status = %(status)s, starts_at = %(starts_at)s, ends_at = %(ends_at)s,
    starts_on = coalesce(%(day)s::date, (%(starts_at)s::timestamptz at time zone c.time_zone)::date),
    specialist = %(specialist)s, held_until = null
from operational.clinic as c
where a.clinic_id = %(clinic)s and a.appointment_id = %(appointment)s and c.clinic_id = a.clinic_id
returning a.appointment_id as id, a.status, a.starts_at, a.ends_at, a.specialist, a.version""")


async def find(work: Work, appointment: UUID | None) -> Held:
    """An appointment of the work's clinic.

    Raises:
        NotThere: none of that id, or not the caller's; recorded.
    """
    return await hold(work, await work.find(at_clinic(Action.APPOINTMENT_CHANGE), appointment=appointment))


async def find_own(work: Work, appointment: UUID | None, dependent: UUID | None, *, own: bool) -> Held:
    """An appointment of the caller or their dependent, at whichever clinic.

    Raises:
        NotThere: none of that id, or not the caller's today, or hidden from guardians; recorded.
    """
    me = work.caller.principal.person_id
    statement = of_family(Action.OWN_APPOINTMENT_CHANGE, own)
    return await hold(work, await work.find(statement, me=me, dependent=dependent, appointment=appointment))


async def hold(work: Work, found: dict[str, Any], *, going: bool = False) -> Held:
    """An appointment that was found, by its `clinic_id` and `appointment_id`, until the work ends.

    With `going`, its registration may just have been marked as deleted.

    Raises:
        NotThere: none of that id, or of a registration that was deleted meanwhile.
    """
    place = {"clinic": found["clinic_id"], "appointment": found["appointment_id"]}
    rows = await work.run(_HELD, **place, going=going)
    if not rows:
        raise NotThere("no such appointment")
    return Held(found["clinic_id"], found["appointment_id"], **rows[0])


async def change(work: Work, held: Held, to: Change) -> dict[str, Any]:
    """Take a step; the appointment's new row.

    Raises:
        Refused: specialist or patient has another appointment then, or the specialist sees nobody now; names the field.
    """
    conflict = {"specialist_is_free": _specialist_taken(), "patient_is_free": _patient_taken()}
    place = {"clinic": held.clinic_id, "appointment": held.appointment_id}
    if to.status is Status.BOOKED:
        await _check_free(work, held, to)
    rows = await work.run(
        _CHANGE,
        conflict=conflict,
        **place,
        event=uuid4(),
        step=to.step.value,
        role=to.role.value,
        reason=to.reason,
        status=to.status.value,
        day=to.day,
        starts_at=to.starts_at,
        ends_at=to.ends_at,
        specialist=to.specialist,
    )
    return rows[0]


async def free(
    work: Work, held: Held, specialist: str | None, starts_at: datetime | None, ends_at: datetime | None
) -> dict[str, Any]:
    """Whether the specialist `is_active`, null for none; and whether somebody's time is taken then: `specialist_taken`,
    `patient_taken`, which what is hidden never finds. The specialist is held from here on.

    The one look of whatever takes its time anew: a step, an appointment that is back, or shown again.
    """
    place: dict[str, Any] = {"clinic": held.clinic_id, "appointment": held.appointment_id, "patient": held.patient_id}
    time: dict[str, Any] = {"starts_at": starts_at, "ends_at": ends_at, "minutes": held.minutes}
    work.later(_HOLD_SPECIALIST, clinic=held.clinic_id, specialist=specialist)
    (found,) = await work.run(_FREE, **place, **time, specialist=specialist, hidden=held.confidential)
    return found


async def check_again(work: Work, held: Held, refused: Refused, *, specialist: str | None) -> None:
    """Whether what is to come may have its time again, deleted or hidden before; its specialist's if it gave that up.

    Raises:
        Refused: as given; specialist or patient has something else then.
    """
    if held.status != Status.BOOKED or not held.is_to_come(datetime.now(UTC)):
        return
    found = await free(work, held, specialist, held.starts_at, held.ends_at)
    if found["specialist_taken"] or found["patient_taken"]:
        raise refused


async def _check_free(work: Work, held: Held, to: Change) -> None:
    """Hold the specialist in the order of a booking, so that nobody waits for each other, and look who is free.

    Raises:
        Refused: as by `change`, but not of what had the time before the correction.
    """
    found = await free(work, held, to.specialist, to.starts_at, to.ends_at)
    if to.step is Step.RESCHEDULE and found["is_active"] is False:
        raise Refused("the specialist sees nobody now", place="body.specialist", rule="not_offered")
    anew = to.step is Step.RESCHEDULE or held.status in FREEING
    if anew and found["specialist_taken"]:
        raise _specialist_taken()
    if anew and found["patient_taken"]:
        raise _patient_taken()


def _specialist_taken() -> Refused:
    return Refused("the specialist is not free", place="body.starts_at", rule="double_booked")


def _patient_taken() -> Refused:
    return Refused("the patient is not free", place="body.starts_at", rule="patient_double_booked")
