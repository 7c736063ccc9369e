"""Treatment plans: prescribed, changed and ended by who treats; seen and ticked off by patients and guardians."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.idempotency import OptionalKey
from api.plans import service
from api.plans.schemas import Changed, DayDone, PlanId, Plans, Prescribed, Ticked
from api.services import ApiCaller, Serving

router = APIRouter(tags=["plans"])
_PATIENTS = "/clinics/{clinic}/patients/{patient}/plans"
_AT_CLINIC = "/clinics/{clinic}/plans/{plan}"
_DONE = "/plans/{plan}/exercises/{exercise}/days/{day}"
_DEPENDENTS = "/me/dependents/{dependent}"


@router.get(_PATIENTS)
async def list_plans(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> Plans:
    """The plans of a patient whom the caller treats, and how far they are."""
    return await service.list_plans(serving, caller, clinic, patient)


@router.post(_PATIENTS, status_code=201)
async def prescribe_plan(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    patient: str,
    asked: Annotated[Prescribed | None, Body()] = None,
    idempotency_key: OptionalKey = None,
) -> PlanId:
    """Prescribe exercises."""
    return await service.prescribe(serving, caller, clinic, patient, asked, idempotency_key)


@router.put(_AT_CLINIC + "/exercises", status_code=204)
async def change_plan(
    serving: Serving, caller: ApiCaller, clinic: str, plan: str, asked: Annotated[Changed | None, Body()] = None
) -> None:
    """Other exercises from tomorrow on; the days until today stay as they are."""
    await service.change(serving, caller, clinic, plan, asked)


@router.post(_AT_CLINIC + "/end", status_code=204)
async def end_plan(serving: Serving, caller: ApiCaller, clinic: str, plan: str) -> None:
    """End a plan today; one that has not begun yet is deleted."""
    await service.end(serving, caller, clinic, plan)


@router.get("/me/plans")
async def list_own_plans(serving: Serving, caller: ApiCaller) -> Plans:
    """The caller's plans at all clinics, and how far they are."""
    return await service.list_own(serving, caller)


@router.put("/me" + _DONE)
async def tick_own_exercise(
    serving: Serving,
    caller: ApiCaller,
    plan: str,
    exercise: str,
    day: str,
    asked: Annotated[Ticked | None, Body()] = None,
) -> DayDone:
    """Say how often an exercise was done, today or yesterday at the clinic."""
    return await service.tick(serving, caller, (plan, exercise, day), asked)


@router.get(_DEPENDENTS + "/plans")
async def list_dependents_plans(serving: Serving, caller: ApiCaller, dependent: str) -> Plans:
    """A dependent's plans at all clinics, but what is hidden from guardians."""
    return await service.list_own(serving, caller, dependent)


@router.put(_DEPENDENTS + _DONE)
async def tick_dependents_exercise(
    serving: Serving,
    caller: ApiCaller,
    dependent: str,
    plan: str,
    exercise: str,
    day: str,
    asked: Annotated[Ticked | None, Body()] = None,
) -> DayDone:
    """Say how often a dependent did an exercise, today or yesterday at the clinic."""
    return await service.tick(serving, caller, (plan, exercise, day), asked, dependent)
