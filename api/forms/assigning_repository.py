"""Forms that patients are to answer: assigned once for an occasion, withdrawn with an appointment that goes."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Work

# What registering is for. Who comes back registers anew: an occasion that begins with this one.
REGISTRATION = "registration"
# Why the forms of an appointment are deleted: what one of these took is brought back by its own undo alone.
CANCELLED = "the appointment was cancelled"
DELETED = "the appointment was deleted"
# Why they then stay so.
REPLACED = "another came in its place"
# The newest version alone says what a template is.
_ASSIGN = sql.SQL("""
insert into operational.form
    (clinic_id, patient_id, template, template_version, status, assigned_on, due_on, expires_on, confidential, occasion)
select distinct on (t.template)
    t.clinic_id, %(patient)s, t.template, t.template_version, 'pending', %(today)s::date, %(today)s::date + t.due_days,
    %(today)s::date + t.due_days + t.expire_days, h.confidential, n.occasion
from unnest(%(templates)s::text[], %(occasions)s::text[]) with ordinality as n (template, occasion, place)
cross join lateral (
    select v.* from operational.form_template as v
    where v.clinic_id = operational.context_clinic() and v.template = n.template
    order by v.template_version desc limit 1
) as t
cross join lateral (
    select t.confidential or exists (
        select from operational.appointment as a
        where a.clinic_id = t.clinic_id and a.patient_id = %(patient)s and a.appointment_id::text = n.occasion
            and a.confidential
    ) as confidential
) as h
where {wanted}
order by t.template, n.place
on conflict (clinic_id, patient_id, template, occasion) where occasion is not null and deleted_at is null do nothing
returning form_id""")
# An intake or a consent is the patient's, not one visit's, and what registering brought still waits for who comes back.
# A hidden one is as none to a guardian who books.
_WANTED = sql.SQL("""
not exists (
    select from operational.form as f
    where
        f.clinic_id = t.clinic_id and f.patient_id = %(patient)s and f.template = t.template and f.deleted_at is null
        and (
            f.occasion = n.occasion
            or (
                t.kind in ('intake', 'consent')
                or starts_with(n.occasion, %(registration)s) and starts_with(f.occasion, %(registration)s)
            )
                and f.status in ('pending', 'in_progress')
                and coalesce(f.expires_on >= %(today)s::date, true) and (h.confidential or not f.confidential)
        )
)
and not exists (
    select from operational.registration as r
    inner join operational.consent as c
        on c.clinic_id = r.clinic_id and c.purpose = t.purpose and c.person_id = r.person_id
    where
        r.clinic_id = t.clinic_id and r.patient_id = %(patient)s and c.state = 'signed'
        and c.occurred_at <= statement_timestamp() and coalesce(c.expires_at > statement_timestamp(), true)
)""")
_BY_HAND = _ASSIGN.format(wanted=sql.SQL("true"))
_BOOKED = _ASSIGN.format(wanted=_WANTED)
# An intake or a consent that another visit would have brought as well comes anew for that one, hidden as that one is.
WITHDRAW = sql.SQL("""
with gone as (
    update operational.form as f
    set deleted_at = clock_timestamp(), deleted_by = %(by)s::uuid, delete_reason = %(why)s
    where
        f.clinic_id = operational.context_clinic() and f.patient_id = any(%(patients)s::uuid[])
        and f.occasion = any(%(appointments)s::uuid[]::text[]) and f.status = 'pending' and f.deleted_at is null
    returning f.*
)
insert into operational.form
    (clinic_id, patient_id, template, template_version, status, assigned_on, due_on, expires_on, confidential, occasion)
select g.clinic_id, g.patient_id, g.template, g.template_version, g.status, g.assigned_on, g.due_on, g.expires_on,
    g.confidential or n.confidential, n.occasion
from gone as g
inner join operational.form_template as t
    on t.clinic_id = g.clinic_id and t.template = g.template and t.template_version = g.template_version
cross join lateral (
    select a.appointment_id::text as occasion, a.confidential
    from operational.appointment as a
    inner join operational.service as s on s.clinic_id = a.clinic_id and s.service = a.service
    where
        a.clinic_id = g.clinic_id and a.patient_id = g.patient_id and a.status in ('booked', 'arrived')
        and a.deleted_at is null and g.template = any(s.templates)
        and not exists (
            select from operational.form as k
            where k.clinic_id = g.clinic_id and k.patient_id = g.patient_id and k.template = g.template
                and k.occasion = a.appointment_id::text and k.deleted_at is null
        )
    order by a.starts_on, a.starts_at, a.appointment_id limit 1
) as n
where t.kind in ('intake', 'consent')
on conflict (clinic_id, patient_id, template, occasion) where occasion is not null and deleted_at is null do nothing""")
# What one act withdrew its undo brings back, or says that another has come in its place, so that no later undo does.
_BRING_BACK = sql.SQL("""
update operational.form as f
set deleted_at = case when g.is_replaced then f.deleted_at end,
    deleted_by = case when g.is_replaced then f.deleted_by end,
    delete_reason = case when g.is_replaced then %(replaced)s::text end
from (
    select d.form_id,
        row_number() over (partition by d.template order by d.deleted_at desc, d.form_id) > 1
        or exists (
            select from operational.form as k
            inner join operational.form_template as t
                on t.clinic_id = k.clinic_id and t.template = k.template and t.template_version = k.template_version
            where
                k.clinic_id = d.clinic_id and k.patient_id = d.patient_id and k.template = d.template
                and k.deleted_at is null
                and (
                    k.occasion = d.occasion
                    or t.kind in ('intake', 'consent') and k.status in ('pending', 'in_progress')
                        and coalesce(k.expires_on >= %(today)s::date, true) and (d.confidential or not k.confidential)
                )
        ) as is_replaced
    from operational.form as d
    where
        d.clinic_id = operational.context_clinic() and d.patient_id = %(patient)s
        and d.occasion = %(appointment)s::uuid::text and d.delete_reason = %(why)s and d.deleted_at is not null
) as g
where f.clinic_id = operational.context_clinic() and f.form_id = g.form_id""")


async def assign(work: Work, patient_id: UUID, templates: Sequence[str], *, occasion: str, today: date) -> list[UUID]:
    """Assign the newest versions of these templates of the work's clinic, none twice for one occasion; ids of the new.

    `occasion` is whatever must not bring a form twice. A name that is none of the clinic's templates brings nothing.
    `today` is the day at the clinic.
    """
    rows = await work.run(_BY_HAND, **_assigned(patient_id, {occasion: templates}, today))
    return [row["form_id"] for row in rows]


def assign_later(work: Work, patient_id: UUID, occasions: Mapping[str, Sequence[str]], *, today: date) -> None:
    """Assign what a booking brings, with the next statement of the work that is read: each template once.

    An occasion begins with REGISTRATION or is the id of an appointment, whose forms are hidden if it is; of two that
    bring the same template it is the first one's. An intake or consent form, and what registering brings, comes only if
    the patient has none to answer, and no consent form while its consent stands.
    """
    work.later(_BOOKED, **_assigned(patient_id, occasions, today))


def withdraw_later(work: Work, patient_id: UUID, appointment_id: UUID, why: str = CANCELLED) -> None:
    """Delete the forms of an appointment that nobody began to answer, with the next statement that is read."""
    by = work.caller.principal.principal_id
    work.later(WITHDRAW, patients=[patient_id], appointments=[appointment_id], by=by, why=why)


def bring_back_later(work: Work, patient_id: UUID, appointment_id: UUID, why: str = CANCELLED, *, today: date) -> None:
    """Take that back, but for what has come in a form's place. `today` is the day at the clinic."""
    values: dict[str, Any] = {"patient": patient_id, "appointment": appointment_id, "today": today}
    work.later(_BRING_BACK, **values, why=why, replaced=REPLACED)


def _assigned(patient_id: UUID, occasions: Mapping[str, Sequence[str]], today: date) -> dict[str, Any]:
    pairs = [(template, occasion) for occasion, templates in occasions.items() for template in templates]
    return {
        "patient": patient_id, "today": today, "templates": [template for template, _ in pairs],
        "occasions": [occasion for _, occasion in pairs], "registration": REGISTRATION,
    }  # fmt: skip
