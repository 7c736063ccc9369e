"""Segments as they are edited: under the role of the clinic's reader, by one editor at a time."""

import json
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Work
from infra import segment_statements as statements
from policies.segments.rule import Rule, to_json
from policies.words import ArchiveReason

_ARCHIVE = sql.SQL("""
update segment set archived_at = statement_timestamp(), archived_by = %(by)s, archive_reason = %(reason)s
where segment_id = %(segment)s""")


async def known(work: Work) -> list[dict[str, Any]]:
    """Every segment of the clinic with its newest rule, which nobody else edits until the work ends."""
    await work.run(sql.SQL(statements.ONE_EDITOR), clinic=work.clinic.slug if work.clinic else "")
    return await work.run(sql.SQL(statements.KNOWN))


async def add(work: Work, slug: str, name: str, description: str) -> UUID:
    """Add a segment at its first version, which is still to be put there."""
    segment, by = uuid4(), work.caller.principal.principal_id
    await work.run(sql.SQL(statements.ADD), segment=segment, slug=slug, name=name, description=description, by=by)
    return segment


async def put_version(work: Work, segment: UUID, version: int, rule: Rule, *, fires: bool) -> None:
    """Put a version's rule there, and whether automation may act on whom it brings in or out; `depend` comes next."""
    by, text = work.caller.principal.principal_id, json.dumps(to_json(rule))
    await work.run(sql.SQL(statements.ADD_VERSION), segment=segment, version=version, rule=text, fires=fires, by=by)


async def change(work: Work, segment: UUID, name: str, description: str, version: int) -> None:
    """Give a segment these words and that version, and have it back if it was archived."""
    await work.run(sql.SQL(statements.CHANGE), segment=segment, name=name, description=description, version=version)


async def archive(work: Work, segment: UUID, reason: ArchiveReason) -> None:
    """Put a segment away."""
    by = work.caller.principal.principal_id
    await work.run(_ARCHIVE, segment=segment, by=by, reason=reason.value)


async def depend(work: Work, dependent: list[str]) -> None:
    """Have these segments, and no others, depend on profiles: an edit may change that of those that name the edited."""
    await work.run(sql.SQL(statements.DEPEND), dependent=dependent)
    await work.run(sql.SQL(statements.DEPEND_VERSION), dependent=dependent)
