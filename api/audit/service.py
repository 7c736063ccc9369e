"""What auditors may ask of the access log; the API and the page share it."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.audit import repository
from api.audit.exports import Format
from api.audit.repository import Position
from api.audit.schemas import AccessEvent, AccessEvents, ExportedEvent, Filters
from api.gateway import Access, Caller
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.words import Action, Role

# Events that an export holds in memory at a time; each such part is read and recorded by one statement.
EVENTS_A_PART = 2_000


async def search(
    serving: Services, caller: Caller, clinic: str | None, filters: Filters, limit: int, cursor: str | None
) -> AccessEvents:
    """A page of the access log: one clinic's, or all of it. The search is an event as well.

    Raises:
        NotThere: not the caller's log, or no such clinic; the cursor is none of this search.
    """
    rows, following = await _page(serving, caller, clinic, filters, limit, cursor, with_patients=False)
    return AccessEvents(events=[AccessEvent.model_validate(row) for row in rows], next=following)


async def search_with_patients(
    serving: Services, caller: Caller, clinic: str | None, filters: Filters, limit: int, cursor: str | None
) -> tuple[list[ExportedEvent], str | None]:
    """As `search`, each event with the patients whom it disclosed; and the cursor of the next page.

    Raises:
        NotThere: as of `search`.
    """
    rows, following = await _page(serving, caller, clinic, filters, limit, cursor, with_patients=True)
    return [ExportedEvent.model_validate(row) for row in rows], following


async def read_event(serving: Services, caller: Caller, clinic: str | None, event: UUID | None) -> ExportedEvent:
    """One event in full, with the patients that it disclosed; reading it is an event as well.

    Raises:
        NotThere: no such event, or not in a log of the caller's.
    """
    clinic = clinic or only_clinic(caller)
    async with serving.gateway.open(caller, Access(Action.AUDIT_SEARCH, Resource(clinic))) as grant:
        # An id that is none is looked for as well, so that this is an event in any case.
        rows, _ = await repository.search(grant, Filters(event=event or UUID(int=0)), None, 1, with_patients=True)
    if not rows:
        raise NotThere("no such event")
    return ExportedEvent.model_validate((await _names(serving, rows)).of(rows[0]))


async def export(
    serving: Services, caller: Caller, clinic: str | None, filters: Filters, form: Format
) -> AsyncIterator[str]:
    """All events that a search finds, newest first, in parts; the first is there before anything is answered.

    Each part is decided about and recorded as it is read, under one request id: an auditor who is none any more, or
    whose credentials were reset, gets no further part, and what is not whole ends without the end of its answer.

    Raises:
        NotThere: not the caller's log, or no such clinic.
        NotRecorded: the database refused; later parts end the answer as it is.
    """
    clinic, since = clinic or only_clinic(caller), time.time()
    first = await _part(serving, caller, clinic, filters, None)
    return _parts(serving, caller, clinic, filters, form, first, since)


def only_clinic(caller: Caller) -> str | None:
    """The clinic of an auditor of one clinic alone, who need not name it."""
    principal = caller.principal
    clinics = principal.subject.clinics(Role.CLINIC_AUDITOR)
    return clinics[0] if len(clinics) == 1 and not principal.subject.has(Role.PLATFORM_AUDITOR) else None


@dataclass(frozen=True)
class _Names:
    """What ids of a page of events stand for."""

    logins: dict[UUID, str]
    slugs: dict[int, str]

    def of(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with its names."""
        return {
            **row,
            "principal": self.logins.get(row["principal_id"]),
            "clinic": self.slugs.get(row["clinic_id"]),
        }


async def _names(serving: Services, rows: list[dict[str, Any]]) -> _Names:
    logins = await serving.logins({row["principal_id"] for row in rows if row["principal_id"]})
    return _Names(logins, {entry.clinic_id: entry.slug for entry in await serving.directory.clinics()})


async def _page(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    filters: Filters,
    limit: int,
    cursor: str | None,
    *,
    with_patients: bool,
) -> tuple[list[dict[str, Any]], str | None]:
    clinic = clinic or only_clinic(caller)
    bound_to = ("audit", clinic, filters.model_dump_json(), caller.principal.principal_id)
    async with serving.gateway.open(caller, Access(Action.AUDIT_SEARCH, Resource(clinic))) as grant:
        before = serving.cursors.open_event(cursor, *bound_to) if cursor else None
        rows, more = await repository.search(grant, filters, before, limit, with_patients=with_patients)
    named = await _names(serving, rows)
    return [named.of(row) for row in rows], serving.cursors.seal_event(rows[-1], *bound_to) if more else None


async def _part(
    serving: Services, caller: Caller, clinic: str | None, filters: Filters, before: Position | None
) -> tuple[list[ExportedEvent], bool]:
    async with serving.gateway.open(caller, Access(Action.AUDIT_EXPORT, Resource(clinic))) as grant:
        rows, more = await repository.search(grant, filters, before, EVENTS_A_PART, with_patients=True)
    named = await _names(serving, rows)
    return [ExportedEvent.model_validate(named.of(row)) for row in rows], more


async def _parts(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    filters: Filters,
    form: Format,
    part: tuple[list[ExportedEvent], bool],
    since: float,
) -> AsyncIterator[str]:
    events, more = part
    yield form.head + form.written(events)
    while more:
        caller = await serving.anew(caller, since)
        before = events[-1].occurred_at, events[-1].event_id
        events, more = await _part(serving, caller, clinic, filters, before)
        yield form.written(events)
