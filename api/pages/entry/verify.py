"""Where the links of messages lead: entering a code, and setting a password. Nobody has signed in here yet."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from api.identity import password_links
from api.pages.faults import Faults, of, read_as
from api.pages.visitors import form_page, of_own_page, page
from api.services import Anybody, Services, Serving
from api.verifications import forgotten, service
from api.verifications.schemas import Answer, BookedFor
from infra.errors import InvalidInput

router = APIRouter()

Text = Annotated[str, Form(max_length=200)]


@router.get("/verify/{verification}")
async def verify_form(request: Request, serving: Serving) -> Response:
    """The form for the code; the same for every id, whether there is one or not."""
    return _verify_page(request, serving)


@router.post("/verify/{verification}")
async def verify(
    request: Request,
    serving: Serving,
    caller: Anybody,
    verification: str,
    form: Annotated[str, Form(max_length=100)] = "",
    code: Annotated[str, Form(max_length=40)] = "",
    booked_for: BookedFor = Form(default=BookedFor.SELF),  # noqa: B008
    dependent: Text = "",
    relationship: Text = "",
    holder_name: Text = "",
    birth_date: Text = "",
) -> Response:
    """Take the code, and say that what follows comes by message."""
    if not of_own_page(request, serving, form):
        return _verify_page(request, serving, 400)
    typed = {
        "code": code, "booked_for": booked_for, "dependent": _id(dependent), "relationship": relationship,
        "holder_name": holder_name, "birth_date": birth_date or None,
    }  # fmt: skip
    asked, faults = read_as(Answer, typed)
    if asked is None:
        return _verify_page(request, serving, 422, faults=faults, typed=typed)
    try:
        await service.answer(serving, caller, verification, asked)
    except InvalidInput as error:
        return _verify_page(request, serving, 422, faults=of(error), typed=typed)
    return page(request, "entry/verified.html")


@router.post("/verify/{verification}/code")
async def new_code(
    request: Request,
    serving: Serving,
    caller: Anybody,
    verification: str,
    form: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Have a new code sent, and show the form again."""
    if not of_own_page(request, serving, form):
        return _verify_page(request, serving, 400)
    await service.renew(serving, caller, verification)
    return _verify_page(request, serving, sent=True)


@router.get("/forgotten")
async def forgotten_form(request: Request, serving: Serving) -> Response:
    """The form for the email of whoever forgot the password."""
    return form_page(request, serving, "entry/forgotten.html", sent=False, fault=False)


@router.post("/forgotten")
async def forget(
    request: Request,
    serving: Serving,
    caller: Anybody,
    form: Annotated[str, Form(max_length=100)] = "",
    email: Annotated[str, Form(max_length=320)] = "",
) -> Response:
    """Have a link sent, and say so, whether there is an account or not."""
    if not of_own_page(request, serving, form):
        return form_page(request, serving, "entry/forgotten.html", 400, sent=False, fault=False)
    try:
        await forgotten.forget(serving, caller, email)
    except InvalidInput:
        return form_page(request, serving, "entry/forgotten.html", 422, sent=False, fault=True)
    return form_page(request, serving, "entry/forgotten.html", sent=True, fault=False)


@router.get("/password/{token}")
async def password_form(request: Request, serving: Serving, token: str) -> Response:
    """The form for a new password, with the login that it is for while the link is good."""
    return await _password_page(request, serving, token)


@router.post("/password/{token}")
async def set_password(
    request: Request,
    serving: Serving,
    token: str,
    form: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    """Set the password, say with which login it goes, and lead on to the sign-in."""
    if not of_own_page(request, serving, form):
        return await _password_page(request, serving, token, 400)
    try:
        login = await password_links.set_password(serving, request, token, password)
    except InvalidInput as error:
        return await _password_page(request, serving, token, 422, place=error.place)
    return page(request, "entry/password_set.html", login=login)


async def _password_page(
    request: Request, serving: Services, token: str, status: int = 200, *, place: str = ""
) -> Response:  # fmt: skip
    login = await password_links.login_of(serving, token)
    return form_page(request, serving, "entry/password.html", status, place=place, login=login)


def _verify_page(
    request: Request,
    serving: Services,
    status: int = 200,
    *,
    faults: Faults | None = None,
    sent: bool = False,
    typed: dict[str, Any] | None = None,
) -> Response:
    verification = request.path_params["verification"]
    return form_page(
        request, serving, "entry/verify.html", status,
        verification=verification, faults=faults or {}, sent=sent, typed=typed or Answer().model_dump(),
    )  # fmt: skip


def _id(text: str) -> UUID | None:
    """An id that was typed; one that nobody has stands for what is none."""
    try:
        return UUID(text) if text.strip() else None
    except ValueError:
        return UUID(int=0)
