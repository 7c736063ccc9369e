"""A specialist's day: the appointments, the brief before each, and what became of it."""

from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.appointments import service as appointments
from api.appointments.schemas import Reasoned
from api.briefs import service as briefs
from api.confidential import service as confidential
from api.confidential.service import Marking
from api.pages.patient.appointments import OTHERWISE, STATUSES
from api.pages.patient.appointments import REFUSED as ROOM_REFUSED
from api.pages.texts import N_
from api.pages.times import around, day_of
from api.pages.visitors import Csrf, Cursor, Visiting, Visitor, page
from api.pages.visits import has_room, room_is_open
from api.services import Services, Serving
from infra.errors import NotThere, Refused
from policies.appointments import Step
from policies.words import Role

router = APIRouter(prefix="/agenda")

SHOWN = 100
NOWHERE = "-"
STEPS = {"arrive": Step.ARRIVE, "complete": Step.COMPLETE, "no-show": Step.NO_SHOW}
REFUSED = {
    **ROOM_REFUSED,
    "not_yet": N_("It is too early for that: nobody arrives before the day, or misses what has not begun."),
    "is_fulfilled": N_("It took place already."),
    "is_noshow": N_("It is marked as missed already."),
}


@router.get("")
async def agenda_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str = "", day: str = "", cursor: Cursor = None
) -> Response:
    """A day's appointments at one of the specialist's clinics; today's unless said otherwise."""
    own = sorted(visiting.caller.principal.subject.clinics(Role.SPECIALIST))
    chosen = (clinic or next(iter(own), NOWHERE)) if not clinic or clinic in own else NOWHERE
    entry = await serving.directory.find(chosen)
    today = datetime.now(ZoneInfo(entry.time_zone if entry else "UTC")).date()
    shown = day_of(day, today)
    found = await appointments.list_day(serving, visiting.caller, chosen, shown, SHOWN, cursor)
    others = [each for each in await serving.directory.clinics() if each.slug in own]
    return page(
        request, "specialist/agenda.html",
        visitor=visiting, clinic=entry, others=others, day=shown, today=today, around=around(shown),
        found=found, first=cursor is None, statuses=STATUSES,
    )  # fmt: skip


@router.get("/{clinic}/{appointment}")
async def brief_page(request: Request, serving: Serving, visiting: Visiting, clinic: str, appointment: str) -> Response:
    """What belongs to an appointment."""
    return await _brief(request, serving, visiting, clinic, appointment)


@router.get("/{clinic}/{appointment}/video")
async def enter(request: Request, serving: Serving, visiting: Visiting, clinic: str, appointment: str) -> Response:
    """Lead into the video room, as who moderates."""
    try:
        found = await appointments.join(serving, visiting.caller, clinic, appointment)
    except Refused as error:
        return await _brief(request, serving, visiting, clinic, appointment, 409, refused=_why(error))
    return RedirectResponse(found.link, 303)


@router.post("/{clinic}/{appointment}/steps/{step}")
async def take(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    appointment: str,
    step: str,
    csrf: Csrf = "",
) -> Response:
    """Say what became of an appointment."""
    visiting.sent(csrf)
    if step not in STEPS:
        raise NotThere("no such step")
    try:
        await appointments.step(serving, visiting.caller, clinic, appointment, STEPS[step], Reasoned())
    except Refused as error:
        return await _brief(request, serving, visiting, clinic, appointment, 409, refused=_why(error))
    return RedirectResponse(f"/agenda/{clinic}/{appointment}", 303)


@router.post("/{clinic}/{appointment}/confidential")
async def hide(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    appointment: str,
    hidden: Annotated[bool, Form()] = True,
    csrf: Csrf = "",
) -> Response:
    """Hide an appointment from the patient's guardians, or show it again."""
    visiting.sent(csrf)
    marking = Marking(confidential=hidden)
    try:
        await confidential.mark_patients(serving, visiting.caller, clinic, "appointments", appointment, marking)
    except Refused as error:
        return await _brief(request, serving, visiting, clinic, appointment, 409, refused=_why(error))
    return RedirectResponse(f"/agenda/{clinic}/{appointment}", 303)


def _why(error: Refused) -> str:
    return REFUSED.get(error.rule, OTHERWISE)


async def _brief(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    appointment: str,
    status: int = 200,
    **values: Any,
) -> Response:
    found = await briefs.read(serving, visiting.caller, clinic, appointment)
    entry = await serving.directory.find(clinic)
    return page(
        request, "specialist/brief.html", status, visitor=visiting, clinic=entry, brief=found, statuses=STATUSES,
        room_is_open=room_is_open, has_room=has_room, **values,
    )  # fmt: skip
