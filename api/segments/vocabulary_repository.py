"""Names that a clinic's rules may use: those of its catalogue, and those that its mart has; of no patient."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from api.gateway import Grant, Work
from policies.segments.names import Kind, Named

# What is offered, and what is known: whatever is offered is known, and of the catalogue more is. Offered is the newest
# version of a template, as it is asked now; a rule may still ask about answers to an older one.
_OFFERED = sql.SQL("""
with newest as (
    select distinct on (t.template) t.template, t.title, t.questions
    from operational.form_template as t
    order by t.template, t.template_version desc
)
select
    array(select s.service from operational.service as s) as services,
    array(select s.modality from operational.service as s) as modalities,
    coalesce((select jsonb_agg(to_jsonb(n)) from newest as n), '[]') as templates""")
_VOCABULARY = sql.SQL("""
with newest as (
    select * from jsonb_to_recordset(%(templates)s::jsonb) as n (template text, title text, questions jsonb)
),
service as (
    select unnest(%(services)s::text[]) as service, unnest(%(modalities)s::text[]) as modality
    union
    select a.service, a.modality from raw_appointments as a
),
answered as (
    select distinct a.template, a.question from raw_answers as a
),
template as (
    select template from newest
    union
    select template from answered
    union
    select f.template from raw_forms as f
)
select
    array(select distinct s.service from service as s order by s.service) as services,
    array(select distinct s.modality from service as s order by s.modality) as modalities,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'template', t.template, 'title', n.title, 'questions', coalesce(n.questions, '[]') || coalesce((
                select jsonb_agg(jsonb_build_object('id', a.question) order by a.question)
                from answered as a
                where
                    a.template = t.template
                    and not coalesce(n.questions, '[]') @> jsonb_build_array(jsonb_build_object('id', a.question))
            ), '[]')
        ) order by t.template)
        from template as t
        left join newest as n on n.template = t.template
    ), '[]') as templates""")
_CATALOGUE = sql.SQL("""
with question as (
    select t.template, q.found
    from operational.form_template as t
    cross join lateral jsonb_array_elements(t.questions) as q (found)
    where t.template = any(%(forms)s)
)
select 'service' as kind, s.service as name, null::text as form, null::text as question from operational.service as s
union
select 'form', t.template, null, null from operational.form_template as t
union
select 'question', q.found ->> 'id', q.template, null from question as q
union
select 'option', o.value #>> '{}', q.template, q.found ->> 'id'
from question as q
cross join lateral jsonb_path_query(q.found, '$.options[*].value') as o (value)""")
# Whole tables are read: what of them is not asked for is not.
_RECORDED = sql.SQL("""
select distinct 'service' as kind, service as name, null::text as form, null::text as question
from raw_appointments where %(services)s
union all
select distinct 'form', template, null, null from raw_forms where template = any(%(forms)s) or %(near_forms)s
union all
select distinct 'form', template, null, null from raw_answers where template = any(%(forms)s) or %(near_forms)s
union all
select distinct 'question', question, template, null from raw_answers where template = any(%(forms)s)
union all
select distinct 'option', choice, template, question
from raw_answers where choice is not null and template = any(%(choosing)s)""")


async def vocabulary(grant: Grant) -> dict[str, Any]:
    """The clinic's services, modalities and templates with their questions."""
    async with grant.viewing():
        (offered,) = await grant.look(_OFFERED)
    offered["templates"] = Jsonb(offered["templates"])
    (row,) = await grant.read(_VOCABULARY, sql.SQL("services"), **offered)
    return row


async def catalogue(at: Grant | Work, forms: Sequence[str]) -> list[Named]:
    """The clinic's services and form templates, and the questions of these forms with their options."""
    async with at.viewing():
        return await _named(at, _CATALOGUE, forms=list(forms))


async def recorded(
    at: Grant | Work, *, services: bool, near_forms: bool, forms: Sequence[str], choosing: Sequence[str]
) -> list[Named]:
    """What the clinic's mart has, if asked for: services, forms, the questions of some and the options of some."""
    wanted = {"services": services, "near_forms": near_forms, "forms": list(forms), "choosing": list(choosing)}
    return await _named(at, _RECORDED, **wanted)


async def _named(at: Grant | Work, query: sql.SQL, **values: Any) -> list[Named]:
    rows = await (at.look(query, **values) if isinstance(at, Grant) else at.run(query, **values))
    return [Named(Kind(row["kind"]), row["name"], row["form"], row["question"]) for row in rows]
