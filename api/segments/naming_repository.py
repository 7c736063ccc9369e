"""Names that a clinic's rules may use: those of its catalogue, and those that its records have; of no patient."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import structlog
from psycopg import sql

from api.gateway import Grant, Work
from infra.log import where
from policies.segments.names import Kind, Named

log = structlog.get_logger()

# Of forms in whatever version: answers to an older one are still asked about.
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
select distinct 'question', question, template, null from raw_answers where template = any(%(forms)s)
union all
select distinct 'option', choice, template, question
from raw_answers where choice is not null and template = any(%(choosing)s)""")

_BEFORE = sql.SQL("savepoint aside")
_BRIEFLY = sql.SQL("set local statement_timeout = '1s'")
# Whether it failed or not: the role and the limit are again those of before.
_BACK = sql.SQL("rollback to savepoint aside")


@asynccontextmanager
async def aside(work: Work) -> AsyncIterator[None]:
    """A look that leaves its work as it was, and holds it up for moments; if it fails the work goes on without it."""
    await work.run(_BEFORE)  # to the end, with all that waited: what refuses that is no failure of the look
    work.later(_BRIEFLY)
    try:
        yield
    except psycopg.Error as error:
        log.warning("names of a rule not looked up", sqlstate=error.sqlstate, **where(error))
    work.later(_BACK)


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
