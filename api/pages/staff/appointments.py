"""A day of a clinic: who comes when, and what is done about it."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.appointments import service
from api.appointments.schemas import Reasoned, Rescheduling
from api.messages import service as messages
from api.pages.faults import of
from api.pages.patient.appointments import OTHERWISE, STATUSES
from api.pages.specialist.agenda import REFUSED as STEP_REFUSED
from api.pages.specialist.agenda import STEPS
from api.pages.texts import N_
from api.pages.times import around, as_typed, at_clinic, day_of
from api.pages.visitors import Csrf, Cursor, Visiting, Visitor, page
from api.services import Services, Serving
from api.verifications import on_their_own
from api.verifications.schemas import Starting
from infra.errors import InvalidInput, NotThere, Refused
from policies.appointments import Reason, Step
from policies.words import Role

router = APIRouter(prefix="/clinics/{clinic}")

SHOWN = 100
Typed = Annotated[str, Form(max_length=60)]
REASONS = {
    Reason.PATIENT_ASKED: N_("The patient asked"),
    Reason.CLINIC_ASKED: N_("The clinic asked"),
    Reason.SPECIALIST_AWAY: N_("The specialist is away"),
    Reason.ENTERED_WRONGLY: N_("It was entered wrongly"),
    Reason.OTHER: N_("Another reason"),
}
REFUSED = {
    "reminded_already": N_("They were reminded within the last twelve hours."),
    "asked_already": N_("They were asked within the last week."),
    "not_to_come": N_("This appointment is over or cancelled."),
    "cared_for": N_(
        "No code was sent: they have an account or a guardian already, are not known to be of age, or have to do with "
        "more than this clinic."
    ),
    "missing": N_("That is no email address."),
    "not_valid": N_("That is no email address."),
}
DONE = {
    "reminded": N_("A reminder is on its way, if they can be reached."),
    "asked": N_("They are asked to sign, if they can be reached."),
    "code_sent": N_(
        "A code is on its way to that address, unless it had too many. "
        "Whoever enters it has the account of this patient from then on."
    ),
    "booked_without_code": N_(
        "It is booked. No code was sent, since nothing can be sent to a phone: "
        "without an email the patient has no account here."
    ),
}


@router.get("/appointments")
async def day_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    day: str = "",
    done: str = "",
    cursor: Cursor = None,
) -> Response:
    """A day's appointments, today's unless said otherwise."""
    return await _page(request, serving, visiting, clinic, day, cursor, said=DONE.get(done))


@router.post("/appointments/{appointment}/steps/{step}")
async def take(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    appointment: str,
    step: str,
    day: Typed = "",
    reason: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Say that somebody arrived, came or did not; or cancel, for a reason."""
    visiting.sent(csrf)
    taken = {**STEPS, "cancel": Step.CANCEL}.get(step)
    if taken is None:
        raise NotThere("no such step")
    asked = Reasoned(reason=Reason(reason) if reason in list(Reason) else None)
    try:
        await service.step(serving, visiting.caller, clinic, appointment, taken, asked)
    except Refused as error:
        refused = STEP_REFUSED.get(error.rule, OTHERWISE)
        return await _page(request, serving, visiting, clinic, day, None, 409, refused=refused)
    return _back(clinic, day)


@router.post("/appointments/{appointment}/move")
async def move(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    appointment: str,
    day: Typed = "",
    starts_at: Typed = "",
    reason: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Move an appointment to another time of the clinic's clock."""
    visiting.sent(csrf)
    entry = await serving.directory.find(clinic)
    at = at_clinic(starts_at, entry.time_zone if entry else "UTC")
    asked = Rescheduling.model_construct(starts_at=at, reason=Reason(reason) if reason in list(Reason) else None)
    try:
        await service.step(serving, visiting.caller, clinic, appointment, Step.RESCHEDULE, asked)
    except (InvalidInput, Refused) as error:
        status = 422 if isinstance(error, InvalidInput) else 409
        moving = {"id": appointment, "typed": starts_at, "faults": of(error)}
        refused = None if "starts_at" in moving["faults"] else STEP_REFUSED.get(error.rule, OTHERWISE)
        return await _page(request, serving, visiting, clinic, day, None, status, moving=moving, refused=refused)
    return _back(clinic, at.date().isoformat() if at else day)


@router.post("/appointments/{appointment}/remind")
async def remind(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    appointment: str,
    day: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Have the patient reminded of an appointment."""
    visiting.sent(csrf)
    try:
        await messages.remind(serving, visiting.caller, clinic, appointment)
    except Refused as error:
        refused = REFUSED.get(error.rule, OTHERWISE)
        return await _page(request, serving, visiting, clinic, day, None, 409, refused=refused)
    return _back(clinic, day, "reminded")


@router.post("/patients/{patient}/consent-request")
async def ask_for_consent(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, patient: str, day: Typed = "", csrf: Csrf = ""
) -> Response:
    """Have the patient asked to sign what the clinic has to be signed."""
    visiting.sent(csrf)
    try:
        await messages.request_consent(serving, visiting.caller, clinic, patient)
    except Refused as error:
        refused = REFUSED.get(error.rule, OTHERWISE)
        return await _page(request, serving, visiting, clinic, day, None, 409, refused=refused)
    return _back(clinic, day, "asked")


@router.post("/patients/{patient}/account")
async def start_verification(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    patient: str,
    day: Typed = "",
    email: Annotated[str, Form(max_length=320)] = "",
    csrf: Csrf = "",
) -> Response:
    """Have a code sent to the patient, by which they have an account of their own."""
    visiting.sent(csrf)
    try:
        await on_their_own.start(serving, visiting.caller, clinic, patient, Starting(email=email))
    except (InvalidInput, Refused) as error:
        status, refused = 422 if isinstance(error, InvalidInput) else 409, REFUSED.get(error.rule, OTHERWISE)
        return await _page(request, serving, visiting, clinic, day, None, status, refused=refused)
    return _back(clinic, day, "code_sent")


def _back(clinic: str, day: str, done: str = "") -> Response:
    return RedirectResponse(f"/clinics/{clinic}/appointments?{urlencode({'day': day, 'done': done})}", 303)


async def _page(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    day: str,
    cursor: str | None,
    status: int = 200,
    **values: Any,
) -> Response:
    entry = await serving.directory.find(clinic)
    today = datetime.now(ZoneInfo(entry.time_zone if entry else "UTC")).date()
    shown = day_of(day, today)
    found = await service.list_day(serving, visiting.caller, clinic, shown, SHOWN, cursor)
    return page(
        request, "staff/appointments.html", status,
        visitor=visiting, clinic=entry, day=shown, today=today, around=around(shown), found=found,
        first=cursor is None, statuses=STATUSES, reasons=REASONS, as_typed=as_typed,
        is_staff=clinic in visiting.caller.principal.subject.clinics(Role.CLINIC_STAFF), **values,
    )  # fmt: skip
