"""What auditors may ask of the access log; the API and the page share it."""

from typing import Any
from uuid import UUID

from api.audit import repository
from api.audit.schemas import AccessEvent, AccessEvents, Filters
from api.gateway import Access, Caller
from api.services import Services
from policies.access.model import Resource
from policies.words import Action, Role


async def search(
    serving: Services, caller: Caller, clinic: str | None, filters: Filters, limit: int, cursor: str | None
) -> AccessEvents:
    """A page of the access log: one clinic's, or all of it. The search is an event as well.

    Raises:
        NotThere: not the caller's log, or no such clinic; the cursor is none of this search.
    """
    clinic = clinic or only_clinic(caller)
    entries = await serving.directory.clinics()
    bound_to = ("audit", clinic, filters.model_dump_json(), caller.principal.principal_id)
    async with serving.gateway.open(caller, Access(Action.AUDIT_SEARCH, Resource(clinic))) as grant:
        before = serving.cursors.open_event(cursor, *bound_to) if cursor else None
        rows, more = await repository.search(grant, filters, [c.clinic_id for c in entries], before, limit)
    logins = await serving.logins({row["principal_id"] for row in rows if row["principal_id"]})
    slugs = {entry.clinic_id: entry.slug for entry in entries}
    following = serving.cursors.seal_event(rows[-1], *bound_to) if more else None
    return AccessEvents(events=[_shown(row, logins, slugs) for row in rows], next=following)


def only_clinic(caller: Caller) -> str | None:
    """The clinic of an auditor of one clinic alone, who need not name it."""
    principal = caller.principal
    clinics = principal.subject.clinics(Role.CLINIC_AUDITOR)
    return clinics[0] if len(clinics) == 1 and not principal.subject.has(Role.PLATFORM_AUDITOR) else None


def _shown(row: dict[str, Any], logins: dict[UUID, str], slugs: dict[int, str]) -> AccessEvent:
    return AccessEvent.model_validate(
        {**row, "principal": logins.get(row["principal_id"]), "clinic": slugs.get(row["clinic_id"])}
    )
