"""Bookings in the database. Held in one order: key, source's patient, patient, specialist, contact of somebody new."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.bookings.orders import Order, patient_taken, specialist_taken
from api.bookings.statements import ENDLESS, OF_PATIENT, OF_SPECIALIST_SOON, is_taken
from api.families import repository as families
from api.gateway import Work
from api.idempotency import ALONE
from api.me.statements import WHOSE
from api.recording import recorded_by_state
from infra.clinic_settings import DAYS_AHEAD, HOLD_MINUTES, REGISTRATION_FORMS
from infra.errors import NotThere, Refused
from policies.access.states import FACTS
from policies.appointments import Status, Step
from policies.words import Action, DeletionReason, Role

# Who books for themselves or a dependent, and whether the clinic is one.
_BOOKING = sql.SQL("""
select w.*, c.clinic_id
from {whose} as w
inner join operational.clinic as c on c.clinic_id = %(clinic)s and c.archived_at is null""")
_UNTIL = "%(starts_at)s::timestamptz + make_interval(mins => s.minutes)"
# Days are told by the time zone that the clinic has from here on: `hold_days_soon` keeps a change of it waiting.
# The first of a key stays in `booking_request`; the others wait here until it is done, and find it afterwards.
_CLAIM = sql.SQL(f"""
with claimed as (
    insert into operational.booking_request (clinic_id, principal_id, key_digest, request_digest, appointment_id)
    values (%(clinic)s, %(principal)s, %(key)s, %(request)s, %(appointment)s)
    on conflict do nothing returning appointment_id
),
named as (
    insert into operational.patient_source (clinic_id, source, source_id, patient_id)
    select %(clinic)s, %(source)s::text, %(source_id)s::text, %(patient)s
    where %(source_id)s::text is not null and exists (select from claimed)
    on conflict do nothing returning patient_id
)
select
    exists (select from claimed) as is_first,
    exists (select from named) as is_new,
    s.modality,
    s.minutes,
    s.templates,
    coalesce(s.is_open, false) as is_open,
    coalesce(d.is_active and d.name = any(s.specialists), false) as is_offered,
    {is_taken(OF_SPECIALIST_SOON, _UNTIL, ENDLESS)} as is_taken,
    {REGISTRATION_FORMS} as registration_templates,
    {DAYS_AHEAD} as days_ahead,
    {HOLD_MINUTES} as hold_minutes,
    b.hours
from (select operational.hold_days_soon(%(clinic)s)) as x
left join operational.service as s on s.clinic_id = %(clinic)s and s.service = %(service)s
left join operational.specialist as d on d.clinic_id = %(clinic)s and d.name = %(specialist)s
left join operational.booking_setting as b on b.clinic_id = %(clinic)s""")  # nosec B608 # constants
_DONE = sql.SQL("""
select q.request_digest, a.appointment_id, a.patient_id
from operational.booking_request as q
inner join operational.appointment as a on a.clinic_id = q.clinic_id and a.appointment_id = q.appointment_id
where q.clinic_id = %(clinic)s and q.principal_id = %(principal)s and q.key_digest = %(key)s""")
_PATIENT = f"""
select r.patient_id, r.person_id, r.deleted_at is not null as is_deleted, r.delete_reason,
    {is_taken(OF_PATIENT.format(patient="r.patient_id"), "%(ends_at)s::timestamptz")} as is_taken
from operational.registration as r"""  # nosec B608 # constants
_BY_ID = sql.SQL(f"{_PATIENT} where r.clinic_id = %(clinic)s and r.patient_id = %(patient)s for no key update of r")
_BY_PERSON = sql.SQL(f"{_PATIENT} where r.clinic_id = %(clinic)s and r.person_id = %(person)s for no key update of r")
_BY_SOURCE = sql.SQL(f"""
{_PATIENT} where r.clinic_id = %(clinic)s and r.patient_id = (
    select patient_id from operational.patient_source
    where clinic_id = %(clinic)s and source = %(source)s and source_id = %(source_id)s
) for no key update of r""")  # nosec B608 # a constant
_REGISTER = sql.SQL("""
insert into operational.registration (clinic_id, patient_id, person_id, registered_on)
values (%(clinic)s, %(patient)s, %(person)s, %(today)s) on conflict (person_id, clinic_id) do nothing""")
_REVIVE = sql.SQL("""
update operational.registration set deleted_at = null, deleted_by = null, delete_reason = null
where clinic_id = %(clinic)s and patient_id = %(patient)s""")
_IS_THERE = sql.SQL("select person_id from operational.person where person_id = %(person)s and deleted_at is null")
# What else is deleted was no patient, or is another registration's by now: only an admin brings it back.
_COME_BACK = {DeletionReason.ASKED, DeletionReason.MOVED_AWAY, DeletionReason.NO_LONGER}
# The specialist's row is held from here on: two that met in the constraint would wait for each other. By a statement of
# its own: what whoever held it has given an import's appointment is seen only by one that begins afterwards.
_HOLD_SPECIALIST = sql.SQL("""
select from operational.specialist where clinic_id = %(clinic)s and name = %(specialist)s for no key update""")
# Where the specialist is taken by now, the history has no appointment to be of.
_APPOINT = sql.SQL(f"""
with held as materialized (
    select name from operational.specialist
    where clinic_id = %(clinic)s and name = %(specialist)s and is_active
),
booked as (
    insert into operational.appointment (
        clinic_id, appointment_id, patient_id, service, modality, specialist, status, booked_on, starts_on, starts_at,
        ends_at, held_until
    )
    select %(clinic)s, %(appointment)s, %(patient)s, %(service)s, %(modality)s, held.name, %(status)s,
        (statement_timestamp() at time zone c.time_zone)::date,
        (%(starts_at)s::timestamptz at time zone c.time_zone)::date,
        %(starts_at)s, %(ends_at)s, statement_timestamp() + make_interval(mins => %(hold)s::integer)
    from held inner join operational.clinic as c on c.clinic_id = %(clinic)s
    where not {is_taken(OF_SPECIALIST_SOON, "%(ends_at)s::timestamptz", ENDLESS)}
    returning appointment_id
),
noted as (
    insert into operational.appointment_event (
        clinic_id, event_id, appointment_id, step, to_status, to_starts_at, role
    )
    select %(clinic)s, %(event)s, %(appointment)s, %(step)s, %(status)s, %(starts_at)s, %(role)s from held
),
room as (
    insert into operational.video_room (clinic_id, appointment_id, room)
    select %(clinic)s, appointment_id, %(room)s from booked where %(modality)s = 'video'
)
select name from held""")  # nosec B608 # constants
# By the clinic's page, and proven by nobody yet.
_HELD = sql.SQL("""
select count(*) as held
from operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
inner join operational.verification as v on v.person_id = r.person_id and v.clinic_id = r.clinic_id
where a.clinic_id = %(clinic)s and a.held_until > statement_timestamp() and a.status = 'booked'
    and v.answered_at is null""")


@dataclass(frozen=True)
class Plan:
    """What the clinic's configuration says of an order, and whether it is the first of its key and of its source.

    `is_taken`: the specialist has an imported appointment then, which no constraint keeps free.
    """

    is_first: bool
    is_new: bool
    modality: str | None
    minutes: int | None
    templates: list[str] | None
    is_open: bool
    is_offered: bool
    is_taken: bool
    registration_templates: list[str]
    days_ahead: int
    hold_minutes: int
    hours: dict[str, str] | None


@dataclass(frozen=True)
class Registered:
    """A patient of the clinic, held until the work ends; `fresh` if this booking made the registration, or revived it.

    `came_back` if it was revived. `address` is where somebody new is told of it: nobody has proven it yet.
    """

    patient_id: UUID
    person_id: UUID
    fresh: bool = False
    came_back: bool = False
    address: str | None = None


async def find(work: Work, clinic_id: int | None, dependent: UUID | None, *, own: bool) -> UUID:
    """The person whom the caller books for, in whose and the clinic's context the work goes on.

    Raises:
        NotThere: no such clinic or dependent, or not the caller's today; recorded.
    """
    me = work.caller.principal.person_id
    found = await work.find(_booking(own), me=me, dependent=dependent, clinic=clinic_id)
    person: UUID = found["person_id"]
    return person


async def claim(work: Work, order: Order) -> Plan:
    """Take the order's key, unless somebody has it: then wait until they are done."""
    values: dict[str, Any] = {"source": order.source, "source_id": order.source_id, "patient": order.new_patient}
    terms: dict[str, Any] = {
        "service": order.service,
        "specialist": order.specialist,
        "starts_at": order.starts_at,
        "appointment": order.appointment_id,
    }
    rows = await work.run(_CLAIM, **_key(work, order), request=order.request_digest, **values, **terms)
    return Plan(**rows[0])


async def done(work: Work, order: Order) -> dict[str, Any]:
    """What was booked with the order's key: its digest and ids."""
    return (await work.run(_DONE, **_key(work, order)))[0]


async def register_person(work: Work, order: Order, person: UUID, ends_at: datetime) -> Registered:
    """A known person as a patient of the clinic, once, and again if they were one.

    Raises:
        NotThere: they went with their last guardian meanwhile.
        Refused: they were one by mistake, or are one twice; or have an imported appointment then.
    """
    if not await families.hold(work, person):
        raise NotThere("no such person")
    values: dict[str, Any] = {"clinic": order.clinic.clinic_id, "person": person, **_span(order, ends_at)}
    work.later(_BY_PERSON, **values)
    found = await work.run(_BY_PERSON, **values)  # again: a step that was waited for has taken a time
    if found:
        return await _alive(work, order, found[0])
    await work.run(_REGISTER, **values, patient=order.new_patient, today=order.clinic.today)
    row = (await work.run(_BY_PERSON, **values))[0]
    return Registered(row["patient_id"], person, fresh=True)


async def registered(work: Work, order: Order, ends_at: datetime) -> Registered:
    """The patient whom the clinic means by its own id, or its booking system by another.

    Raises:
        NotThere: no such patient of this clinic.
        Refused: the booking system means one who was no patient, or was one twice; or has an imported appointment then.
    """
    clinic, span = order.clinic.clinic_id, _span(order, ends_at)
    if order.known_patient is not None:
        known: dict[str, Any] = {"clinic": clinic, "patient": order.known_patient, **span}
        work.later(_BY_ID, **known)
        found = await work.run(_BY_ID, **known)  # again, as below
        if not found or found[0]["is_deleted"]:
            raise NotThere("no such patient")
    else:
        source: dict[str, Any] = {"clinic": clinic, "source": order.source, "source_id": order.source_id, **span}
        work.later(_BY_SOURCE, **source)
        # Again: a merge that was waited for has moved it, or a step has taken a time.
        found = await work.run(_BY_SOURCE, **source)
    return await _alive(work, order, found[0])


def appoint_later(
    work: Work, order: Order, plan: Plan, patient: UUID, ends_at: datetime, role: Role, *, hold: bool = False
) -> None:
    """The appointment, the first line of its history, and its room if it is a video consultation.

    With `hold` it is released after the clinic's while, unless the contact is proven by then. With the next statement
    that is read, or the commit, Refused names the field: specialist or patient has another appointment then, or the
    specialist offers nothing by now.
    """
    conflict = {
        # Without an appointment the key's row, which was written first, has nothing to refer to.
        "booking_request_clinic_id_appointment_id_fkey": Refused(
            "the specialist does not offer this", place="body.specialist", rule="not_offered"
        ),
        "specialist_is_free": specialist_taken(),
        "appointment_event_clinic_id_appointment_id_fkey": specialist_taken(),
        "patient_is_free": patient_taken(),
    }
    values: dict[str, Any] = {"clinic": order.clinic.clinic_id, "appointment": order.appointment_id, "patient": patient}
    work.later(_HOLD_SPECIALIST, clinic=order.clinic.clinic_id, specialist=order.specialist)
    work.later(
        _APPOINT,
        conflict=conflict,
        **values,
        service=order.service,
        modality=plan.modality,
        specialist=order.specialist,
        status=Status.BOOKED.value,
        starts_at=order.starts_at,
        ends_at=ends_at,
        event=uuid4(),
        step=Step.BOOK.value,
        role=role.value,
        room=order.room,
        hold=plan.hold_minutes if hold else None,
    )


async def held(work: Work, clinic_id: int) -> int:
    """How many times the clinic's page holds for whom nobody has proven; who asks next waits until the work ends."""
    work.later(ALONE, key=f"held times of {clinic_id}")
    rows = await work.run(_HELD, clinic=clinic_id)
    found: int = rows[0]["held"]
    return found


async def _alive(work: Work, order: Order, row: dict[str, Any]) -> Registered:
    if row["is_deleted"]:
        if row["delete_reason"] not in _COME_BACK:
            raise Refused("no patient any more", place="body.patient", rule="deleted")
        await work.run(_REVIVE, clinic=order.clinic.clinic_id, patient=row["patient_id"])
    if not await work.run(_IS_THERE, person=row["person_id"]):
        raise NotThere("no such patient")
    if row["is_taken"]:
        raise patient_taken()
    return Registered(row["patient_id"], row["person_id"], fresh=row["is_deleted"], came_back=row["is_deleted"])


def _span(order: Order, ends_at: datetime) -> dict[str, Any]:
    return {"starts_at": order.starts_at, "ends_at": ends_at}


def _key(work: Work, order: Order) -> dict[str, Any]:
    principal = work.caller.principal.principal_id
    return {"clinic": order.clinic.clinic_id, "principal": principal, "key": order.key_digest}


@cache
def _booking(own: bool) -> str:
    query = _BOOKING.format(whose=WHOSE[own])
    return recorded_by_state(query, FACTS[Action.OWN_APPOINTMENT_BOOK], in_clinic=False, at_clinic=True)
