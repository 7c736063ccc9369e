"""Reads of segments. Each takes a grant, which records the read in the same statement.

`withheld` are the patients who stopped sharing their profile, or whose consent to it expired, which
nothing is written for: from that moment on they are neither listed nor counted in a segment that
depends on profiles, whatever the marts still hold.
"""

from collections.abc import Sequence
from datetime import datetime
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
    s.archived_at,
    coalesce(p.members, 0) as members,
    coalesce(r.make_up, '[]') as make_up
from segment as s
left join present as p on p.segment_id = s.segment_id
left join report as r on r.segment_id = s.segment_id
where
    coalesce(s.segment_id = %(only)s::uuid, (s.archived_at is not null) = %(archived)s)
    and (%(scope)s::text[] is null or s.slug = any(%(scope)s))""")

# How a segment came to be: of no patient.
_DEFINITION = sql.SQL("""
select
    s.description, v.rule, s.archived_by, s.archive_reason,
    (
        select jsonb_agg(to_jsonb(h) - 'segment_id' order by h.version)
        from segment_version as h where h.segment_id = s.segment_id
    ) as versions,
    array(
        select o.slug
        from segment as o
        inner join segment_version as u on u.segment_id = o.segment_id and u.version = o.version
        where
            o.archived_at is null
            and jsonb_path_exists(u.rule, '$.**.in_segment ? (@ == $slug)', jsonb_build_object('slug', s.slug))
        order by o.slug
    ) as used_by
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.segment_id = %(segment)s""")
# One more than asked for is looked at, to know whether a page follows; it is neither returned nor recorded.
_MEMBERS = sql.SQL("""
select
    m.patient_id,
    p.profile_shared and not x.withheld as shared,
    {fields}
from {stays} as m
inner join segment as s on s.segment_id = m.segment_id
inner join raw_patients as p on p.patient_id = m.patient_id
left join operational.profile_tombstone as w on w.patient_id = m.patient_id and w.cleared_at is null
cross join lateral (
    select w.patient_id is not null or coalesce(p.profile_until <= statement_timestamp(), false) as withheld
) as x
where
    m.segment_id = %(segment)s and {lasting}
    and (%(after)s::uuid is null or m.patient_id > %(after)s)
    and not ({dependent} and x.withheld)
order by m.patient_id
limit %(limit)s + 1""")
_PAGE = sql.SQL("""
select candidate.*, lead(patient_id) over (order by patient_id) is not null as followed
from ({members}) as candidate
order by patient_id
limit %(limit)s""")


# A stay that has lasted since before is the present rule's alone; of the past, whatever rules it lasted through.
_NOW = {"stays": "segment_member", "lasting": "m.left_at is null", "dependent": "s.profile_dependent"}
_THEN = {
    "stays": "segment_stay",
    "lasting": "m.entered_at <= %(at)s and (m.left_at is null or m.left_at > %(at)s)",
    "dependent": "(s.profile_dependent or m.profile_dependent)",
}


async def segments(grant: Grant, *, archived: bool = False) -> list[dict[str, Any]]:
    """The clinic's segments by name, the archived ones or the others, or the grant's one; with counts and make-up."""
    return await grant.read(
        _SEGMENTS,
        sql.SQL("name, slug"),
        only=grant.segment.segment_id if grant.segment else None,
        archived=archived,
        built_from=grant.clinic.built_from if grant.clinic else None,
        profile=list(PROFILE_DIMENSIONS),
        scope=sorted(key.segments) if (key := grant.caller.principal.key) and key.segments is not None else None,
    )


async def definition(grant: Grant) -> dict[str, Any]:
    """The rule of the grant's segment, its versions, and the slugs of those that name it."""
    (row,) = await grant.look(_DEFINITION, segment=_one(grant))
    return row


async def members(
    grant: Grant, fields: Sequence[Field], at: datetime | None, after: UUID | None, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` members, now or at a past time, after a patient id, by patient id, and whether more follow."""
    when = {name: sql.SQL(text) for name, text in (_THEN if at else _NOW).items()}
    rows = await grant.disclose(
        _PAGE.format(members=_MEMBERS.format(fields=_columns(fields), **when)),
        sql.SQL("patient_id"),
        segment=_one(grant),
        at=at,
        after=after,
        limit=limit,
    )
    return [_member(row, fields) for row in rows], bool(rows and rows[-1]["followed"])


def _one(grant: Grant) -> UUID:
    if grant.segment is None:
        raise ValueError("the grant is for no segment")
    return grant.segment.segment_id


def _columns(fields: Sequence[Field]) -> sql.Composable:
    shown = [field for field in fields if field is not Field.PATIENT_ID]
    return sql.SQL(", ").join([_column(field) for field in shown] or [sql.SQL("null as nothing")])


def _column(field: Field) -> sql.Composable:
    guarded = "case when p.profile_shared and not x.withheld then p.{0} end as {0}"
    return sql.SQL(guarded if needs_consent(field) else "p.{0}").format(sql.Identifier(field))


def _member(row: dict[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    """The fields asked for; a profile that is not shared leaves no key behind."""
    return {field.value: row[field] for field in fields if row["shared"] or not needs_consent(field)}
