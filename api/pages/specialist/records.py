"""What a specialist reads and prescribes: a form as it was filled in, and treatment plans."""

from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from api.confidential import service as confidential
from api.confidential.service import Marking
from api.forms import service as forms
from api.idempotency import key_after
from api.pages.faults import Faults, of, read_as
from api.pages.patient.answers import in_words
from api.pages.patient.exercises import EVERY_DAY, WEEKDAYS, runs
from api.pages.patient.forms import STATUSES
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.plans import service as plans
from api.plans.schemas import MOST_EXERCISES, MOST_TIMES, Prescribed
from api.profiles import service as profiles
from api.services import Services, Serving
from infra.errors import InvalidInput, Refused
from policies.classification import ProfileField

router = APIRouter(prefix="/agenda/{clinic}")

# So that nobody prescribes for somebody else.
NAME = (ProfileField.NAME,)

ROWS, MORE_ROWS = 3, 3
# What the rows of the form are called; a row without a name is none.
PARTS = ("name", "instructions", "times", "weekdays")
Hidden = Annotated[bool, Form()]


@router.get("/forms/{form}")
async def form_page(request: Request, serving: Serving, visiting: Visiting, clinic: str, form: str) -> Response:
    """A form of a patient, as filled in."""
    found = await forms.read(serving, visiting.caller, clinic, form)
    entry = await serving.directory.find(clinic)
    values: dict[str, Any] = {"clinic": entry, "form": found, "statuses": STATUSES, "in_words": in_words}
    return page(request, "specialist/form.html", visitor=visiting, **values)


@router.post("/forms/{form}/confidential")
async def hide_form(
    serving: Serving, visiting: Visiting, clinic: str, form: str, hidden: Hidden = True, csrf: Csrf = ""
) -> Response:
    """Hide a form from the patient's guardians, or show it again."""
    visiting.sent(csrf)
    marking = Marking(confidential=hidden)
    await confidential.mark_patients(serving, visiting.caller, clinic, "forms", form, marking)
    return RedirectResponse(f"/agenda/{clinic}/forms/{form}", 303)


@router.get("/patients/{patient}/plans")
async def plans_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """A patient's plans, and a form for a new one."""
    return await _page(request, serving, visiting, {"rows": [{} for _ in range(ROWS)]})


@router.post("/patients/{patient}/plans")
async def prescribe(request: Request, serving: Serving, visiting: Visiting, clinic: str, patient: str) -> Response:
    """Prescribe a plan; or the form again, with more rows or with what is wrong."""
    sent = await request.form()
    visiting.sent(str(sent.get("csrf", "")))
    typed = _typed(sent)
    if sent.get("do") == "more":
        typed["rows"] += [{} for _ in range(MORE_ROWS)]
        return await _page(request, serving, visiting, typed)
    asked, faults = read_as(Prescribed, _asked(typed))
    if asked is None:
        return await _page(request, serving, visiting, typed, _by_row(faults), 422)
    try:
        await plans.prescribe(serving, visiting.caller, clinic, patient, asked, typed["key"] or None)
    except InvalidInput as error:
        typed["key"] = key_after(error, typed["key"])
        return await _page(request, serving, visiting, typed, of(error), 422)
    return RedirectResponse(f"/agenda/{clinic}/patients/{patient}/plans", 303)


@router.post("/patients/{patient}/plans/{plan}/end")
async def end(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, patient: str, plan: str, csrf: Csrf = ""
) -> Response:
    """End a plan today."""
    visiting.sent(csrf)
    try:
        await plans.end(serving, visiting.caller, clinic, plan)
    except Refused:
        return await _page(request, serving, visiting, {"rows": [{} for _ in range(ROWS)]}, {"plan": "over"}, 409)
    return RedirectResponse(f"/agenda/{clinic}/patients/{patient}/plans", 303)


@router.post("/patients/{patient}/plans/{plan}/confidential")
async def hide_plan(
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    patient: str,
    plan: str,
    hidden: Hidden = True,
    csrf: Csrf = "",
) -> Response:
    """Hide a plan from the patient's guardians, or show it again."""
    visiting.sent(csrf)
    marking = Marking(confidential=hidden)
    await confidential.mark_patients(serving, visiting.caller, clinic, "plans", plan, marking)
    return RedirectResponse(f"/agenda/{clinic}/patients/{patient}/plans", 303)


def _typed(sent: FormData) -> dict[str, Any]:
    """What was typed; rows without a name are left out, so that faults name the others by their place."""
    rows = [
        {part: sent.getlist(f"{row}.{part}") if part == "weekdays" else str(sent.get(f"{row}.{part}", "")).strip()
         for part in PARTS}
        for row in range(MOST_EXERCISES)
    ]  # fmt: skip
    given = [row for row in rows if row["name"] or row["instructions"]]
    return {name: str(sent.get(name, "")) for name in ("title", "starts_on", "ends_on", "key")} | {"rows": given}


def _asked(typed: dict[str, Any]) -> dict[str, Any]:
    def number(text: str) -> int | str:
        return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text

    exercises = [
        {
            "name": row["name"],
            "instructions": row["instructions"].replace("\r\n", "\n"),
            "times": number(row["times"] or "1"),
            "weekdays": [number(str(day)) for day in row["weekdays"]] or EVERY_DAY,
        }
        for row in typed["rows"]
    ]
    return {**{name: typed[name] for name in ("title", "starts_on", "ends_on")}, "exercises": exercises}


def _by_row(faults: Faults) -> Faults:
    """`exercises.0.times` is said beside `0.times`."""
    return {place.removeprefix("exercises."): rule for place, rule in faults.items()}


async def _page(
    request: Request,
    serving: Services,
    visiting: Visitor,
    typed: dict[str, Any],
    faults: Faults | None = None,
    status: int = 200,
) -> Response:
    clinic, patient = request.path_params["clinic"], request.path_params["patient"]
    found = (await plans.list_plans(serving, visiting.caller, clinic, patient)).plans
    named = await profiles.read_profile(serving, visiting.caller, clinic, patient, NAME)
    entry = await serving.directory.find(clinic)
    today = datetime.now(ZoneInfo(entry.time_zone if entry else "UTC")).date()
    return page(
        request, "specialist/plans.html", status,
        visitor=visiting, clinic=entry, patient=patient, name=named["name"], plans=found, runs=runs, today=today,
        typed={**typed, "rows": typed["rows"] or [{}]}, faults=faults or {}, weekdays=WEEKDAYS,
        most_times=MOST_TIMES, most_rows=MOST_EXERCISES, key=str(uuid4()),
    )  # fmt: skip
