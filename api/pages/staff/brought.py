"""What a patient brings of another clinic to the desk: shown first, then kept."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from api.handovers import service
from api.pages.bringing import fault, typed
from api.pages.visitors import Visiting, Visitor, page
from api.services import Services, Serving
from api.uploads import TooLarge, Upload, received
from infra.errors import Misplaced
from policies.words import Role

router = APIRouter(prefix="/clinics/{clinic}/patients/{patient}/brought")


@router.get("")
async def brought_page(request: Request, serving: Serving, visiting: Visiting, clinic: str, patient: str) -> Response:
    """What a patient brought so far, and a form for what they bring now."""
    return await _page(request, serving, visiting, clinic, patient)


@router.post("/bring")
async def bring(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    patient: str,
    sent: Annotated[Upload, Depends(received)],
) -> Response:
    """Show what a file would bring; or keep it, where the form says which one was shown."""
    try:
        said = typed(request, sent)
    except TooLarge as error:  # nothing of it was read, nor is anything done
        return await _page(request, serving, visiting, clinic, patient, 422, fault=fault(error, at_the_desk=True))
    visiting.sent(said.csrf)
    try:
        if said.digest:
            await service.receive(serving, visiting.caller, clinic, patient, said.file, said.digest)
            return RedirectResponse(f"/clinics/{clinic}/patients/{patient}/brought", 303)
        found = await service.preview(serving, visiting.caller, clinic, patient, said.file)
    except Misplaced as error:
        return await _page(request, serving, visiting, clinic, patient, 422, fault=fault(error, at_the_desk=True))
    entry = await serving.directory.find(clinic)
    return page(request, "staff/brought_preview.html", visitor=visiting, clinic=entry, patient=patient, found=found)


async def _page(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    patient: str,
    status: int = 200,
    **values: Any,
) -> Response:
    found = await service.list_brought(serving, visiting.caller, clinic, patient)
    return page(
        request, "staff/brought.html", status,
        visitor=visiting, clinic=await serving.directory.find(clinic), patient=patient, brought=found.records,
        is_staff=clinic in visiting.caller.principal.subject.clinics(Role.CLINIC_STAFF), **values,
    )  # fmt: skip
