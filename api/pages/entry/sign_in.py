"""Signing in with a password, then a code where one is needed; and signing out."""

from typing import Annotated

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.identity import sessions, signing_in
from api.pages.visitors import (
    FORM_COOKIE,
    Arriving,
    Csrf,
    Visitor,
    drop_cookie,
    form_page,
    of_own_page,
    page,
    set_cookie,
)
from api.problems import NotSignedIn
from api.services import Services, Serving

router = APIRouter()

Code = Annotated[str, Form(max_length=40)]


@router.get("/sign-in")
async def sign_in_form(request: Request, serving: Serving) -> Response:
    """The form to sign in with."""
    return form_page(request, serving, "entry/sign_in.html", failed=False)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    serving: Serving,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    form: Csrf = "",
) -> Response:
    """Sign in, and go to the first page."""
    if not of_own_page(request, serving, form):
        return form_page(request, serving, "entry/sign_in.html", 400, failed=False)
    try:
        token = await signing_in.for_session(serving, request, login, password)
    except NotSignedIn:
        return form_page(request, serving, "entry/sign_in.html", 401, failed=True)
    return _signed_in(request, serving, RedirectResponse("/", 303), token)


@router.get("/sign-in/code")
async def code_form(request: Request, arriving: Arriving) -> Response:
    """The form for the code, or the way on to where there is none to give."""
    if arriving.session.complete:
        return RedirectResponse("/", 303)
    if not arriving.caller.principal.enrolled:
        return RedirectResponse("/sign-in/set-up", 303)
    return page(request, "entry/code.html", arriving=arriving, failed=False)


@router.post("/sign-in/code")
async def give_code(
    request: Request, serving: Serving, arriving: Arriving, code: Code = "", csrf: Csrf = ""
) -> Response:
    """Complete the session with a code."""
    arriving.sent(csrf)
    try:
        token = await signing_in.step_up(serving, request, arriving.session, code)
    except NotSignedIn:
        return page(request, "entry/code.html", 401, arriving=arriving, failed=True)
    return _signed_in(request, serving, RedirectResponse("/", 303), token)


@router.get("/sign-in/set-up")
async def set_up_form(request: Request, serving: Serving, arriving: Arriving) -> Response:
    """What an authenticator app needs, for somebody who has none yet."""
    if arriving.session.complete or arriving.caller.principal.enrolled:
        return RedirectResponse("/sign-in/code", 303)
    return await _set_up_page(request, serving, arriving, 200, failed=False)


@router.post("/sign-in/set-up")
async def set_up(request: Request, serving: Serving, arriving: Arriving, code: Code = "", csrf: Csrf = "") -> Response:
    """Take the app's first code, complete the session, and show the recovery codes once."""
    arriving.sent(csrf)
    if arriving.session.complete or arriving.caller.principal.enrolled:
        return RedirectResponse("/sign-in/code", 303)
    try:
        token, codes = await signing_in.enrol(serving, request, arriving.session, code)
    except NotSignedIn:
        return await _set_up_page(request, serving, arriving, 401, failed=True)
    return _signed_in(request, serving, page(request, "entry/recovery_codes.html", codes=codes), token)


@router.post("/sign-out")
async def sign_out(request: Request, serving: Serving, arriving: Arriving, csrf: Csrf = "") -> Response:
    """End the session."""
    arriving.sent(csrf)
    token = request.cookies[serving.cookie(sessions.COOKIE)]
    await signing_in.out(serving, request, arriving.caller, token)
    answer = RedirectResponse("/sign-in", 303)
    drop_cookie(serving, answer, sessions.COOKIE)
    return answer


def _signed_in(request: Request, serving: Services, answer: Response, token: str) -> Response:
    drop_cookie(serving, answer, FORM_COOKIE)
    set_cookie(request, serving, answer, sessions.COOKIE, token, sessions.LIFETIME_HOURS * 3600)
    return answer


async def _set_up_page(
    request: Request, serving: Services, arriving: Visitor, status: int, *, failed: bool
) -> Response:
    secret = await signing_in.pending_secret(serving, arriving.session)
    uri = secret.uri(arriving.caller.principal.login)
    spaced = " ".join(secret.base32[start : start + 4] for start in range(0, len(secret.base32), 4))
    # Drawn by the style sheet, in the page itself: no picture is fetched that a cache could keep.
    drawing = segno.make(uri, error="m").svg_inline(omitsize=True, lineclass=None, svgclass="qr", border=2)
    return page(request, "entry/set_up.html", status, arriving=arriving, secret=spaced, drawing=drawing, failed=failed)
