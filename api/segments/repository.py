"""Reads of segments. Each takes a grant, which records the read in the same statement.

`withheld` are the patients who stopped sharing their profile, or whose consent to it expired, which
nothing is written for: from that moment on they are neither listed nor counted in a segment that
depends on profiles, whatever the marts still hold.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant
from policies.classification import PROFILE_DIMENSIONS, Field, needs_consent

_SEGMENTS = sql.SQL("""
with withheld as materialized (
    select patient_id, recorded_at as since from operational.profile_tombstone where cleared_at is null
    union all
    select patient_id, profile_until from raw_patients where profile_until <= statement_timestamp()
),
stale as (
    select 1
    from withheld as w
    inner join raw_patients as p on p.patient_id = w.patient_id
    -- Since before the last build read what it was made from, or not swept out of the mart yet.
    where p.profile_shared or w.since > %(built_from)s::timestamptz or %(built_from)s::timestamptz is null
),
present as (
    select m.segment_id, count(*) as members
    from segment_member as m
    inner join segment as s on s.segment_id = m.segment_id
    where
        m.left_at is null
        and (not s.profile_dependent or m.patient_id not in (select patient_id from withheld))
    group by m.segment_id
),
report as (
    select
        r.segment_id,
        jsonb_agg(jsonb_build_object('dimension', r.dimension, 'bucket', r.bucket, 'patients', r.patients)
                  order by r.dimension, r.bucket) as make_up
    from segment_report as r
    inner join segment as s on s.segment_id = r.segment_id
    where (r.dimension <> all(%(profile)s) and not s.profile_dependent) or not exists (select from stale)
    group by r.segment_id
)
select
    s.slug,
    s.name,
    s.description,
    s.version,
    s.profile_dependent,
    s.created_at,
    coalesce(p.members, 0) as members,
    coalesce(r.make_up, '[]') as make_up
from segment as s
left join present as p on p.segment_id = s.segment_id
left join report as r on r.segment_id = s.segment_id
where
    s.archived_at is null
    and (%(only)s::uuid is null or s.segment_id = %(only)s)
    and (%(scope)s::text[] is null or s.slug = any(%(scope)s))""")

# One more than asked for is looked at, to know whether a page follows; it is neither returned nor recorded.
_MEMBERS = sql.SQL("""
select
    m.patient_id,
    p.profile_shared and not x.withheld as shared,
    {fields}
from segment_member as m
inner join segment as s on s.segment_id = m.segment_id
inner join raw_patients as p on p.patient_id = m.patient_id
left join operational.profile_tombstone as w on w.patient_id = m.patient_id and w.cleared_at is null
cross join lateral (
    select w.patient_id is not null or coalesce(p.profile_until <= statement_timestamp(), false) as withheld
) as x
where
    m.segment_id = %(segment)s and m.left_at is null
    and (%(after)s::uuid is null or m.patient_id > %(after)s)
    and not (s.profile_dependent and x.withheld)
order by m.patient_id
limit %(limit)s + 1""")
_PAGE = sql.SQL("""
select candidate.*, lead(patient_id) over (order by patient_id) is not null as followed
from ({members}) as candidate
order by patient_id
limit %(limit)s""")


async def segments(grant: Grant) -> list[dict[str, Any]]:
    """The clinic's segments by name, or the grant's one segment, with counts and make-up."""
    return await grant.read(
        _SEGMENTS,
        sql.SQL("name, slug"),
        only=grant.segment.segment_id if grant.segment else None,
        built_from=grant.clinic.built_from if grant.clinic else None,
        profile=list(PROFILE_DIMENSIONS),
        scope=sorted(key.segments) if (key := grant.caller.principal.key) and key.segments is not None else None,
    )


async def members(
    grant: Grant, fields: Sequence[Field], after: UUID | None, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` present members after a patient id, by patient id, and whether more follow."""
    if grant.segment is None:
        raise ValueError("the grant is for no segment")
    rows = await grant.disclose(
        _PAGE.format(members=_MEMBERS.format(fields=_columns(fields))),
        sql.SQL("patient_id"),
        segment=grant.segment.segment_id,
        after=after,
        limit=limit,
    )
    return [_member(row, fields) for row in rows], bool(rows and rows[-1]["followed"])


def _columns(fields: Sequence[Field]) -> sql.Composable:
    shown = [field for field in fields if field is not Field.PATIENT_ID]
    return sql.SQL(", ").join([_column(field) for field in shown] or [sql.SQL("null as nothing")])


def _column(field: Field) -> sql.Composable:
    guarded = "case when p.profile_shared and not x.withheld then p.{0} end as {0}"
    return sql.SQL(guarded if needs_consent(field) else "p.{0}").format(sql.Identifier(field))


def _member(row: dict[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    """The fields asked for; a profile that is not shared leaves no key behind."""
    return {field.value: row[field] for field in fields if row["shared"] or not needs_consent(field)}
