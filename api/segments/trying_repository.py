"""Whom rules would mean that are not saved: evaluated over the clinic's mart as its pipeline would, and recorded.

Of whoever stopped sharing the profile, or whose consent to it expired, rules see none, whatever the mart still holds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from api.gateway import Grant
from infra.errors import InvalidInput
from policies.classification import Field, needs_consent
from policies.segments.compiler import ActiveSegment, compile_verdicts

_RULES = sql.SQL("""
select s.slug, v.rule
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.archived_at is null""")
# In the place of the mart's own table, which the text of the verdicts reads by its name.
PATIENTS = sql.SQL("""raw_patients as (
    select p.patient_id, p.name, p.registered_on, x.shared as profile_shared, u.withheld, {profile}
    from raw_patients as p
    left join operational.profile_tombstone as w on w.patient_id = p.patient_id and w.cleared_at is null
    cross join lateral (
        select w.patient_id is not null or coalesce(p.profile_until <= statement_timestamp(), false) as withheld
    ) as u
    cross join lateral (select p.profile_shared and not u.withheld as shared) as x
)""").format(
    profile=sql.SQL(", ").join(
        sql.SQL("case when x.shared then p.{0} end as {0}").format(sql.Identifier(field))
        for field in Field
        if needs_consent(field)
    )
)
_PREVIEW = sql.SQL("""
with {patients},
{passes}judged as materialized (
    select raw_patients.patient_id, verdict.holds from {source} where verdict.segment_id = %(tried)s
),
counted as (
    select
        count(*) as patients,
        count(*) filter (where holds) as members,
        count(*) filter (where holds is null) as undecided
    from judged
),
sample as (select patient_id from judged where holds order by patient_id limit %(limit)s)
select c.*, s.patient_id, p.name
from counted as c
left join sample as s on true
left join raw_patients as p on p.patient_id = s.patient_id""")
_COMPARE = sql.SQL("""
with {patients},
{passes}judged as materialized (
    select raw_patients.patient_id, verdict.segment_id from {source} where verdict.holds
),
pair as (
    select * from unnest(%(slugs)s::text[], %(before)s::uuid[], %(after)s::uuid[]) as p (slug, before, after)
),
sizes as (
    select
        p.slug,
        count(*) filter (where j.segment_id = p.before) as before,
        count(*) filter (where j.segment_id = p.after) as after
    from pair as p
    left join judged as j on j.segment_id in (p.before, p.after)
    group by p.slug
),
moved as (
    select j.patient_id, case when min(j.segment_id::text) = p.after::text then 'entered' else 'left' end as kind
    from judged as j
    inner join pair as p on p.slug = %(slug)s and j.segment_id in (p.before, p.after)
    group by j.patient_id, p.after
    having count(*) = 1
),
ranked as (select *, row_number() over (partition by kind order by patient_id) as place from moved),
total as (
    select
        (select count(*) from moved where kind = 'entered') as entered,
        (select count(*) from moved where kind = 'left') as gone,
        (select jsonb_agg(to_jsonb(s) order by s.slug) from sizes as s) as sizes
)
select t.*, r.kind, r.patient_id, p.name
from total as t
left join ranked as r on r.place <= %(limit)s
left join raw_patients as p on p.patient_id = r.patient_id""")
_PLACES = {"1": "%(as_of)s::date", "3": "%(constants)s::jsonb"}


@dataclass(frozen=True)
class Pair:
    """A segment as it is and as it would be, each under an id among those that are evaluated."""

    slug: str
    before: UUID
    after: UUID


async def rules(grant: Grant) -> dict[str, Any]:
    """The rules of the clinic's active segments by slug, as JSON."""
    return {row["slug"]: row["rule"] for row in await grant.look(_RULES)}


async def preview(
    grant: Grant, segments: list[ActiveSegment], tried: UUID, as_of: date, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` patients whom the tried segment means; each row has the counts, the one row of none as well.

    Raises:
        InvalidInput: it takes too long.
    """
    return await _try(grant, _PREVIEW, segments, as_of, sql.SQL("patient_id"), tried=tried, limit=limit)


async def compare(
    grant: Grant, segments: list[ActiveSegment], pairs: Sequence[Pair], slug: str, as_of: date, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` patients each of those who would enter and leave a segment; each row has the totals.

    Raises:
        InvalidInput: it takes too long.
    """
    each = {"slugs": [p.slug for p in pairs], "before": [p.before for p in pairs], "after": [p.after for p in pairs]}
    order = sql.SQL("kind, patient_id")
    return await _try(grant, _COMPARE, segments, as_of, order, slug=slug, limit=limit, **each)


async def _try(
    grant: Grant, query: sql.SQL, segments: list[ActiveSegment], as_of: date, order: sql.SQL, **values: Any
) -> list[dict[str, Any]]:
    verdicts = compile_verdicts(segments)
    texts = {"passes": _placed(verdicts.passes), "source": _placed(verdicts.source)}
    constants = Jsonb(verdicts.parameters)
    try:
        return await grant.disclose(
            query.format(patients=PATIENTS, **texts), order, as_of=as_of, constants=constants, **values
        )
    except psycopg.errors.QueryCanceled:
        raise InvalidInput("takes too long", place="body.rule", rule="takes_too_long") from None


def _placed(text: str) -> sql.SQL:
    """The text of verdicts with named parameters in the places of its numbered ones."""
    return sql.SQL(re.sub(r"\$([13])", lambda found: _PLACES[found[1]], text.replace("%", "%%")))
