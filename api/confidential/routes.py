"""Hiding forms, appointments and plans from guardians: by who treats, and by the patient."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.confidential import service
from api.confidential.service import Marking
from api.services import ApiCaller, Serving

router = APIRouter(tags=["confidential"])
Asked = Annotated[Marking | None, Body()]


@router.post("/clinics/{clinic}/forms/{form}/confidential", status_code=204)
async def hide_form(serving: Serving, caller: ApiCaller, clinic: str, form: str, asked: Asked = None) -> None:
    """Hide a patient's form from guardians, or show it again."""
    await service.mark_patients(serving, caller, clinic, "forms", form, asked)


@router.post("/clinics/{clinic}/appointments/{appointment}/confidential", status_code=204)
async def hide_appointment(
    serving: Serving, caller: ApiCaller, clinic: str, appointment: str, asked: Asked = None
) -> None:
    """Hide a patient's appointment from guardians, or show it again."""
    await service.mark_patients(serving, caller, clinic, "appointments", appointment, asked)


@router.post("/clinics/{clinic}/plans/{plan}/confidential", status_code=204)
async def hide_plan(serving: Serving, caller: ApiCaller, clinic: str, plan: str, asked: Asked = None) -> None:
    """Hide a patient's plan from guardians, or show it again."""
    await service.mark_patients(serving, caller, clinic, "plans", plan, asked)


@router.post("/me/forms/{form}/confidential", status_code=204)
async def hide_own_form(serving: Serving, caller: ApiCaller, form: str, asked: Asked = None) -> None:
    """Hide one's own form from one's guardians, or show it again."""
    await service.mark_own(serving, caller, "forms", form, asked)


@router.post("/me/appointments/{appointment}/confidential", status_code=204)
async def hide_own_appointment(serving: Serving, caller: ApiCaller, appointment: str, asked: Asked = None) -> None:
    """Hide one's own appointment from one's guardians, or show it again."""
    await service.mark_own(serving, caller, "appointments", appointment, asked)


@router.post("/me/plans/{plan}/confidential", status_code=204)
async def hide_own_plan(serving: Serving, caller: ApiCaller, plan: str, asked: Asked = None) -> None:
    """Hide one's own plan from one's guardians, or show it again."""
    await service.mark_own(serving, caller, "plans", plan, asked)
