"""Taking one's records along: an export of each clinic, and what was brought from one to another."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.consents import service as consents
from api.exports import service as exports
from api.exports.routes import as_file
from api.exports.schemas import Exporting
from api.handovers import service as handovers
from api.pages.bringing import fault, typed
from api.pages.faults import one
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.visitors import Csrf
from api.services import Services, Serving
from api.uploads import TooLarge, Upload, received
from infra.errors import Misplaced

router = APIRouter(prefix="/data")


@router.get("")
async def data_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """A button for each clinic, and what was brought to clinics."""
    return await _page(request, serving, whose)


@router.post("/{clinic}/bring")
async def bring(
    request: Request, serving: Serving, whose: AsWhose, clinic: str, sent: Annotated[Upload, Depends(received)]
) -> Response:
    """Show what a file would bring to a clinic; or bring it, where the form says which one was shown."""
    try:
        said = typed(request, sent)
    except TooLarge as error:  # nothing of it was read, nor is anything done
        return await _page(request, serving, whose, 422, fault=fault(error), at=clinic)
    whose.visitor.sent(said.csrf)
    try:
        if said.digest:
            await handovers.bring_own(serving, whose.caller, clinic, said.file, said.digest, whose.dependent)
            return whose.to("/data")
        found = await handovers.preview_own(serving, whose.caller, clinic, said.file, whose.dependent)
    except Misplaced as error:
        return await _page(request, serving, whose, 422, fault=fault(error), at=clinic)
    return await show(request, serving, whose, "patient/data_preview.html", found=found, at=clinic)


@router.post("/{clinic}")
async def export(serving: Serving, whose: AsWhose, clinic: str, csrf: Csrf = "") -> Response:
    """Everything of the person's at a clinic, as one signed file."""
    whose.visitor.sent(csrf)
    return as_file(await exports.make(serving, whose.caller, one(Exporting, {"clinic": clinic}), whose.dependent))


async def _page(
    request: Request, serving: Services, whose: Whose, status: int = 200, fault: str | None = None, at: str = ""
) -> Response:
    found = await consents.list_consents(serving, whose.caller, None, whose.dependent)
    brought = await handovers.list_own(serving, whose.caller, whose.dependent)
    known = sorted({consent.clinic for consent in found.consents if consent.registered})
    return await show(
        request, serving, whose, "patient/data.html", status, known=known, brought=brought.records, fault=fault, at=at
    )
