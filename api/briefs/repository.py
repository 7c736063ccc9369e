"""One statement for a brief: the appointment, the consent, the tombstone, the clinic's own records, and its event."""

from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.forms.statements import ENTRY, FORM
from api.gateway import PersonGrant
from api.profiles.columns import columns
from api.recording import recorded_by_state
from policies.access.states import FACTS
from policies.classification import ProfileField
from policies.words import Action

MOST_APPOINTMENTS = 50

# `treated`: the appointment names the specialist as this clinic's records call them.
_BRIEF = sql.SQL("""
select
    r.patient_id, r.person_id, p.name, null::uuid as acting_for, a.confidential, x.shared,
    case when x.shared then s.event_id end as consent_event_id,
    a.status <> 'cancelled' and exists (
        select from operational.specialist_name as n
        where
            n.clinic_id = a.clinic_id and n.principal_id = %(event__principal_id)s and n.unlinked_at is null
            and n.name = a.specialist
    ) as treated,
    jsonb_build_object(
        'id', a.appointment_id, 'service', a.service, 'modality', a.modality, 'status', a.status,
        'starts_on', a.starts_on, 'starts_at', a.starts_at, 'ends_at', a.ends_at
    ) as appointment,
    (
        select coalesce(jsonb_agg(o order by o.starts_on desc, o.id), '[]')
        from (
            select h.appointment_id as id, h.service, h.modality, h.status, h.starts_on, h.starts_at, h.ends_at
            from operational.appointment as h
            where
                h.clinic_id = a.clinic_id and h.patient_id = a.patient_id and h.appointment_id <> a.appointment_id
                and h.deleted_at is null
            order by h.starts_on desc, h.appointment_id limit %(limit)s
        ) as o
    ) as appointments,
    (
        select coalesce(jsonb_agg(o order by o.assigned_on desc, o.id), '[]')
        from (
            select {entry}
            from {form}
            where f.clinic_id = a.clinic_id and f.patient_id = a.patient_id and f.deleted_at is null
        ) as o
    ) as forms,
    (
        select coalesce(jsonb_agg(o order by o.template, o.question), '[]')
        from (
            select distinct on (i.template, i.question) i.template, i.question, i.number as value, i.answered_at
            from operational.form_answer as i
            inner join operational.form as f
                on f.clinic_id = i.clinic_id and f.form_id = i.form_id and f.deleted_at is null
            where
                i.clinic_id = a.clinic_id and i.patient_id = a.patient_id and i.number is not null
                and i.deleted_at is null
            order by i.template, i.question, i.answered_at desc, i.answer_id desc
        ) as o
    ) as numbers,
    (
        select coalesce(jsonb_agg(o order by o.starts_on desc, o.id), '[]')
        from (
            select
                t.plan_id as id, t.title, t.starts_on, t.ends_on, coalesce(sum(d.prescribed), 0) as prescribed,
                coalesce(sum(d.done), 0) as done
            from operational.treatment_plan as t
            left join operational.adherence as d
                on d.clinic_id = t.clinic_id and d.plan_id = t.plan_id and d.day <= z.today and d.deleted_at is null
            where t.clinic_id = a.clinic_id and t.patient_id = a.patient_id and t.deleted_at is null
            group by t.plan_id, t.title, t.starts_on, t.ends_on
        ) as o
    ) as plans,
    {columns}
from operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
inner join operational.person as p on p.person_id = r.person_id
inner join operational.clinic as c on c.clinic_id = a.clinic_id
cross join lateral (select (statement_timestamp() at time zone c.time_zone)::date as today) as z
left join operational.consent as s
    on s.clinic_id = r.clinic_id and s.purpose = 'profile_sharing' and s.person_id = r.person_id
left join operational.profile_tombstone as w
    on w.clinic_id = r.clinic_id and w.patient_id = r.patient_id and w.cleared_at is null
cross join lateral (
    select
        coalesce(s.state = 'signed' and s.occurred_at <= statement_timestamp(), false)
        and coalesce(s.expires_at > statement_timestamp(), true) and w.patient_id is null as shared
) as x
left join operational.profile as q on q.person_id = r.person_id and x.shared{keys}
where
    a.clinic_id = %(event__clinic_id)s and a.appointment_id = %(appointment)s
    and a.deleted_at is null and r.deleted_at is null and p.deleted_at is null""")


async def brief(grant: PersonGrant, appointment: UUID | None, fields: tuple[ProfileField, ...]) -> dict[str, Any]:
    """The row of an appointment with what belongs to it, `shared` and the columns of these fields.

    Raises:
        NotThere: no such appointment of the clinic, or another specialist's.
    """
    return await grant.disclose(_statement(fields), appointment=appointment, limit=MOST_APPOINTMENTS)


@cache
def _statement(fields: tuple[ProfileField, ...]) -> str:
    read, keys = columns(fields)
    query = _BRIEF.format(columns=read, keys=keys, entry=ENTRY, form=FORM)
    return recorded_by_state(query, FACTS[Action.BRIEF_READ], in_clinic=True)
