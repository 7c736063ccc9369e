"""Whom rules would mean that are not saved: evaluated over the clinic's mart as its pipeline would, and recorded.

Of whoever stopped sharing the profile, or whose consent to it expired, rules see none, whatever the mart still holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from api.gateway import Grant
from api.segments.rules import PLACE, no_rule
from api.segments.verdict_text import PATIENTS, placed
from infra.errors import InvalidInput
from policies.segments.compiler import ActiveSegment, compile_verdicts
from policies.segments.rule import RuleError
from policies.small_counts import SMALLEST

_RULES = sql.SQL("""
select s.slug, v.rule, s.archived_at is not null as archived
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.archived_at is null or s.segment_id = %(segment)s""")
# A count of a few tells of each of them: all of those are named, and so recorded.
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
sample as (
    select patient_id
    from judged
    where holds
    order by patient_id
    limit (select case when members < %(few)s then members else %(limit)s end from counted)
)
select c.*, s.patient_id, p.name
from counted as c
left join sample as s on true
left join raw_patients as p on p.patient_id = s.patient_id""")
_COMPARE = sql.SQL("""
with {patients},
pair as (
    select *
    from unnest(%(slugs)s::text[], %(before)s::uuid[], %(after)s::uuid[], %(broken)s::boolean[])
        as p (slug, before, after, broken)
),
{passes}judged as materialized (
    select raw_patients.patient_id, verdict.segment_id from {source} where verdict.holds
    union all
    select m.patient_id, p.before
    from pair as p
    inner join segment as s on s.slug = p.slug
    inner join segment_dependence as d on d.segment_id = s.segment_id
    inner join segment_member as m on m.segment_id = s.segment_id and m.left_at is null
    inner join raw_patients on raw_patients.patient_id = m.patient_id
    where p.broken and not (d.profile_dependent and raw_patients.withheld)
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
sided as (
    select
        *,
        count(*) over (partition by kind) < %(few)s as is_of_few,
        coalesce(patient_id <= case kind when 'entered' then %(entered)s::uuid else %(left)s::uuid end, false) as behind
    from moved
),
ranked as (
    select
        *,
        row_number() over (partition by kind, behind order by patient_id) as place,
        not is_of_few and count(*) filter (where not behind) over (partition by kind) > %(limit)s as followed
    from sided
),
total as (
    select
        (select count(*) from moved where kind = 'entered') as entered,
        (select count(*) from moved where kind = 'left') as gone,
        (select jsonb_agg(to_jsonb(s) order by s.slug) from sizes as s) as sizes
)
select t.*, r.kind, r.patient_id, r.behind, r.followed, p.name
from total as t
left join ranked as r on r.is_of_few or (r.place <= %(limit)s and not r.behind)
left join raw_patients as p on p.patient_id = r.patient_id""")


@dataclass(frozen=True)
class Pair:
    """A segment as it is and as it would be, each under an id among those that are evaluated.

    As it is, a broken or archived one cannot be: it has the members that it was left with.
    """

    slug: str
    before: UUID
    after: UUID
    broken: bool = False


@dataclass(frozen=True)
class Reached:
    """How far a difference has been named: the last patient who would enter, and the last who would leave, if any."""

    entered: UUID | None = None
    left: UUID | None = None


async def rules(grant: Grant) -> tuple[dict[str, Any], Any]:
    """The rules of the clinic's active segments by slug, as JSON; and that of the grant's segment, archived too."""
    segment = grant.segment.segment_id if grant.segment else None
    rows = await grant.look(_RULES, segment=segment)
    own = next((row["rule"] for row in rows if grant.segment and row["slug"] == grant.segment.slug), None)
    return {row["slug"]: row["rule"] for row in rows if not row["archived"]}, own


async def preview(
    grant: Grant, segments: list[ActiveSegment], tried: UUID, as_of: date, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` patients whom the tried segment means; each row has the counts, the one row of none as well.

    Raises:
        InvalidInput: it takes too long, asks for too many measures, or fails for somebody.
    """
    return await _try(grant, _PREVIEW, segments, as_of, sql.SQL("patient_id"), tried=tried, limit=limit)


async def compare(
    grant: Grant,
    segments: list[ActiveSegment],
    pairs: Sequence[Pair],
    slug: str,
    as_of: date,
    after: Reached,
    limit: int,
) -> list[dict[str, Any]]:
    """Up to `limit` patients each of those who would enter and leave a segment, after those before; with the totals.

    A count of a few tells of each of them: they are all there every time, those before as `behind`.
    `followed` says whether more follow on that side.

    Raises:
        InvalidInput: it takes too long, asks for too many measures, or fails for somebody.
    """
    each = {"slugs": [p.slug for p in pairs], "before": [p.before for p in pairs], "after": [p.after for p in pairs]}
    broken = [p.broken for p in pairs]
    order, far = sql.SQL("kind, patient_id"), {"entered": after.entered, "left": after.left}
    return await _try(grant, _COMPARE, segments, as_of, order, slug=slug, limit=limit, broken=broken, **far, **each)


async def _try(
    grant: Grant, query: sql.SQL, segments: list[ActiveSegment], as_of: date, order: sql.SQL, **values: Any
) -> list[dict[str, Any]]:
    try:
        verdicts = compile_verdicts(segments)
    except RuleError as error:  # each fits, and both versions together do not
        raise no_rule(error, PLACE) from None
    texts = {"passes": placed(verdicts.passes), "source": placed(verdicts.source)}
    constants = Jsonb(verdicts.parameters)
    try:
        return await grant.disclose(
            query.format(patients=PATIENTS, **texts), order, as_of=as_of, constants=constants, few=SMALLEST, **values
        )
    except psycopg.errors.QueryCanceled:
        raise InvalidInput("takes too long", place=PLACE, rule="takes_too_long") from None
    except psycopg.DataError:  # which may quote a value, and so is not told
        raise InvalidInput("cannot be evaluated", place=PLACE, rule="not_evaluated") from None
