"""Segments as they are edited: under the role of the clinic's reader, by one editor at a time."""

import json
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Work
from policies.segments.rule import Rule, to_json
from policies.words import ArchiveReason

# The command's lock: whoever edits a clinic's segments sees what the editor before did to all of them.
_ONE_EDITOR = sql.SQL("select pg_advisory_xact_lock(hashtextextended('cloister.segments.' || %(clinic)s, 0))")
_KNOWN = sql.SQL("""
select
    s.segment_id, s.slug, s.name, s.description, s.version, s.archived_at is not null as archived, v.rule
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version""")
_ADD = sql.SQL("""
insert into segment (segment_id, slug, name, description, version, profile_dependent, created_at, created_by)
values (%(segment)s, %(slug)s, %(name)s, %(description)s, 1, false, statement_timestamp(), %(by)s)""")
_ADD_VERSION = sql.SQL("""
insert into segment_version (segment_id, version, rule, profile_dependent, fires, created_at, created_by)
values (%(segment)s, %(version)s, %(rule)s::jsonb, false, %(fires)s, statement_timestamp(), %(by)s)""")
_CHANGE = sql.SQL("""
update segment set
    name = %(name)s, description = %(description)s, version = %(version)s,
    archived_at = null, archived_by = null, archive_reason = null
where segment_id = %(segment)s""")
_ARCHIVE = sql.SQL("""
update segment set archived_at = statement_timestamp(), archived_by = %(by)s, archive_reason = %(reason)s
where segment_id = %(segment)s""")
_DEPEND = sql.SQL("""
update segment set profile_dependent = slug = any(%(dependent)s::text[])
where archived_at is null and profile_dependent <> (slug = any(%(dependent)s::text[]))""")
# What a version has once told of a profile, it has told.
_DEPEND_VERSION = sql.SQL("""
update segment_version as v set profile_dependent = true
from segment as s
where
    s.segment_id = v.segment_id and s.version = v.version and s.archived_at is null and not v.profile_dependent
    and s.slug = any(%(dependent)s::text[])""")


async def known(work: Work) -> list[dict[str, Any]]:
    """Every segment of the clinic with its newest rule, which nobody else edits until the work ends."""
    await work.run(_ONE_EDITOR, clinic=work.clinic.slug if work.clinic else "")
    return await work.run(_KNOWN)


async def add(work: Work, slug: str, name: str, description: str) -> UUID:
    """Add a segment at its first version, which is still to be put there."""
    segment, by = uuid4(), work.caller.principal.principal_id
    await work.run(_ADD, segment=segment, slug=slug, name=name, description=description, by=by)
    return segment


async def put_version(work: Work, segment: UUID, version: int, rule: Rule, *, fires: bool) -> None:
    """Put a version's rule there, and whether automation may act on whom it brings in or out; `depend` comes next."""
    by, text = work.caller.principal.principal_id, json.dumps(to_json(rule))
    await work.run(_ADD_VERSION, segment=segment, version=version, rule=text, fires=fires, by=by)


async def change(work: Work, segment: UUID, name: str, description: str, version: int) -> None:
    """Give a segment these words and that version, and have it back if it was archived."""
    await work.run(_CHANGE, segment=segment, name=name, description=description, version=version)


async def archive(work: Work, segment: UUID, reason: ArchiveReason) -> None:
    """Put a segment away."""
    by = work.caller.principal.principal_id
    await work.run(_ARCHIVE, segment=segment, by=by, reason=reason.value)


async def depend(work: Work, dependent: list[str]) -> None:
    """Have these segments, and no others, depend on profiles: an edit may change that of those that name the edited."""
    await work.run(_DEPEND, dependent=dependent)
    await work.run(_DEPEND_VERSION, dependent=dependent)
