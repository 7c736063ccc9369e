"""Bringing back a dependent who was deleted when the last guardian left, in the context of that dependent."""

from uuid import UUID

from psycopg import sql

from api.gateway import Work
from infra.errors import NotThere

_PRESENT = sql.SQL("select set_config('cloister.presented_code', %(code)s, true)")
_ENDED = sql.SQL("""
select dependent_id, guardian_id from operational.guardianship
where guardianship_id = %(guardianship)s and ended_by is not null and basis is null""")
_UNMARK = sql.SQL("""
update operational.person set deleted_at = null, deleted_by = null, delete_reason = null
where person_id = %(dependent)s and deleted_at is not null and deleted_by = %(guardian)s
returning person_id""")
_REOPEN = sql.SQL("""
update operational.guardianship set ends_on = was_until, was_until = null, ended_by = null, end_reason = null
where guardianship_id = %(guardianship)s""")


async def restore(work: Work, guardianship: UUID | None) -> UUID:
    """Take the mark away from the dependent of the guardianship that was the last, which stands again; the guardian.

    Raises:
        NotThere: no such guardianship, or nobody was deleted with it.
    """
    await work.run(_PRESENT, code=str(guardianship or ""))
    for row in await work.run(_ENDED, guardianship=guardianship):
        await work.serve(row["dependent_id"])
        if await work.run(_UNMARK, dependent=row["dependent_id"], guardian=row["guardian_id"]):
            await work.run(_REOPEN, guardianship=guardianship)
            guardian: UUID = row["guardian_id"]
            return guardian
    raise NotThere("no such thing")
