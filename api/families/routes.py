"""Families: for guardians, for those who have one, and what a clinic sees of both."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.families import service
from api.families.schemas import (
    Ended,
    Ending,
    Guardians,
    Guardianship,
    Invitation,
    Joining,
    NewDependent,
    OwnGuardians,
)
from api.services import ApiCaller, Serving

router = APIRouter(tags=["families"])


@router.post("/me/dependents", status_code=201)
async def add_dependent(
    serving: Serving, caller: ApiCaller, asked: Annotated[NewDependent | None, Body()] = None
) -> Guardianship:
    """Add a child without an account. It is always a new person; one who is known is joined by a code."""
    return await service.add_dependent(serving, caller, asked)


@router.delete("/me/dependents/{dependent}")
async def leave_dependent(
    serving: Serving, caller: ApiCaller, dependent: str, asked: Annotated[Ending | None, Body()] = None
) -> Ended:
    """Cease to be a guardian, from today on."""
    return await service.leave(serving, caller, dependent, asked)


@router.post("/me/dependents/{dependent}/invitations", status_code=201)
async def invite_guardian(serving: Serving, caller: ApiCaller, dependent: str) -> Invitation:
    """A code, good once and for seven days, by which somebody becomes a further guardian."""
    return await service.invite(serving, caller, dependent)


@router.post("/me/invitations", status_code=201)
async def invite_own_guardian(serving: Serving, caller: ApiCaller) -> Invitation:
    """A code, good once and for seven days, by which somebody becomes the caller's guardian: an adult's agreement."""
    return await service.invite(serving, caller)


@router.post("/me/guardianships", status_code=201)
async def join_guardians(
    serving: Serving, caller: ApiCaller, asked: Annotated[Joining | None, Body()] = None
) -> Guardianship:
    """Become a guardian by a code."""
    return await service.join(serving, caller, asked)


@router.get("/me/guardians")
async def list_own_guardians(serving: Serving, caller: ApiCaller) -> OwnGuardians:
    """Who manages the caller today."""
    return await service.list_own_guardians(serving, caller)


@router.delete("/me/guardians/{guardianship}")
async def end_own_guardian(
    serving: Serving, caller: ApiCaller, guardianship: str, asked: Annotated[Ending | None, Body()] = None
) -> Ended:
    """End a guardianship over the caller, from today on."""
    return await service.end_guardian(serving, caller, guardianship, asked)


@router.get("/clinics/{clinic}/patients/{patient}/guardians")
async def list_guardians(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> Guardians:
    """Who manages a patient: names and relationships, no contacts."""
    return await service.list_guardians(serving, caller, clinic, patient)
