"""Bookings by a clinic's staff: for a patient of the clinic, or for somebody new by name and contact."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.bookings import service
from api.bookings.schemas import BookedPatient, Verification
from api.pages.booking_form import offered, ordered, times_of
from api.pages.faults import Faults, of, read_as
from api.pages.free_times import FreeTimes, asked_for
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.services import Services, Serving
from infra.errors import InvalidInput, Refused

router = APIRouter(prefix="/clinics/{clinic}/book")

Typed = Annotated[str, Form(max_length=330)]
# What the day's list says of a booking.
DONE = {Verification.NOTHING_TO_SEND_TO: "booked_without_code"}


@router.get("")
async def booking_form(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, patient: str = ""
) -> Response:
    """A form for a booking; `patient` names whom of the clinic it is for."""
    return await _page(request, serving, visiting, clinic, {"patient": patient})


@router.post("")
async def book(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    offer: Typed = "",
    starts_at: Typed = "",
    patient: Typed = "",
    name: Typed = "",
    email: Typed = "",
    phone: Typed = "",
    key: Typed = "",
    do: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Book it, or look when it is free; somebody new gets a code by email."""
    visiting.sent(csrf)
    typed = {"offer": offer, "starts_at": starts_at, "patient": patient, "name": name, "email": email,
             "phone": phone, "key": key}  # fmt: skip
    entry = await serving.directory.find(clinic)
    asked = ordered(offer, starts_at, entry)
    if asked_for(do) and entry:
        free, faults = await times_of(serving, visiting.caller, entry, asked, do)
        return await _page(request, serving, visiting, clinic, typed, faults, free=free)
    whom: dict[str, Any] = (
        {"id": patient} if patient else {"name": name, "email": email or None, "phone": phone or None}
    )
    booked_for, faults = read_as(BookedPatient, whom)
    if booked_for is None:
        return await _page(request, serving, visiting, clinic, typed, faults, 422)
    try:
        booked = await service.book(
            serving, visiting.caller, clinic, asked.model_copy(update={"patient": booked_for}), key or None
        )
    except (InvalidInput, Refused) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        found = {place.removeprefix("patient."): rule for place, rule in of(error).items()}
        return await _page(request, serving, visiting, clinic, typed, found, status)
    shown = {"day": starts_at[:10], "done": DONE.get(booked.verification, "")}
    return RedirectResponse(f"/clinics/{clinic}/appointments?{urlencode(shown)}", 303)


async def _page(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    typed: dict[str, Any],
    faults: Faults | None = None,
    status: int = 200,
    free: FreeTimes | None = None,
) -> Response:
    offers = await offered(serving, visiting.caller, clinic)
    return page(
        request, "staff/book.html", status,
        visitor=visiting, **offers, typed=typed, faults=faults or {}, free=free,
    )  # fmt: skip
