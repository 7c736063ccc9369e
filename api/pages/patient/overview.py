"""Where patients and guardians land: what is next, what is to be done, and whose pages they may open."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.appointments import service as appointments
from api.consents import service as consents
from api.forms import service as forms
from api.me import service as me
from api.pages.patient.consents import PURPOSES, asks
from api.pages.patient.exercises import due
from api.pages.patient.forms import OPEN
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.visits import is_to_come, room_is_open
from api.plans import service as plans
from api.services import Services, Serving

router = APIRouter()
LOOKED_AT = 50


@router.get("")
async def overview_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """The overview; to an admin who acts as somebody no more than they may read."""
    values: dict[str, Any] = await _records(serving, whose) if _has_records(whose) else {}
    if whose.dependent is None and (whose.is_guardian or not whose.is_patient):
        values["dependents"] = (await me.list_dependents(serving, whose.caller)).dependents
    elif whose.impersonated:
        await me.list_impersonations(serving, whose.caller)
    return await show(request, serving, whose, "patient/overview.html", purposes=PURPOSES, **values)


def _has_records(whose: Whose) -> bool:
    return not whose.impersonated and (whose.dependent is not None or whose.is_patient)


async def _records(serving: Services, whose: Whose) -> dict[str, Any]:
    caller, dependent = whose.caller, whose.dependent
    booked = (await appointments.list_own(serving, caller, LOOKED_AT, None, dependent)).appointments
    to_come = [each for each in reversed(booked) if is_to_come(each)]
    asked = (await consents.list_consents(serving, caller, None, dependent)).consents
    of_today = (await plans.list_own(serving, caller, dependent)).plans
    return {
        "to_come": to_come[:3],
        "room_is_open": room_is_open,
        "to_fill": [f for f in (await forms.list_own(serving, caller, dependent)).forms if f.status in OPEN],
        "asking": [each for each in asked if asks(each)],
        "today": [(plan, exercise) for plan in of_today for exercise in due(plan, plan.today)],
        "has_records": True,
    }
