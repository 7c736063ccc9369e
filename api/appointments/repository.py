"""Appointments in the database: lists of them, and one with what becomes of it."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.bookings.statements import OF_PATIENT, OF_SPECIALIST, is_taken
from api.forms.statements import FORM
from api.gateway import Grant, PersonGrant, Work
from api.me.statements import WHOSE
from api.recording import recorded_by_state
from infra.clinic_settings import DAYS_AHEAD, USUAL_MINUTES
from infra.errors import NotThere, Refused
from policies.access.states import FACTS
from policies.appointments import FREEING, Status, Step
from policies.words import Action, Role

# Whose account the clinic's records mean by the name of the appointment's specialist.
_TREATED = sql.SQL("""
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
# First of all, as in a booking: the time zone by which a day is told changes no more until the work ends.
_HELD = sql.SQL(f"""
with days as materialized (select operational.hold_days_soon(%(clinic)s))
select a.patient_id, a.service, a.specialist, a.status, a.starts_on, a.starts_at, a.ends_at, a.confidential,
    coalesce(s.minutes, {USUAL_MINUTES}) as minutes, s.specialists, s.is_open, {DAYS_AHEAD} as days_ahead
from days
cross join operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
left join operational.service as s on s.clinic_id = a.clinic_id and s.service = a.service
left join operational.booking_setting as b on b.clinic_id = a.clinic_id
where a.clinic_id = %(clinic)s and a.appointment_id = %(appointment)s and (r.deleted_at is null or %(going)s)
for no key update of r, a""")  # nosec B608 # constants
# Whether the specialist sees anybody, and what the constraints do not look at; null where the clinic knows no such one.
_OTHERS = "{} and a.appointment_id <> %(appointment)s"
# Of what has no end itself the constraints know nothing: it is compared with all others.
_UNTIL = "coalesce(%(ends_at)s::timestamptz, %(starts_at)s::timestamptz + make_interval(mins => %(minutes)s::integer))"
_AMONG = "(a.ends_at is null or %(ends_at)s::timestamptz is null)"
_FREE = sql.SQL(f"""
with held as materialized (
    select is_active from operational.specialist
    where clinic_id = %(clinic)s and name = %(specialist)s for no key update
)
select
    (select is_active from held) as is_active,
    {is_taken(_OTHERS.format(OF_SPECIALIST), _UNTIL, _AMONG)} as specialist_taken,
    {is_taken(_OTHERS.format(OF_PATIENT.format(patient="%(patient)s")), _UNTIL, _AMONG)} as patient_taken
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
_DAY = sql.SQL("""
select
    a.appointment_id as id, r.patient_id, p.name, a.service, a.modality, a.specialist, a.status, a.starts_on,
    a.starts_at, a.ends_at, a.confidential,
    coalesce(a.starts_at, a.starts_on::timestamp at time zone 'UTC') as position,
    (
        select jsonb_build_object(
            'pending', count(*) filter (where x.status = 'pending'),
            'in_progress', count(*) filter (where x.status = 'in_progress'),
            'completed', count(*) filter (where x.status = 'completed'),
            'expired', count(*) filter (where x.status = 'expired')
        )
        from {form}
        where f.clinic_id = r.clinic_id and f.patient_id = r.patient_id and f.deleted_at is null
    ) as forms
from operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
inner join operational.person as p on p.person_id = r.person_id
where
    a.clinic_id = %(clinic)s and a.starts_on = %(day)s and a.deleted_at is null and r.deleted_at is null
    and p.deleted_at is null and ({everybody} or {treated})
    and (
        %(after)s::timestamptz is null
        or (coalesce(a.starts_at, a.starts_on::timestamp at time zone 'UTC'), a.appointment_id)
            > (%(after)s, %(after_id)s::uuid)
    )
order by position, a.appointment_id
limit %(limit)s::integer + 1""")
# Who is on the next page is not disclosed by this one.
_PAGE = sql.SQL("""
select candidate.*, lead(id) over (order by "position", id) is not null as followed
from ({day}) as candidate
order by "position", id
limit %(limit)s""")
_OWN = sql.SQL("""
select w.*, (
    select coalesce(jsonb_agg(to_jsonb(l) order by l.position desc, l.id desc), '[]')
    from (
        select
            a.appointment_id as id, c.slug as clinic, c.name as clinic_name, coalesce(s.name, a.service) as service,
            a.modality, a.specialist, a.status, a.starts_on, a.starts_at, a.ends_at, a.confidential,
            coalesce(a.starts_at, a.starts_on::timestamp at time zone 'UTC') as position
        from operational.registration as r
        inner join operational.clinic as c on c.clinic_id = r.clinic_id
        inner join operational.appointment as a on a.clinic_id = r.clinic_id and a.patient_id = r.patient_id
        left join operational.service as s on s.clinic_id = a.clinic_id and s.service = a.service
        where
            r.person_id = w.person_id and r.deleted_at is null and a.deleted_at is null
            and (
                %(before)s::timestamptz is null
                or (coalesce(a.starts_at, a.starts_on::timestamp at time zone 'UTC'), a.appointment_id)
                    < (%(before)s, %(before_id)s::uuid)
            )
        order by position desc, a.appointment_id desc
        limit %(limit)s::integer + 1
    ) as l
) as appointments
from {whose} as w""")


@dataclass(frozen=True)
class Whose:
    """An appointment, and who is told of it."""

    clinic_id: int
    appointment_id: UUID
    person_id: UUID
    patient_id: UUID
    confidential: bool


@dataclass(frozen=True)
class Held(Whose):
    """An appointment as it stands, held until the work ends."""

    service: str
    specialist: str | None
    status: str
    starts_on: date
    starts_at: datetime | None
    ends_at: datetime | None
    minutes: int
    specialists: list[str] | None
    is_open: bool | None
    days_ahead: int


@dataclass(frozen=True)
class Change:
    """What an appointment becomes, by which step, in which role and why; without a `day` it is that of `starts_at`."""

    step: Step
    role: Role
    reason: str | None
    status: Status
    day: date | None
    starts_at: datetime | None
    ends_at: datetime | None
    specialist: str | None


async def find(work: Work, appointment: UUID | None) -> Held:
    """An appointment of the work's clinic.

    Raises:
        NotThere: none of that id, or not the caller's; recorded.
    """
    return await hold(work, await work.find(_at_clinic(Action.APPOINTMENT_CHANGE), appointment=appointment))


async def find_own(work: Work, appointment: UUID | None, dependent: UUID | None, *, own: bool) -> Held:
    """An appointment of the caller or their dependent, at whichever clinic.

    Raises:
        NotThere: none of that id, or not the caller's today, or hidden from guardians; recorded.
    """
    me = work.caller.principal.person_id
    statement = _of_person(Action.OWN_APPOINTMENT_CHANGE, own)
    return await hold(work, await work.find(statement, me=me, dependent=dependent, appointment=appointment))


async def hold(work: Work, found: dict[str, Any], *, going: bool = False) -> Held:
    """An appointment that was found, by its `clinic_id`, `appointment_id` and `person_id`, until the work ends.

    With `going`, its registration may just have been marked as deleted.

    Raises:
        NotThere: none of that id, or of a registration that was deleted meanwhile.
    """
    place = {"clinic": found["clinic_id"], "appointment": found["appointment_id"]}
    rows = await work.run(_HELD, **place, going=going)
    if not rows:
        raise NotThere("no such appointment")
    return Held(found["clinic_id"], found["appointment_id"], found["person_id"], **rows[0])


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


async def of_day(
    grant: Grant, day: date, after: tuple[datetime, UUID] | None, limit: int, *, own: bool
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` appointments of a day at the clinic after a position, and whether more follow.

    Of `own` the caller's own patients'.
    """
    at, after_id = after or (None, None)
    query = _PAGE.format(day=_DAY.format(form=FORM, treated=_TREATED, everybody=sql.Literal(not own)))
    clinic = grant.clinic and grant.clinic.clinic_id
    order = sql.SQL("position, id")
    values: dict[str, Any] = {"clinic": clinic, "day": day, "after": at, "after_id": after_id, "limit": limit}
    rows = await grant.disclose(query, order, hiding=True, **values)
    return rows, bool(rows and rows[-1]["followed"])


async def of_person(
    grant: PersonGrant, dependent: UUID | None, before: tuple[datetime, UUID] | None, limit: int, *, own: bool
) -> list[dict[str, Any]]:
    """Up to `limit` + 1 appointments of the caller or a dependent before a position, the latest first.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    at, before_id = before or (None, None)
    me = grant.caller.principal.person_id
    row = await grant.disclose(_own(own), me=me, dependent=dependent, before=at, before_id=before_id, limit=limit)
    found: list[dict[str, Any]] = row["appointments"]
    return found


async def visit(grant: PersonGrant, appointment: UUID | None) -> dict[str, Any]:
    """Room, status and time of an appointment of the specialist who asks.

    Raises:
        NotThere: none of that id, or another specialist's.
    """
    return await grant.disclose(_at_clinic(Action.VISIT_JOIN), appointment=appointment)


async def own_visit(
    grant: PersonGrant, appointment: UUID | None, dependent: UUID | None, *, own: bool
) -> dict[str, Any]:
    """Room, status and time of an appointment of the caller or a dependent.

    Raises:
        NotThere: none of that id, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    statement = _of_person(Action.OWN_VISIT_JOIN, own)
    return await grant.disclose(statement, me=me, dependent=dependent, appointment=appointment)


async def free(
    work: Work, held: Held, specialist: str | None, starts_at: datetime | None, ends_at: datetime | None
) -> dict[str, Any]:
    """Whether the specialist `is_active`, null for none; and whether somebody's time is taken then: `specialist_taken`,
    `patient_taken`. The specialist is held from here on.
    """
    place: dict[str, Any] = {"clinic": held.clinic_id, "appointment": held.appointment_id, "patient": held.patient_id}
    time: dict[str, Any] = {"starts_at": starts_at, "ends_at": ends_at, "minutes": held.minutes}
    (found,) = await work.run(_FREE, **place, **time, specialist=specialist)
    return found


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
    if anew and found["patient_taken"] and not held.confidential:
        raise _patient_taken()


def _specialist_taken() -> Refused:
    return Refused("the specialist is not free", place="body.starts_at", rule="double_booked")


def _patient_taken() -> Refused:
    return Refused("the patient is not free", place="body.starts_at", rule="patient_double_booked")


@cache
def _at_clinic(action: Action) -> str:
    return recorded_by_state(_AT_CLINIC.format(treated=_TREATED), FACTS[action], in_clinic=True)


@cache
def _of_person(action: Action, own: bool) -> str:
    return recorded_by_state(_OF_PERSON.format(whose=WHOSE[own]), FACTS[action], in_clinic=False, at_clinic=True)


@cache
def _own(own: bool) -> str:
    query = _OWN.format(whose=WHOSE[own])
    return recorded_by_state(query, FACTS[Action.OWN_APPOINTMENT_READ], in_clinic=False)
