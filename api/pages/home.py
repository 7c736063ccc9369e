"""Where somebody begins, and the clinics that they may know of."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.clinics.routes import visible
from api.gateway import Access
from api.pages.visitors import Visiting, page
from api.services import Serving
from policies.access.model import Resource
from policies.words import Action, Role

router = APIRouter()


@router.get("/")
async def home(visiting: Visiting) -> Response:
    """The first of the visitor's areas; a manager of one clinic begins there."""
    managed = visiting.caller.principal.subject.clinics(Role.CLINIC_MANAGER)
    if len(managed) == 1:
        return RedirectResponse(f"/clinics/{managed[0]}", 303)
    staffed = visiting.caller.principal.subject.clinics(Role.CLINIC_STAFF)
    if len(staffed) == 1:
        return RedirectResponse(f"/clinics/{staffed[0]}/appointments", 303)
    areas = visiting.areas(mailbox_here=False)
    return RedirectResponse(areas[0].path if areas else "/clinics", 303)


@router.get("/clinics")
async def clinics_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The clinics that the visitor may know of."""
    subject, found = visiting.caller.principal.subject, await visible(serving, visiting.caller)
    seen = [
        clinic.slug for clinic in found if visiting.sees(serving, Access(Action.CLINIC_OVERVIEW, Resource(clinic.slug)))
    ]
    return page(
        request,
        "clinics.html",
        visitor=visiting,
        clinics=found,
        seen=seen,
        managed=subject.clinics(Role.CLINIC_MANAGER),
        staffed=subject.clinics(Role.CLINIC_STAFF),
    )
