"""Appointments in the database: lists of them, one of them, and its room."""

from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.appointments.statements import TREATED, at_clinic, of_family
from api.forms.statements import FORM
from api.gateway import Grant, PersonGrant
from api.me.statements import WHOSE
from api.recording import recorded_by_state
from policies.access.states import FACTS
from policies.words import Action

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
            a.appointment_id as id, c.slug as clinic, c.name as clinic_name, a.service,
            coalesce(s.name, a.service) as service_name, a.modality, a.specialist, a.status, a.starts_on,
            a.starts_at, a.ends_at, a.confidential,
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


async def of_day(
    grant: Grant, day: date, after: tuple[datetime, UUID] | None, limit: int, *, own: bool
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` appointments of a day at the clinic after a position, and whether more follow.

    Of `own` the caller's own patients'.
    """
    at, after_id = after or (None, None)
    query = _PAGE.format(day=_DAY.format(form=FORM, treated=TREATED, everybody=sql.Literal(not own)))
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
    return await grant.disclose(at_clinic(Action.VISIT_JOIN), appointment=appointment)


async def own_visit(
    grant: PersonGrant, appointment: UUID | None, dependent: UUID | None, *, own: bool
) -> dict[str, Any]:
    """Room, status and time of an appointment of the caller or a dependent.

    Raises:
        NotThere: none of that id, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    statement = of_family(Action.OWN_VISIT_JOIN, own)
    return await grant.disclose(statement, me=me, dependent=dependent, appointment=appointment)


@cache
def _own(own: bool) -> str:
    query = _OWN.format(whose=WHOSE[own])
    return recorded_by_state(query, FACTS[Action.OWN_APPOINTMENT_READ], in_clinic=False)
