"""Builds, checks and checkpoints in the database: the pipeline's own book, and heads of trees."""

from typing import Any

from psycopg import sql

from api.gateway import Grant

# Of each clinic: what failed in the newest run that had to do with it.
_CLINICS = sql.SQL("""
select c.slug as clinic, c.name, m.as_of, m.built_at, f.model as failed_model, f.failed_by
from operational.clinic as c
left join pipeline.mart_state as m on m.clinic = c.slug
left join lateral (
    select r.model, concat_ws(' ', r.sqlstate, r.constraint_name) as failed_by
    from pipeline.clinic_run as r
    where
        r.clinic = c.slug and r.status = 'failed'
        and r.invocation_id = (
            select n.invocation_id from pipeline.clinic_run as n
            where n.clinic = c.slug order by n.finished_at desc limit 1
        )
    order by r.finished_at limit 1
) as f on true
where c.archived_at is null""")
_SEALED = sql.SQL("""
select distinct on (stream) stream as log, size, signed_at from audit.checkpoint order by stream, size desc""")

# What failed comes first.
_CHECKS = sql.SQL("""
select v.clinic, c.name, v.asset, v.check_name as check, v.passed, v.broken, v.found_at, v.failing_since
from pipeline.newest_verdict as v
inner join operational.clinic as c on c.slug = v.clinic and c.archived_at is null
order by v.passed, c.name, v.clinic, v.asset, v.check_name""")


async def builds(grant: Grant) -> list[dict[str, Any]]:
    """Each clinic with its last build, by name."""
    return await grant.read(_CLINICS, sql.SQL("name, clinic"))


async def checks(grant: Grant) -> list[dict[str, Any]]:
    """What each asset check said last of each clinic."""
    return await grant.look(_CHECKS)


async def sealed(grant: Grant) -> list[dict[str, Any]]:
    """The newest checkpoint of each log."""
    return await grant.look(_SEALED)
