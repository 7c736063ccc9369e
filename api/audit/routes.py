"""The access log, for auditors."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from api.audit import service
from api.audit.exports import FORMATS, asked_for
from api.audit.schemas import AccessEvents, ExportedEvent, Filters, Time
from api.cursors import Cursor, Limit
from api.profiles.service import as_id
from api.services import ApiCaller, Serving
from policies.words import Decision, Purpose

router = APIRouter(prefix="/audit", tags=["audit"])

Clinic = Annotated[str | None, Query(description="One clinic's log; without it the auditor's whole log.")]


async def asked(
    action: Annotated[
        str | None, Query(max_length=60, pattern=r"^[a-z_.]*$", description="What was done, such as `member.list`.")
    ] = None,
    decision: Annotated[Decision | None, Query(description="What the policies said.")] = None,
    purpose: Annotated[Purpose | None, Query(description="What for.")] = None,
    principal: Annotated[UUID | None, Query(description="Who asked, also in another's name.")] = None,
    impersonation: Annotated[UUID | None, Query(description="By which impersonation.")] = None,
    impersonated: Annotated[bool | None, Query(description="Whether an admin acted as somebody.")] = None,
    patient: Annotated[UUID | None, Query(description="Whose data was disclosed: a clinic's id of a patient.")] = None,
    since: Annotated[Time | None, Query(description="Not before.")] = None,
    until: Annotated[Time | None, Query(description="Before.")] = None,
) -> Filters:
    """The filters of a query string."""
    return Filters(
        action=action,
        decision=decision,
        purpose=purpose,
        principal=principal,
        impersonation=impersonation,
        impersonated=impersonated,
        patient=patient,
        since=since,
        until=until,
    )


Asked = Annotated[Filters, Depends(asked)]


@router.get("/events")
async def search_events(
    serving: Serving,
    caller: ApiCaller,
    filters: Asked,
    clinic: Clinic = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AccessEvents:
    """Access events, newest first. The search is itself an event."""
    return await service.search(serving, caller, clinic, filters, limit, cursor)


@router.get(
    "/events/export",
    response_class=StreamingResponse,
    responses={200: {"content": {form.media_type: {"schema": {"type": "string"}} for form in FORMATS}}},
)
async def export_events(
    serving: Serving,
    caller: ApiCaller,
    filters: Asked,
    clinic: Clinic = None,
    accept: Annotated[str, Header(max_length=400, include_in_schema=False)] = "",
) -> StreamingResponse:
    """All that a search finds, as JSON lines, CSV or FHIR AuditEvents, by the `Accept` header. Itself recorded."""
    form = asked_for(accept)
    parts = await service.export(serving, caller, clinic, filters, form)
    headers = {"content-disposition": f'attachment; filename="access-log.{form.extension}"', "vary": "accept"}
    return StreamingResponse(parts, media_type=form.media_type, headers=headers)


@router.get("/events/{event}")
async def read_event(serving: Serving, caller: ApiCaller, event: str, clinic: Clinic = None) -> ExportedEvent:
    """One event in full, with the ids of the patients it disclosed. Itself recorded."""
    return await service.read_event(serving, caller, clinic, as_id(event))
