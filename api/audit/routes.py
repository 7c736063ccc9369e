"""The access log, for auditors."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.audit import service
from api.audit.schemas import AccessEvents, Filters
from api.services import ApiCaller, Serving
from policies.words import Decision

router = APIRouter(prefix="/audit", tags=["audit"])


async def asked(
    action: Annotated[
        str | None, Query(max_length=60, pattern=r"^[a-z_.]*$", description="What was done, such as `member.list`.")
    ] = None,
    decision: Annotated[Decision | None, Query(description="What the policies said.")] = None,
    principal: Annotated[UUID | None, Query(description="Who asked, also in another's name.")] = None,
    impersonation: Annotated[UUID | None, Query(description="By which impersonation.")] = None,
    patient: Annotated[UUID | None, Query(description="Whose data was disclosed: a clinic's id of a patient.")] = None,
    since: Annotated[datetime | None, Query(description="Not before.")] = None,
    until: Annotated[datetime | None, Query(description="Before.")] = None,
) -> Filters:
    """The filters of a query string."""
    return Filters(
        action=action,
        decision=decision,
        principal=principal,
        impersonation=impersonation,
        patient=patient,
        since=since,
        until=until,
    )


@router.get("/events")
async def search_events(
    serving: Serving,
    caller: ApiCaller,
    filters: Annotated[Filters, Depends(asked)],
    clinic: Annotated[str | None, Query(description="One clinic's log; without it the auditor's whole log.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Longest page.")] = 100,
    cursor: Annotated[str | None, Query(max_length=400, description="`next` of the page before.")] = None,
) -> AccessEvents:
    """Access events, newest first. The search is itself an event."""
    return await service.search(serving, caller, clinic, filters, limit, cursor)
