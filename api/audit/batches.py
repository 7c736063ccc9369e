"""Which imports, runs and units of the worker touched a clinic, and whom. Each question is an event."""

from typing import Any
from uuid import UUID

from api.audit import batch_repository as repository
from api.audit.batch_schemas import Batch, Batches, BatchOfPatients, Kind, MovedPatient
from api.audit.schemas import Filters
from api.audit.service import only_clinic
from api.gateway import Access, Caller
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.words import Action


async def list_batches(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    filters: Filters,
    kind: Kind | None,
    limit: int,
    cursor: str | None,
) -> Batches:
    """A page of the batches that touched a clinic, or any.

    Raises:
        NotThere: not the caller's log, or no such clinic; the cursor is none of this list.
    """
    clinic = clinic or only_clinic(caller)
    bound_to = ("batches", clinic, kind, filters.model_dump_json(), caller.principal.principal_id)
    async with serving.gateway.open(caller, Access(Action.AUDIT_REVIEW, Resource(clinic))) as grant:
        before = serving.cursors.open_event(cursor, *bound_to) if cursor else None
        rows, more = await repository.batches(grant, filters, kind, before, limit)
    slugs = await _slugs(serving)
    found = [Batch(**row, clinic=slugs.get(row["clinic_id"])) for row in rows]
    return Batches(batches=found, next=serving.cursors.seal_event(rows[-1], *bound_to) if more else None)


async def read_batch(
    serving: Services, caller: Caller, clinic: str | None, batch: UUID | None, limit: int, cursor: str | None
) -> BatchOfPatients:
    """One batch, as far as it touched the clinic, with a page of the patients whose rows it moved.

    Raises:
        NotThere: no such batch in a log of the caller's; the cursor is none of this list.
    """
    clinic = clinic or only_clinic(caller)
    # A malformed id is looked up too, so that the try is recorded.
    named = batch or UUID(int=0)
    bound_to = ("batch", clinic, named, caller.principal.principal_id)
    async with serving.gateway.open(caller, Access(Action.AUDIT_SEARCH, Resource(clinic))) as grant:
        after = UUID(serving.cursors.open(cursor, *bound_to)) if cursor else None
        rows, more = await repository.patients(grant, named, after, limit)
    if not rows:
        raise NotThere("no such batch")
    of = (await _slugs(serving)).get(rows[0]["clinic_id"]) if rows[0]["clinics"] == 1 else None
    return BatchOfPatients(
        **{**rows[0], "patients": _moved(rows)},
        batch_id=named,
        clinic=of,
        next=serving.cursors.seal(str(rows[-1]["patient_id"]), *bound_to) if more else None,
    )


def _moved(rows: list[dict[str, Any]]) -> list[MovedPatient]:
    return [MovedPatient(**row) for row in rows if row["patient_id"]]


async def _slugs(serving: Services) -> dict[int, str]:
    return {entry.clinic_id: entry.slug for entry in await serving.directory.clinics()}
