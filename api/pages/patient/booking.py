"""Booking in one's own sign-in, for oneself or a dependent: a clinic, then what, with whom and when."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from api.bookings import service
from api.consents import service as consents
from api.pages.booking_form import offered, ordered, times_of
from api.pages.faults import Faults, of
from api.pages.free_times import FreeTimes, asked_for
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.visitors import Csrf
from api.services import Services, Serving
from infra.errors import InvalidInput, Refused

router = APIRouter(prefix="/book")

Typed = Annotated[str, Form(max_length=300)]


@router.get("")
async def clinics_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """The clinics, those that know the person first."""
    found = await consents.list_consents(serving, whose.caller, None, whose.dependent)
    known = {consent.clinic for consent in found.consents if consent.registered}
    return await show(request, serving, whose, "patient/book_where.html", known=known)


@router.get("/{clinic}")
async def booking_form(request: Request, serving: Serving, whose: AsWhose, clinic: str) -> Response:
    """What the clinic offers, and a time for it."""
    return await _page(request, serving, whose, clinic)


@router.post("/{clinic}")
async def book(
    request: Request,
    serving: Serving,
    whose: AsWhose,
    clinic: str,
    offer: Typed = "",
    starts_at: Typed = "",
    key: Typed = "",
    do: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Book it, or look when it is free; the key goes with the form, so that a form that is sent twice books once."""
    whose.visitor.sent(csrf)
    entry = await serving.directory.find(clinic)
    asked = ordered(offer, starts_at, entry).model_copy(update={"dependent": whose.dependent})
    typed = {"offer": offer, "starts_at": starts_at, "key": key}
    if asked_for(do) and entry:
        free, faults = await times_of(serving, whose.caller, entry, asked, do)
        return await _page(request, serving, whose, clinic, typed=typed, faults=faults, free=free)
    try:
        await service.book(serving, whose.caller, clinic, asked, key or None)
    except (InvalidInput, Refused) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        return await _page(request, serving, whose, clinic, status, typed=typed, faults=of(error))
    return whose.to("/appointments")


async def _page(
    request: Request,
    serving: Services,
    whose: Whose,
    clinic: str,
    status: int = 200,
    typed: dict[str, str] | None = None,
    faults: Faults | None = None,
    free: FreeTimes | None = None,
) -> Response:
    offers = await offered(serving, whose.caller, clinic)
    return await show(
        request,
        serving,
        whose,
        "patient/book.html",
        status,
        **offers,
        typed=typed or {},
        faults=faults or {},
        free=free,
    )
