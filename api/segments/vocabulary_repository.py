"""What a clinic's rules may name: words of its services and forms, and of what was imported; of no patient."""

from typing import Any

from psycopg import sql

from api.gateway import Grant

_VOCABULARY = sql.SQL("""
with service as (
    select s.service, s.modality from operational.service as s
    union
    select a.service, a.modality from operational.appointment as a where a.deleted_at is null
),
newest as (
    select distinct on (t.template) t.template, t.title, t.questions
    from operational.form_template as t
    order by t.template, t.template_version desc
),
answered as (
    select distinct a.template, a.question from operational.form_answer as a where a.deleted_at is null
),
template as (
    select template from newest
    union
    select template from answered
    union
    select f.template from operational.form as f where f.deleted_at is null
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


async def vocabulary(grant: Grant) -> dict[str, Any]:
    """The clinic's services, modalities and templates with their questions."""
    (row,) = await grant.read(_VOCABULARY, sql.SQL("services"))
    return row
