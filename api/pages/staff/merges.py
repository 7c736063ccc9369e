"""Doubtful registrations: two that one account turned out to have, merged or left apart."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.merges import service
from api.merges.schemas import Deciding
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.services import Services, Serving
from infra.errors import Refused

router = APIRouter(prefix="/clinics/{clinic}/merges")


@router.get("")
async def cases_page(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """The open cases of a clinic."""
    return await _page(request, serving, visiting, clinic)


@router.post("/{case}")
async def decide(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    case: str,
    decision: Annotated[str, Form(max_length=20)] = "",
    csrf: Csrf = "",
) -> Response:
    """Close a case."""
    visiting.sent(csrf)
    try:
        await service.decide(serving, visiting.caller, clinic, case, Deciding(decision=decision))
    except Refused as refused:
        return await _page(request, serving, visiting, clinic, 409, refused.rule)
    return RedirectResponse(f"/clinics/{clinic}/merges", 303)


async def _page(
    request: Request, serving: Services, visiting: Visitor, clinic: str, status: int = 200, refused: str = ""
) -> Response:
    found = await service.cases(serving, visiting.caller, clinic)
    entry = await serving.directory.find(clinic)
    return page(
        request, "staff/merges.html", status, visitor=visiting, clinic=entry, cases=found.cases, refused=refused
    )
