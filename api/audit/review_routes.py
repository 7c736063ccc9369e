"""Reviews of the access log, for auditors."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.audit import reviews
from api.audit.review_schemas import By, Counts, Findings, Rights
from api.audit.routes import Asked, Clinic
from api.audit.schemas import Time
from api.cursors import Cursor, Limit
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("/counts")
async def count_events(
    serving: Serving,
    caller: ApiCaller,
    filters: Asked,
    by: Annotated[By, Query(description="By `day` (UTC) or by `actor`.")] = By.DAY,
    clinic: Clinic = None,
) -> Counts:
    """How many events there were; of the last 30 days unless `since` says otherwise."""
    return await reviews.count(serving, caller, clinic, filters, by)


@router.get("/rights")
async def list_rights(serving: Serving, caller: ApiCaller, clinic: Clinic = None) -> Rights:
    """Who has access to patients today, by account, key and role, and when they last used it."""
    return await reviews.rights(serving, caller, clinic)


@router.get("/unusual")
async def list_unusual(
    serving: Serving,
    caller: ApiCaller,
    clinic: Clinic = None,
    since: Annotated[Time | None, Query(description="Not before; a week before `until` unless given.")] = None,
    until: Annotated[Time | None, Query(description="Before; now unless given. A month after `since` at most.")] = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
) -> Findings:
    """Accesses worth a look: the same family name, many patients, at night, for the first time; ids alone.

    A cursor goes on in the time that its first page was asked for.
    """
    return await reviews.unusual(serving, caller, clinic, since, until, limit, cursor)
