"""Batches: what imports, runs of the pipeline and the worker did, and to whom; for auditors."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.audit import batches
from api.audit.batch_schemas import Batches, BatchOfPatients, Kind
from api.audit.routes import Clinic
from api.audit.schemas import Filters, Time
from api.cursors import Cursor, Limit
from api.profiles.service import as_id
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/audit/batches", tags=["audit"])


@router.get("")
async def list_batches(
    serving: Serving,
    caller: ApiCaller,
    clinic: Clinic = None,
    kind: Annotated[Kind | None, Query(description="What made it.")] = None,
    since: Annotated[Time | None, Query(description="Ended not before.")] = None,
    until: Annotated[Time | None, Query(description="Ended before.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Batches:
    """Imports, runs and units of the worker by clinic, the last first: what each did, to how many. Itself recorded."""
    return await batches.list_batches(serving, caller, clinic, Filters(since=since, until=until), kind, limit, cursor)


@router.get("/{batch}")
async def read_batch(
    serving: Serving, caller: ApiCaller, batch: str, clinic: Clinic = None, limit: Limit = 100, cursor: Cursor = None
) -> BatchOfPatients:
    """One of them, with the ids of the patients whose rows it moved. Itself recorded."""
    return await batches.read_batch(serving, caller, clinic, as_id(batch), limit, cursor)
