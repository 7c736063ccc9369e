"""Impersonations: a form to open one, the live ones, and a button to end each."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.gateway import Access
from api.impersonations import service
from api.impersonations.schemas import Opening
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor, as_whom, page
from api.services import Services, Serving
from infra.errors import InvalidInput, NotThere
from policies.words import Action, ImpersonationReason

router = APIRouter(prefix="/impersonations")

NOBODY = N_("There is no patient or guardian of that login, or it is somebody whom nobody may act as.")
FAULTS = {
    "minutes": N_("An impersonation lasts from one minute to %(longest)s."),
    "reason": N_("Choose a reason."),
    "ticket": N_("Name a ticket: up to 64 letters, digits and . _ / # -"),
}


@router.get("")
async def impersonations_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The form, and the live impersonations of all admins."""
    return await _page(request, serving, visiting, Opening(minutes=30), None, 200)


@router.post("")
async def open_impersonation(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    subject: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=40)] = "",
    ticket: Annotated[str, Form(max_length=64)] = "",
    minutes: Annotated[int, Form(ge=0, le=1_000_000)] = 0,
    csrf: Csrf = "",
) -> Response:
    """Open one, and show its token once; or the form again, with what is wrong."""
    visiting.sent(csrf)
    asked = Opening(subject=subject.strip(), reason=reason, ticket=ticket.strip(), minutes=minutes)
    try:
        opened = await service.start(serving, visiting.caller, asked)
    except InvalidInput as error:
        return await _page(request, serving, visiting, asked, FAULTS[error.place or "ticket"], 422)
    except NotThere:
        if not serving.gateway.permits(visiting.caller.principal, Access(Action.IMPERSONATION_LIST)):
            raise
        return await _page(request, serving, visiting, asked, NOBODY, 404)
    acting = await as_whom(serving, visiting)
    return page(request, "admin/impersonation_opened.html", visitor=acting, opened=opened, subject=asked.subject)


@router.post("/end")
async def end_impersonation(
    serving: Serving,
    visiting: Visiting,
    impersonation: Annotated[str, Form(max_length=40)] = "",
    csrf: Csrf = "",
) -> Response:
    """End one, whoever opened it."""
    visiting.sent(csrf)
    await service.end(serving, visiting.caller, impersonation)
    return RedirectResponse("/impersonations", 303)


async def _page(
    request: Request, serving: Services, visiting: Visitor, asked: Opening, fault: str | None, status: int
) -> Response:
    found = await service.live(serving, visiting.caller)
    return page(
        request,
        "admin/impersonations.html",
        status,
        visitor=visiting,
        found=found.impersonations,
        own={live.impersonation_id for live in visiting.acting_as},
        asked=asked,
        fault=fault,
        reasons=[reason.value for reason in ImpersonationReason],
        longest=service.LONGEST_MINUTES,
    )
