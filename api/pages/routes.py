"""The pages. They ask the same services as the API, so a page view is the same recorded access."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.audit import service as audit
from api.audit.schemas import Filters
from api.clinics.routes import visible
from api.pages.charts import DIMENSIONS, chart, charts
from api.pages.filters import audit_filters
from api.pages.show import ACTIONS
from api.pages.visitors import Visiting, Visitor, page
from api.segments import service as segments
from api.services import Services, Serving
from policies.words import Role

MEMBERS_A_PAGE = 50
EVENTS_A_PAGE = 50

router = APIRouter()


Cursor = Annotated[str | None, Query(max_length=400)]


@router.get("/")
async def home(visiting: Visiting) -> Response:
    """Where somebody with these roles begins."""
    managed = visiting.caller.principal.subject.clinics(Role.CLINIC_MANAGER)
    if len(managed) == 1:
        return RedirectResponse(f"/clinics/{managed[0]}/segments", 303)
    return RedirectResponse("/audit" if visiting.audits and not managed else "/clinics", 303)


@router.get("/clinics")
async def clinics_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The clinics that the visitor may know of."""
    managed = visiting.caller.principal.subject.clinics(Role.CLINIC_MANAGER)
    found = await visible(serving, visiting.caller)
    return page(request, "clinics.html", visitor=visiting, clinics=found, managed=managed)


@router.get("/clinics/{clinic}/segments")
async def segments_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    by: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """A clinic's segments with their counts, and their make-up by one dimension."""
    found = await segments.list_segments(serving, visiting.caller, clinic)
    chosen = by if by in DIMENSIONS else next(iter(DIMENSIONS))
    shown = [{**segment, "chart": chart(segment["make_up"], chosen)} for segment in found.segments]
    return page(
        request,
        "segments.html",
        visitor=visiting,
        clinic=found.clinic,
        segments=shown,
        by=chosen,
        dimensions=DIMENSIONS,
    )


@router.get("/clinics/{clinic}/segments/{segment}")
async def segment_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str, cursor: Cursor = None
) -> Response:
    """One segment: its make-up and its members by name."""
    found = await segments.read_segment(serving, visiting.caller, clinic, segment)
    members = await segments.list_members(serving, visiting.caller, clinic, segment, MEMBERS_A_PAGE, cursor)
    return page(
        request,
        "segment.html",
        visitor=visiting,
        clinic=found.clinic,
        segment=found.segments[0],
        charts=charts(found.segments[0]["make_up"]),
        page=members,
        first=cursor is None,
    )


@router.get("/audit")
async def audit_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    filters: Annotated[Filters, Depends(audit_filters)],
    clinic: Annotated[str, Query(max_length=40)] = "",
    cursor: Cursor = None,
) -> Response:
    """The access log, newest first, as far as the visitor may see it."""
    chosen = clinic or audit.only_clinic(visiting.caller)
    found = await audit.search(serving, visiting.caller, chosen or None, filters, EVENTS_A_PAGE, cursor)
    return page(
        request,
        "audit.html",
        visitor=visiting,
        found=found,
        filters=filters,
        clinic=chosen or "",
        clinics=await _audited(serving, visiting),
        actions=[action.value for action in ACTIONS],
        query=[(k, v) for k, v in request.query_params.multi_items() if k != "cursor" and v],
        first=cursor is None,
    )


async def _audited(serving: Services, visiting: Visitor) -> list[str]:
    """The clinics whose log the visitor may choose."""
    subject = visiting.caller.principal.subject
    if subject.has(Role.PLATFORM_AUDITOR):
        return [clinic.slug for clinic in await serving.directory.clinics()]
    return subject.clinics(Role.CLINIC_AUDITOR)
