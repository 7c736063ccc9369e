"""Booking as a newcomer, without an account: where the clinic has opened its page. Others are led to their own."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.bookings import service
from api.bookings.schemas import BookedPatient
from api.gateway import Caller
from api.identity import booking_pages, codes, sessions
from api.pages.booking_form import offered, ordered, times_of
from api.pages.faults import Faults, of, read_as
from api.pages.free_times import FreeTimes, asked_for
from api.pages.visitors import form_page, of_own_page, page
from api.services import Services, Serving, caller_of
from infra.errors import InvalidInput, NotThere, Refused
from policies.words import Role

router = APIRouter(prefix="/book/{clinic}")

Typed = Annotated[str, Form(max_length=330)]


@router.get("")
async def booking_form(request: Request, serving: Serving, clinic: str) -> Response:
    """The form; who is signed in as a patient or guardian books on a page of their own."""
    if await _has_pages(request, serving):
        return RedirectResponse(f"/me/book/{clinic}", 303)
    return await _page(request, serving, await _caller(request, serving, clinic), clinic, {})


@router.post("")
async def book(
    request: Request,
    serving: Serving,
    clinic: str,
    offer: Typed = "",
    starts_at: Typed = "",
    name: Typed = "",
    email: Typed = "",
    key: Typed = "",
    do: Typed = "",
    form: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Book it, and have a code sent: whether somebody was known already is not said; or look when it is free."""
    caller = await _caller(request, serving, clinic)
    typed = {"offer": offer, "starts_at": starts_at, "name": name, "email": email, "key": key}
    if not of_own_page(request, serving, form):
        return await _page(request, serving, caller, clinic, typed, status=400)
    entry = await serving.directory.find(clinic)
    asked = ordered(offer, starts_at, entry)
    if asked_for(do) and entry:
        free, faults = await times_of(serving, caller, entry, asked, do)
        return await _page(request, serving, caller, clinic, typed, faults, free=free)
    # Each try counts, and is not given back: a code goes to whatever email is named.
    await codes.take_attempt(serving, caller)
    whom, faults = read_as(BookedPatient, {"name": name, "email": email or None})
    if whom is None:
        return await _page(request, serving, caller, clinic, typed, faults, 422)
    try:
        await service.book(serving, caller, clinic, asked.model_copy(update={"patient": whom}), key or None)
    except (InvalidInput, Refused) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        found = {place.removeprefix("patient."): rule for place, rule in of(error).items()}
        return await _page(request, serving, caller, clinic, typed, found, status)
    return page(request, "entry/booked.html")


async def _has_pages(request: Request, serving: Services) -> bool:
    token = request.cookies.get(serving.cookie(sessions.COOKIE))
    session = await serving.session(token) if token else None
    subject = session.principal.subject if session and session.complete else None
    return subject is not None and (subject.has(Role.PATIENT) or subject.has(Role.GUARDIAN))


async def _caller(request: Request, serving: Services, clinic: str) -> Caller:
    """The clinic's page, as which a newcomer books.

    Raises:
        NotThere: no such clinic, or its page is not open.
    """
    async with serving.pool.connection() as connection:
        principal = await booking_pages.page_of(connection, clinic)
    if principal is None:
        raise NotThere("no such page")
    return caller_of(request, principal)


async def _page(
    request: Request,
    serving: Services,
    caller: Caller,
    clinic: str,
    typed: dict[str, Any],
    faults: Faults | None = None,
    status: int = 200,
    free: FreeTimes | None = None,
) -> Response:
    offers = await offered(serving, caller, clinic)
    return form_page(
        request, serving, "entry/book.html", status,
        **offers, typed=typed, faults=faults or {}, free=free,
    )  # fmt: skip
