"""The quarantine of a clinic in the database, without its content."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, Work
from infra.errors import NotThere, Refused

MOST_REASONS = 200
# Of rows that came in when they were tried again.
DAYS_TOLD, MOST_TOLD = 7, 50
_OPEN = sql.SQL("q.clinic_id = %(clinic)s and q.resolved_at is null")
_REASONS = sql.SQL("""
select
    source, entity, file, reason, count(*) as entries, min(line) as first_line, min(created_at) as since,
    sum(count(*)) over () as waiting
from operational.quarantine as q
where {open}
group by source, entity, file, reason
order by entries desc, since, file, reason
limit {most}""").format(open=_OPEN, most=MOST_REASONS)
_ENTRIES = sql.SQL("""
select quarantine_id as id, source, entity, file, line, field, reason, created_at as since, retry_asked_at, tried_at,
    trouble
from operational.quarantine as q
where
    {open} and (
        %(after)s::timestamptz is null or (created_at, quarantine_id) > (%(after)s::timestamptz, %(after_id)s::uuid)
    )
order by created_at, quarantine_id
limit %(limit)s + 1""").format(open=_OPEN)
_CAME_IN = sql.SQL("""
select quarantine_id as id, source, entity, file, line, resolved_at as came_in_at
from operational.quarantine as q
where
    -- Who comes in with their file after a try in vain is closed later than they were tried.
    q.clinic_id = %(clinic)s and resolved_at <= tried_at
    and resolved_at > statement_timestamp() - make_interval(days => {days})
order by resolved_at desc, quarantine_id
limit {most}""").format(days=DAYS_TOLD, most=MOST_TOLD)
_FIND = sql.SQL("""
select q.quarantine_id, b.kind
from operational.quarantine as q
inner join operational.import_batch as b on b.batch_id = q.batch_id
where {open} and q.quarantine_id = %(entry)s""").format(open=_OPEN)
_ASK = sql.SQL("""
update operational.quarantine as q set retry_asked_at = statement_timestamp()
where {open} and quarantine_id = %(entry)s
returning quarantine_id as id, retry_asked_at""").format(open=_OPEN)
Position = tuple[datetime, UUID]


async def reasons(grant: Grant) -> list[dict[str, Any]]:
    """Reasons with how many rows wait for each, and for all of them (`waiting`)."""
    return await grant.look(_REASONS, clinic=_clinic(grant))


async def entries(grant: Grant, after: Position | None, limit: int) -> list[dict[str, Any]]:
    """Up to `limit` entries after a position, and one more if there are more."""
    at, entry = after or (None, None)
    return await grant.read(
        _ENTRIES, sql.SQL("since, id"), clinic=_clinic(grant), after=at, after_id=entry, limit=limit
    )  # fmt: skip


async def came_in(grant: Grant) -> list[dict[str, Any]]:
    """The rows that came in in these days by being tried again, the latest first."""
    return await grant.look(_CAME_IN, clinic=_clinic(grant))


async def ask_again(work: Work, entry: UUID | None) -> dict[str, Any]:
    """Note that an entry is to be tried again.

    Raises:
        NotThere: no such entry of the clinic, or it is closed.
        Refused: what its rows are read by was not kept.
    """
    found = await work.run(_FIND, clinic=work.clinic_id, entry=entry)
    if not found:
        raise NotThere("no such entry")
    if found[0]["kind"] is None:
        detail = "Its clinic hangs on other rows, or it came in before mappings were kept: import the files again."
        raise Refused("not by itself", place="entry", rule="only_with_its_files", detail=detail)
    asked = await work.run(_ASK, clinic=work.clinic_id, entry=entry)
    if not asked:  # closed meanwhile
        raise NotThere("no such entry")
    return asked[0]


def _clinic(grant: Grant) -> int | None:
    return grant.clinic.clinic_id if grant.clinic else None
