"""One's own browser sessions: where they were opened, and a button to end each."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.identity import signing_in
from api.pages.visitors import Csrf, Visiting, page
from api.services import Serving
from infra.errors import NotThere

router = APIRouter(prefix="/sessions")


@router.get("")
async def sessions_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The visitor's live sessions, the one used last first."""
    found = await signing_in.own_sessions(serving, visiting.session)
    return page(request, "entry/sessions.html", visitor=visiting, sessions=found)


@router.post("/end")
async def end_session(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    session: Annotated[str, Form(max_length=40)] = "",
    csrf: Csrf = "",
) -> Response:
    """End one other session of the visitor."""
    visiting.sent(csrf)
    await signing_in.end_session(serving, request, visiting.session, _id(session))
    return RedirectResponse("/sessions", 303)


@router.post("/end-others")
async def end_other_sessions(request: Request, serving: Serving, visiting: Visiting, csrf: Csrf = "") -> Response:
    """End every session of the visitor but this one."""
    visiting.sent(csrf)
    await signing_in.end_session(serving, request, visiting.session, None)
    return RedirectResponse("/sessions", 303)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotThere("no such session") from None
