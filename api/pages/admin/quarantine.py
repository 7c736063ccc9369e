"""A clinic's quarantine: why imports could not take rows, where these are, and a button to have one tried again."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.pages.texts import N_
from api.pages.visitors import Csrf, Cursor, Visiting, Visitor, page
from api.quarantine import service
from api.services import Services, Serving
from infra.errors import NotThere, Refused

router = APIRouter(prefix="/clinics/{clinic}/quarantine")

ROWS_A_PAGE = 50
NOT_AGAIN = N_("This row cannot be tried again without its file: import the mended file.")
GONE = N_("This row does not wait any more.")


@router.get("")
async def quarantine_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, cursor: Cursor = None
) -> Response:
    """What waits, by reason and row by row, and what came in after all; nothing of what the rows say."""
    return await _quarantine(request, serving, visiting, clinic, cursor)


@router.post("/retry")
async def ask_again(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    entry: Annotated[str, Form(max_length=40)] = "",
    csrf: Csrf = "",
) -> Response:
    """Have a row tried again as it is."""
    visiting.sent(csrf)
    try:
        await service.ask_again(serving, visiting.caller, clinic, entry)
    except Refused:
        return await _quarantine(request, serving, visiting, clinic, None, NOT_AGAIN, 409)
    except NotThere:
        # Whoever may not see the list is told nothing by it.
        return await _quarantine(request, serving, visiting, clinic, None, GONE, 404)
    return RedirectResponse(f"/clinics/{clinic}/quarantine", 303)


async def _quarantine(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    cursor: str | None,
    fault: str | None = None,
    status: int = 200,
) -> Response:
    found = await service.waiting(serving, visiting.caller, clinic, ROWS_A_PAGE, cursor)
    return page(
        request, "admin/quarantine.html", status, visitor=visiting, clinic=await serving.directory.find(clinic),
        found=found, cursor=cursor, first=cursor is None, fault=fault,
    )  # fmt: skip
