"""Appointments: lists, steps and video rooms, for a clinic's people and for patients and guardians."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from api.appointments import service
from api.appointments.schemas import (
    Changed,
    ClinicAppointments,
    Correction,
    OwnAppointments,
    Reasoned,
    Rescheduling,
    VideoLink,
)
from api.cursors import Cursor, Limit
from api.services import ApiCaller, Serving
from policies.appointments import Step
from policies.written import Day

router = APIRouter(tags=["appointments"])

CLINIC, OWN, DEPENDENT = "/clinics/{clinic}", "/me", "/me/dependents/{dependent}"
ONE = "/appointments/{appointment}"

AsReasoned = Annotated[Reasoned | None, Body()]
AsRescheduling = Annotated[Rescheduling | None, Body()]
AsCorrection = Annotated[Correction | None, Body()]


@router.get(f"{CLINIC}/appointments")
async def list_appointments(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    day: Annotated[Day | None, Query(description="At the clinic; today if not given.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ClinicAppointments:
    """A day's appointments: all to staff, their own to specialists. Each patient in the answer is recorded."""
    return await service.list_day(serving, caller, clinic, day, limit, cursor)


@router.post(f"{CLINIC}{ONE}/reschedule")
async def reschedule(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: AsRescheduling = None
) -> Changed:
    """Move a booked appointment to another time, or to another specialist who offers the service."""
    return await service.step(serving, caller, clinic, appointment, Step.RESCHEDULE, asked or Rescheduling())


@router.post(f"{CLINIC}{ONE}/cancel")
async def cancel(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: AsReasoned = None
) -> Changed:
    """Cancel a booked appointment."""
    return await service.step(serving, caller, clinic, appointment, Step.CANCEL, asked or Reasoned())


@router.post(f"{CLINIC}{ONE}/arrive")
async def arrive(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: AsReasoned = None
) -> Changed:
    """The patient is there."""
    return await service.step(serving, caller, clinic, appointment, Step.ARRIVE, asked or Reasoned())


@router.post(f"{CLINIC}{ONE}/complete")
async def complete(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: AsReasoned = None
) -> Changed:
    """The visit took place."""
    return await service.step(serving, caller, clinic, appointment, Step.COMPLETE, asked or Reasoned())


@router.post(f"{CLINIC}{ONE}/no-show")
async def no_show(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: AsReasoned = None
) -> Changed:
    """The patient did not come."""
    return await service.step(serving, caller, clinic, appointment, Step.NO_SHOW, asked or Reasoned())


@router.post(f"{CLINIC}{ONE}/correct")
async def correct(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: AsCorrection = None
) -> Changed:
    """Put right a status that was entered wrongly; staff alone, with a reason."""
    return await service.step(serving, caller, clinic, appointment, Step.CORRECT, asked or Correction())


@router.get(f"{CLINIC}{ONE}/video")
async def join(serving: Serving, caller: ApiCaller, clinic: str, appointment: str) -> VideoLink:
    """The specialist's own way into the room, as its moderator: from 30 minutes before until 30 after the visit."""
    return await service.join(serving, caller, clinic, appointment)


@router.get(f"{OWN}/appointments")
async def list_own(serving: Serving, caller: ApiCaller, limit: Limit = 100, cursor: Cursor = None) -> OwnAppointments:
    """The caller's own appointments at every clinic, the latest first."""
    return await service.list_own(serving, caller, limit, cursor)


@router.post(f"{OWN}{ONE}/reschedule")
async def reschedule_own(
    serving: Serving, caller: ApiCaller, appointment: str, asked: AsRescheduling = None
) -> Changed:
    """Move one's own appointment before it begins."""
    return await service.own_step(serving, caller, appointment, Step.RESCHEDULE, asked or Rescheduling())


@router.post(f"{OWN}{ONE}/cancel")
async def cancel_own(serving: Serving, caller: ApiCaller, appointment: str, asked: AsReasoned = None) -> Changed:
    """Cancel one's own appointment before it begins."""
    return await service.own_step(serving, caller, appointment, Step.CANCEL, asked or Reasoned())


@router.get(f"{OWN}{ONE}/video")
async def join_own(serving: Serving, caller: ApiCaller, appointment: str) -> VideoLink:
    """The patient's own way into the room, around the time of the visit."""
    return await service.join_own(serving, caller, appointment)


@router.get(f"{DEPENDENT}/appointments")
async def list_dependents_appointments(
    serving: Serving, caller: ApiCaller, dependent: str, limit: Limit = 100, cursor: Cursor = None
) -> OwnAppointments:
    """A dependent's appointments, without what is confidential."""
    return await service.list_own(serving, caller, limit, cursor, dependent)


@router.post(f"{DEPENDENT}{ONE}/reschedule")
async def reschedule_dependents(
    serving: Serving, caller: ApiCaller, dependent: str, appointment: str, asked: AsRescheduling = None
) -> Changed:
    """Move a dependent's appointment before it begins."""
    return await service.own_step(serving, caller, appointment, Step.RESCHEDULE, asked or Rescheduling(), dependent)


@router.post(f"{DEPENDENT}{ONE}/cancel")
async def cancel_dependents(
    serving: Serving, caller: ApiCaller, dependent: str, appointment: str, asked: AsReasoned = None
) -> Changed:
    """Cancel a dependent's appointment before it begins."""
    return await service.own_step(serving, caller, appointment, Step.CANCEL, asked or Reasoned(), dependent)


@router.get(f"{DEPENDENT}{ONE}/video")
async def join_dependents(serving: Serving, caller: ApiCaller, dependent: str, appointment: str) -> VideoLink:
    """A guardian's way into a dependent's room."""
    return await service.join_own(serving, caller, appointment, dependent)
