"""Appointments at all clinics: what is to come and what was, moving and cancelling, and the way into a video room."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.appointments import service
from api.appointments.schemas import Reasoned, Rescheduling
from api.confidential import service as confidential
from api.confidential.service import Marking
from api.pages.booking_form import AND, ordered
from api.pages.faults import of
from api.pages.free_times import asked_for, free_times
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.texts import N_
from api.pages.times import as_typed
from api.pages.visitors import Csrf, Cursor
from api.pages.visits import has_room, is_to_come, room_is_open
from api.services import Services, Serving
from infra.errors import InvalidInput, Refused
from policies.appointments import Reason, Status, Step

router = APIRouter(prefix="/appointments")
own = APIRouter(prefix="/appointments")

SHOWN = 50
STATUSES = {
    Status.BOOKED: N_("Booked"),
    Status.ARRIVED: N_("Arrived"),
    Status.FULFILLED: N_("Took place"),
    Status.CANCELLED: N_("Cancelled"),
    Status.NOSHOW: N_("Missed"),
}
# Why something was not done.
REFUSED = {
    "has_begun": N_("It has begun already, so it can be neither moved nor cancelled here. Call the clinic."),
    "is_cancelled": N_("It is cancelled already."),
    "closed": N_("This is not offered now."),
    "not_offered": N_("The specialist does not offer this."),
    "no_video": N_("This appointment has no video room here."),
    "no_video_server": N_("The clinic has no video server yet. Call the clinic."),
    "double_booked": N_("The same person has another appointment then: move or cancel one of the two first."),
    "not_now": N_("The video room opens half an hour before the appointment."),
}
OTHERWISE = N_("That cannot be done with this appointment now.")


@router.get("")
async def appointments_page(request: Request, serving: Serving, whose: AsWhose, cursor: Cursor = None) -> Response:
    """Appointments: the first page has those to come apart."""
    return await _page(request, serving, whose, cursor)


@router.post("/{appointment}/move")
async def move(
    request: Request,
    serving: Serving,
    whose: AsWhose,
    appointment: str,
    clinic: Annotated[str, Form(max_length=60)] = "",
    starts_at: Annotated[str, Form(max_length=40)] = "",
    offer: Annotated[str, Form(max_length=300)] = "",
    do: Annotated[str, Form(max_length=40)] = "",
    csrf: Csrf = "",
) -> Response:
    """Move an appointment to another time of its clinic's clock, or look when its specialist is free."""
    whose.visitor.sent(csrf)
    entry = await serving.directory.find(clinic)
    wanted = ordered(offer, starts_at, entry)
    if asked_for(do) and entry:
        free = await free_times(serving, whose.caller, entry, wanted, do)
        return await _page(
            request, serving, whose, None, moving={"id": appointment, "typed": starts_at, "free": free, "faults": {}}
        )
    asked = Rescheduling.model_construct(starts_at=wanted.starts_at)
    try:
        await service.own_step(serving, whose.caller, appointment, Step.RESCHEDULE, asked, whose.dependent)
    except (InvalidInput, Refused) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        moving = {"id": appointment, "typed": starts_at, "faults": of(error)}
        refused = None if "starts_at" in moving["faults"] else REFUSED.get(error.rule, OTHERWISE)
        return await _page(request, serving, whose, None, status, moving=moving, refused=refused)
    return whose.to("/appointments")


@router.post("/{appointment}/cancel")
async def cancel(request: Request, serving: Serving, whose: AsWhose, appointment: str, csrf: Csrf = "") -> Response:
    """Cancel an appointment before it begins."""
    whose.visitor.sent(csrf)
    asked = Reasoned(reason=Reason.PATIENT_ASKED)
    try:
        await service.own_step(serving, whose.caller, appointment, Step.CANCEL, asked, whose.dependent)
    except Refused as error:
        return await _page(request, serving, whose, None, 409, refused=REFUSED.get(error.rule, OTHERWISE))
    return whose.to("/appointments")


@router.get("/{appointment}/video")
async def enter(request: Request, serving: Serving, whose: AsWhose, appointment: str) -> Response:
    """Lead into the video room; a link, since a form may lead to no other host."""
    try:
        found = await service.join_own(serving, whose.caller, appointment, whose.dependent)
    except Refused as error:
        return await _page(request, serving, whose, None, 409, refused=REFUSED.get(error.rule, OTHERWISE))
    return RedirectResponse(found.link, 303)


@own.post("/{appointment}/confidential")
async def hide(
    request: Request,
    serving: Serving,
    whose: AsWhose,
    appointment: str,
    hidden: Annotated[bool, Form()] = True,
    csrf: Csrf = "",
) -> Response:
    """Hide one's own appointment from guardians, or show it again."""
    whose.visitor.sent(csrf)
    try:
        await confidential.mark_own(serving, whose.caller, "appointments", appointment, Marking(confidential=hidden))
    except Refused as error:
        return await _page(request, serving, whose, None, 409, refused=REFUSED.get(error.rule, OTHERWISE))
    return whose.to("/appointments")


async def _page(
    request: Request, serving: Services, whose: Whose, cursor: str | None, status: int = 200, **values: Any
) -> Response:
    found = await service.list_own(serving, whose.caller, SHOWN, cursor, whose.dependent)
    to_come = [each for each in reversed(found.appointments) if is_to_come(each)]
    return await show(
        request, serving, whose, "patient/appointments.html", status,
        to_come=to_come, others=[each for each in found.appointments if not is_to_come(each)], next=found.next,
        first=cursor is None, statuses=STATUSES, room_is_open=room_is_open, has_room=has_room,
        as_typed=as_typed, and_=AND, **values,
    )  # fmt: skip
