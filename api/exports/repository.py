"""Everything of one person at one clinic, in the one statement that records it: as their family's role sees it.

What is hidden from guardians is no row of theirs; what the clinic notes for itself is in none of these columns.
"""

from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import PersonGrant
from api.me.repository import EVENT, OWN
from api.me.statements import STANDS, statement
from api.profiles.columns import columns
from infra.encryption.data_keys import KEY_ARRAYS
from policies.classification import ProfileField
from policies.words import Action

MOST_ACCESSES = 10_000
_FORMS = "forms"
_CLINIC = sql.SQL("""
inner join operational.registration as r on r.person_id = p.person_id and r.deleted_at is null
inner join operational.clinic as c on c.clinic_id = r.clinic_id and c.slug = %(clinic)s""")
_HEAD = sql.SQL(
    "statement_timestamp() as at, r.clinic_id, c.name as clinic_name, c.time_zone, q.birth_date_estimated as estimated"
)
_TODAY = sql.SQL("(statement_timestamp() at time zone c.time_zone)::date")
_OF_PATIENT = sql.SQL("x.clinic_id = r.clinic_id and x.patient_id = r.patient_id and x.deleted_at is null")
# Names of services, answers and templates are gathered first: the wall before them is looked at once, not for each row.
_APPOINTMENTS = sql.SQL("""
(
    with offered as materialized (
        select o.service, o.name from operational.service as o where o.clinic_id = r.clinic_id
    )
    select coalesce(jsonb_agg(to_jsonb(s) order by s.starts_on, s.starts_at), '[]')
    from (
        select x.service, coalesce(o.name, x.service) as service_name, x.modality, x.specialist, x.status, x.booked_on,
            x.starts_on, x.starts_at, x.ends_at, x.confidential
        from operational.appointment as x
        left join offered as o on o.service = x.service
        where {of_patient}
    ) as s
) as appointments""").format(of_patient=_OF_PATIENT)
_ANSWERS = sql.SQL("""
(
    with own as materialized (select x.* from operational.form as x where {of_patient}),
    template as materialized (
        select t.template, t.template_version, t.title, t.questions
        from operational.form_template as t
        where t.clinic_id = r.clinic_id
            and (t.template, t.template_version) in (select o.template, o.template_version from own as o)
    ),
    sealed as materialized (
        select e.form_id, e.content from operational.form_sealed as e
        where e.clinic_id = r.clinic_id and e.form_id in (select o.form_id from own as o)
    ),
    answered as materialized (
        select x.form_id, jsonb_agg(jsonb_build_object(
            'question', x.question, 'number', x.number, 'choice', x.choice, 'body', x.body, 'day', x.day
        ) order by x.answered_at, x.answer_id) as answers
        from operational.form_answer as x
        where {of_patient}
        group by x.form_id
    )
    select coalesce(jsonb_agg(to_jsonb(s) order by s.assigned_on, s.form_id), '[]')
    from (
        select x.form_id, x.template, x.template_version, coalesce(t.title, x.template) as title, x.assigned_on,
            x.confidential,
            x.due_on, x.completed_at, coalesce(t.questions, '[]') as questions, encode(e.content, 'base64') as content,
            coalesce(n.answers, '[]') as answers,
            case when x.status in ('pending', 'in_progress') and x.expires_on < {today} then 'expired'
                else x.status end as status
        from own as x
        left join template as t on t.template = x.template and t.template_version = x.template_version
        left join sealed as e on e.form_id = x.form_id
        left join answered as n on n.form_id = x.form_id
    ) as s
) as forms,
(
    select to_jsonb(k) from (
        select {keys} from (
            select data_key_id, encode(wrapped, 'base64') as wrapped, kek_id, kek_version
            from operational.data_key where purpose = {purpose} and retired_at is null
        ) as d
    ) as k
) as form_keys""").format(of_patient=_OF_PATIENT, today=_TODAY, keys=sql.SQL(KEY_ARRAYS), purpose=sql.Literal(_FORMS))
_PLANS = sql.SQL("""
(
    select coalesce(jsonb_agg(to_jsonb(s) - 'plan_id' order by s.starts_on, s.plan_id), '[]')
    from (
        select x.plan_id, x.title, x.prescribed_by, x.starts_on, x.ends_on, x.confidential,
            (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'name', e.name, 'instructions', e.instructions, 'times', e.times, 'weekdays', e.weekdays,
                    'starts_on', e.starts_on, 'ends_on', e.ends_on
                ) order by e.starts_on, e.name), '[]')
                from operational.exercise as e
                where e.clinic_id = x.clinic_id and e.plan_id = x.plan_id and e.ends_on >= e.starts_on
            ) as exercises,
            (
                select coalesce(jsonb_agg(
                    jsonb_build_object('day', a.day, 'prescribed', a.prescribed, 'done', a.done) order by a.day
                ), '[]')
                from operational.adherence as a
                where a.clinic_id = x.clinic_id and a.plan_id = x.plan_id and a.day <= {today} and a.deleted_at is null
            ) as days
        from operational.treatment_plan as x
        where {of_patient}
    ) as s
) as plans""").format(of_patient=_OF_PATIENT, today=_TODAY)
_CONSENTS = sql.SQL("""
(
    select coalesce(jsonb_agg(to_jsonb(s) order by s.purpose), '[]')
    from (
        select distinct on (e.purpose) e.purpose, e.text_version, e.occurred_at,
            case when n.ends_at <= statement_timestamp() then n.ends_at else e.expires_at end as expires_at,
            case when e.signer_id = p.person_id then 'self' else e.signer_id::text end as signer,
            e.kind = 'signed' and coalesce(n.ends_at > statement_timestamp(), true) as stands
        from operational.consent_event as e
        left join lateral operational.consent_ends(
            e.clinic_id, e.person_id, e.purpose, e.text_version, e.signer_id, e.occurred_at, e.expires_at
        ) as n on e.kind = 'signed'
        where e.person_id = p.person_id and e.clinic_id = r.clinic_id and e.occurred_at <= statement_timestamp()
        order by e.purpose, e.occurred_at desc, (e.kind = 'revoked') desc, e.expires_at, e.event_id
    ) as s
) as consents""")
# People see all of their guardians by name; a guardian sees no other.
_GUARDIANS = {
    True: sql.SQL(f"""
(
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', g.guardian_id, 'name', h.name, 'relationship', g.relationship, 'until', g.ends_on) order by h.name), '[]')
    from operational.guardianship as g
    inner join operational.person as h on h.person_id = g.guardian_id
    where g.dependent_id = p.person_id and {STANDS}
) as guardians"""),  # nosec B608 # constants
    False: sql.SQL("""
jsonb_build_array(jsonb_build_object(
    'id', me.person_id, 'name', me.name, 'relationship', g.relationship, 'until', g.ends_on)) as guardians
"""),
}
# What the pipeline moved, a line a day: what is confidential may be behind it, so no guardian sees one.
_BATCHES = sql.SQL("""
        union all
        select (array_agg(b.event_id order by b.occurred_at, b.event_id))[1], min(b.occurred_at), b.clinic_id,
            'pipeline', null, 'pipeline.ingest', 'operations', array_agg(distinct b.asset)
        from audit.batch_patient as b
        where b.clinic_id = r.clinic_id and b.patient_id = r.patient_id
        group by b.clinic_id, (b.occurred_at at time zone 'UTC')::date""")
_ACCESSES = sql.SQL(f"""
(
    select coalesce(jsonb_agg(to_jsonb(e) || jsonb_build_object('leaf', (
        select min(l.index) from audit.leaf as l where l.stream = 'access' and l.event_id = e.event_id
    )) order by e.occurred_at desc, e.event_id desc), '[]')
    from (
        select {EVENT}
        from audit.disclosure as d
        inner join audit.access_event as e on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where d.clinic_id = r.clinic_id and d.patient_id = r.patient_id
        union
        select {EVENT}
        from audit.disclosure_chunk as d
        inner join audit.access_event as e on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where d.clinic_id = r.clinic_id and d.prefix = left(r.patient_id::text, 3)
        {{batches}}
        order by occurred_at desc, event_id desc
        limit %(most)s
    ) as e
) as accesses""")  # nosec B608 # constants


async def carried(
    grant: PersonGrant, dependent: UUID | None, clinic: str, fields: tuple[ProfileField, ...], *, own: bool
) -> dict[str, Any]:
    """What the caller or a dependent has at a clinic: columns of the profile, and lists of records.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic.
    """
    grant.narrow(str(dependent or OWN))
    me = grant.caller.principal.person_id
    return await grant.disclose(_statement(own, fields), me=me, dependent=dependent, clinic=clinic, most=MOST_ACCESSES)


@cache
def _statement(own: bool, fields: tuple[ProfileField, ...]) -> str:
    read, keys = columns(fields)
    accesses = _ACCESSES.format(batches=_BATCHES if own else sql.SQL(""))
    parts = [read, _HEAD, _APPOINTMENTS, _ANSWERS, _PLANS, _CONSENTS, _GUARDIANS[own], accesses]
    return statement(Action.EXPORT_MAKE, sql.SQL(", ").join(parts), keys + _CLINIC, own=own, at_clinic=True)
