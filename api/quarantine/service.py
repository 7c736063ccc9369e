"""What may be asked of a clinic's quarantine; the API and pages share it."""

from datetime import datetime
from uuid import UUID

from api.gateway import Access, Caller
from api.profiles.service import as_id
from api.quarantine import repository
from api.quarantine.schemas import AskedAgain, CameIn, QuarantineEntry, QuarantineList, QuarantineReason
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.words import Action


async def waiting(serving: Services, caller: Caller, clinic: str, limit: int, cursor: str | None) -> QuarantineList:
    """What waits in a clinic's quarantine: how many rows for which reason, and a page of them.

    Raises:
        NotThere: not the caller's to see, or no such clinic; the cursor is none of this list.
    """
    bound_to = ("quarantine", clinic, caller.principal.principal_id)
    async with serving.gateway.open(caller, Access(Action.QUARANTINE_LIST, Resource(clinic))) as grant:
        after = _position(serving.cursors.open(cursor, *bound_to)) if cursor else None
        counted = await repository.reasons(grant)
        rows = await repository.entries(grant, after, limit)
        came = await repository.came_in(grant)
    page = rows[:limit]
    last = f"{page[-1]['since'].isoformat()} {page[-1]['id']}" if len(rows) > limit else None
    return QuarantineList(
        waiting=counted[0]["waiting"] if counted else 0,
        reasons=[QuarantineReason(**row) for row in counted],
        entries=[QuarantineEntry(**row) for row in page],
        came_in=[CameIn(**row) for row in came],
        next=serving.cursors.seal(last, *bound_to) if last else None,
    )


async def ask_again(serving: Services, caller: Caller, clinic: str, entry: str) -> AskedAgain:
    """Have a row tried again, which the live worker does within seconds, or `cloister quarantine retry --asked`.

    Raises:
        NotThere: no such entry that waits, or not the caller's to ask for.
        Refused: it cannot be tried again without its file.
    """
    async with serving.gateway.work(caller, Access(Action.QUARANTINE_RETRY, Resource(clinic))) as work:
        found = await repository.ask_again(work, as_id(entry))
        work.name_resource(str(found["id"]))
        await work.record()
    return AskedAgain(**found)


def _position(text: str) -> repository.Position:
    since, _, entry = text.partition(" ")
    try:
        return datetime.fromisoformat(since), UUID(entry)
    except ValueError:
        raise NotThere("no cursor of this list") from None
