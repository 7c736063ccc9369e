"""Reads of segments. Each takes a grant, which records the read in the same statement.

Who is withheld (`withheld.py`) is neither listed nor counted in a segment whose members tell of profiles, whatever the
marts still hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant
from api.segments.members import FOLLOWING, FOLLOWING_NAMED, members_of, shown
from api.segments.withheld import ALL_WITHHELD
from policies.classification import PROFILE_DIMENSIONS, MemberField, needs_consent

_SEGMENTS = sql.SQL("""
with withheld as materialized ({withheld}),
present as (
    select m.segment_id, count(*) as members
    from segment_member as m
    inner join segment_dependence as d on d.segment_id = m.segment_id
    inner join raw_patients as p on p.patient_id = m.patient_id
    where
        m.left_at is null and {which_members}
        and (not d.profile_dependent or m.patient_id not in (select patient_id from withheld))
    group by m.segment_id
),
report as (
    select
        r.segment_id,
        jsonb_agg(jsonb_build_object('dimension', r.dimension, 'bucket', r.bucket, 'patients', r.patients)
                  order by r.dimension, r.bucket) as make_up
    from segment_report as r
    inner join segment_dependence as d on d.segment_id = r.segment_id
    where
        {which_parts}
        and ((r.dimension <> all(%(profile)s) and not d.profile_dependent) or not exists (select from withheld))
    group by r.segment_id
)
select
    s.segment_id,
    s.slug,
    s.name,
    s.description,
    s.version,
    s.profile_dependent,
    s.created_at,
    s.archived_at,
    coalesce(p.members, 0) as members,
    (select count(*) from raw_patients) as patients,
    exists (
        select from segment_broken as b where b.segment_id = s.segment_id and b.version = s.version
    ) as broken,
    coalesce(r.make_up, '[]') as make_up
from segment as s
left join present as p on p.segment_id = s.segment_id
left join report as r on r.segment_id = s.segment_id
where
    {which}
    and (%(scope)s::text[] is null or s.slug = any(%(scope)s))""")

# Which of them: one, or the archived ones or the others.
_ONE = {
    "which_members": sql.SQL("m.segment_id = %(only)s"),
    "which_parts": sql.SQL("r.segment_id = %(only)s"),
    "which": sql.SQL("s.segment_id = %(only)s"),
}
_ALL = {
    "which_members": sql.SQL("true"),
    "which_parts": sql.SQL("true"),
    "which": sql.SQL("(s.archived_at is not null) = %(archived)s"),
}
_WITH = sql.SQL("select s.*{beside} from ({segments}) as s")
ALONE = sql.SQL("")
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
            o.archived_at is null and (%(scope)s::text[] is null or o.slug = any(%(scope)s))
            and jsonb_path_exists(u.rule, '$.**.in_segment ? (@ == $slug)', jsonb_build_object('slug', s.slug))
        order by o.slug
    ) as used_by
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.segment_id = %(segment)s""")
# One more than asked for is looked at, to know whether a page follows; it is neither returned nor recorded.
# With a digest of all that it shows: who knows it already is shown nothing else. Whether somebody shares the profile is
# part of that where it is shown.
_PAGE = sql.SQL("""
with page as materialized (
    select candidate.*, lead(patient_id) over (order by patient_id) is not null as followed
    from (select * from ({members}) as m order by patient_id limit %(limit)s + 1) as candidate
    order by patient_id
    limit %(limit)s
),
shown as (select coalesce(bit_xor(hashtextextended(row({shown}, followed)::text, 0)), 0) as digest from page)
""")
_SHOWN = sql.SQL("{page} select page.*, shown.digest from shown left join page on true")
_DIGEST = sql.SQL("{page} select digest from shown")
_KNOWN = sql.SQL("select true as known")


async def segments(
    grant: Grant, *, archived: bool = False, beside: sql.Composable = ALONE, **values: Any
) -> list[dict[str, Any]]:
    """The clinic's segments by name, the archived ones or the others, or the grant's one; with counts and make-up.

    What else they are to have comes `beside` them: a further column, with its `values`.
    """
    return await grant.read(
        _WITH.format(
            segments=_SEGMENTS.format(withheld=ALL_WITHHELD, **(_ONE if grant.segment else _ALL)), beside=beside
        ),
        sql.SQL("name, slug"),
        only=grant.segment.segment_id if grant.segment else None,
        archived=archived,
        profile=list(PROFILE_DIMENSIONS),
        scope=_scope(grant),
        **values,
    )


async def definition(grant: Grant) -> dict[str, Any]:
    """The rule of the grant's segment, its versions, and the slugs of those that name it."""
    (row,) = await grant.look(_DEFINITION, segment=_one(grant), scope=_scope(grant))
    return row


@dataclass(frozen=True)
class Page:
    """Members by patient id; the last patient looked at, if more follow; a digest of all that, if there is one.

    Of what is known already there are no members, and the digest.
    """

    members: list[dict[str, Any]]
    last: UUID | None
    digest: int | None = None


async def members(
    grant: Grant,
    fields: Sequence[MemberField],
    at: datetime | None,
    after: UUID | None,
    limit: int,
    known: Callable[[int], bool] | None = None,
    named: str = "",
) -> Page:
    """Up to `limit` members, now or at a past time, after a patient id; nobody where the digest is `known`.

    With `named` those alone whose names hold it, in whatever case.
    """
    columns = (*fields, "shared") if any(map(needs_consent, fields)) else fields
    page = _PAGE.format(
        members=members_of(fields, FOLLOWING_NAMED if named else FOLLOWING, past=at is not None),
        shown=sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    values: dict[str, Any] = {"segment": _one(grant), "at": at, "after": after, "limit": limit, "named": named}
    if known is not None:
        (seen,) = await grant.look(_DIGEST.format(page=page), **values)
        if known(seen["digest"]):
            await grant.read(_KNOWN, sql.SQL("known"))
            return Page([], None, seen["digest"])
    rows = await grant.disclose(_SHOWN.format(page=page), sql.SQL("patient_id"), **values)
    found = [row for row in rows if row["patient_id"] is not None]
    last = found[-1]["patient_id"] if found and found[-1]["followed"] else None
    return Page([shown(row, fields) for row in found], last, rows[0]["digest"])


def _scope(grant: Grant) -> list[str] | None:
    """The slugs of the segments that the caller's key is for; None if it is for all of them, or there is no key."""
    key = grant.caller.principal.key
    return sorted(key.segments) if key and key.segments is not None else None


def _one(grant: Grant) -> UUID:
    if grant.segment is None:
        raise ValueError("the grant is for no segment")
    return grant.segment.segment_id
