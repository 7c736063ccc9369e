"""Treatment plans with the exercises of today, ticked off as often as they were done."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from api.confidential import service as confidential
from api.confidential.service import Marking
from api.pages.patient.whose import AsWhose, show
from api.pages.texts import N_
from api.pages.visitors import Csrf
from api.plans import service
from api.plans.schemas import MOST_TIMES, Plan, PlanExercise, Ticked
from api.services import Serving
from infra.errors import InvalidInput, Refused

router = APIRouter()
own = APIRouter()

WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]


def due(plan: Plan, day: date) -> list[PlanExercise]:
    """The exercises of a plan that are prescribed for a day."""
    return [
        exercise
        for exercise in plan.exercises
        if exercise.starts_on <= day <= exercise.ends_on and day.isoweekday() in exercise.weekdays
    ]


def runs(plan: Plan, day: date | None = None) -> bool:
    """Whether a plan is not over, today or on another day."""
    return plan.ends_on is None or plan.ends_on >= (day or plan.today)


@router.get("/exercises")
async def exercises_page(
    request: Request, serving: Serving, whose: AsWhose, day: str = "", refused: bool = False
) -> Response:
    """The plans that run, or ran yesterday, with the exercises of that day; and those that are over."""
    plans = (await service.list_own(serving, whose.caller, whose.dependent)).plans
    ago = timedelta(days=1 if day == "yesterday" else 0)
    running = [plan for plan in plans if runs(plan, plan.today - ago)]
    return await show(
        request, serving, whose, "patient/exercises.html", 409 if refused else 200,
        running=running, over=[plan for plan in plans if plan not in running], ago=ago, yesterday=bool(ago), due=due,
        weekdays=WEEKDAYS, every_day=EVERY_DAY, refused=refused,
    )  # fmt: skip


@router.post("/plans/{plan}/exercises/{exercise}/days/{day}")
async def tick(
    serving: Serving,
    whose: AsWhose,
    plan: str,
    exercise: str,
    day: str,
    times: Annotated[int, Form(ge=0, le=MOST_TIMES)] = 0,
    shown: Annotated[str, Form(max_length=20)] = "",
    csrf: Csrf = "",
) -> Response:
    """Say how often an exercise was done; a page that was open past midnight is shown anew."""
    whose.visitor.sent(csrf)
    anchor = "?day=yesterday" if shown == "yesterday" else ""
    try:
        await service.tick(serving, whose.caller, (plan, exercise, day), Ticked(times=times), whose.dependent)
    except (InvalidInput, Refused):
        return whose.to("/exercises?refused=true")
    return whose.to(f"/exercises{anchor}#e-{exercise}")


@own.post("/plans/{plan}/confidential")
async def hide(
    serving: Serving,
    whose: AsWhose,
    plan: str,
    hidden: Annotated[bool, Form()] = True,
    csrf: Csrf = "",
) -> Response:
    """Hide one's own plan from guardians, or show it again."""
    whose.visitor.sent(csrf)
    await confidential.mark_own(serving, whose.caller, "plans", plan, Marking(confidential=hidden))
    return whose.to("/exercises")
