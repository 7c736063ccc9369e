"""Families: for guardians, for those who have one, and what a clinic sees of both."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.families import service
from api.families.schemas import (
    Ended,
    Ending,
    GuardianContacts,
    Guardians,
    Guardianship,
    Invitation,
    Joining,
    NewDependent,
    OwnGuardians,
)
from api.idempotency import OptionalKey
from api.services import ApiCaller, Serving

router = APIRouter(tags=["families"])


@router.post("/me/dependents", status_code=201)
async def add_dependent(
    serving: Serving,
    caller: ApiCaller,
    asked: Annotated[NewDependent | None, Body()] = None,
    idempotency_key: OptionalKey = None,
) -> Guardianship:
    """Add a child without an account. It is always a new person; one who is known is joined by a code."""
    return await service.add_dependent(serving, caller, asked, idempotency_key)


@router.delete("/me/dependents/{dependent}")
async def leave_dependent(
    serving: Serving, caller: ApiCaller, dependent: str, asked: Annotated[Ending | None, Body()] = None
) -> Ended:
    """Cease to be a guardian, from today on."""
    return await service.leave(serving, caller, dependent, asked)


@router.post("/dependents/{dependent}/undo", status_code=204)
async def restore_dependent(serving: Serving, caller: ApiCaller, dependent: str) -> None:
    """Bring back a dependent who was deleted when the last guardian left: by the id that the guardian knew them by."""
    await service.restore(serving, caller, dependent)


@router.post("/me/dependents/{dependent}/invitations", status_code=201)
async def invite_guardian(serving: Serving, caller: ApiCaller, dependent: str) -> Invitation:
    """A code, good once and for seven days, by which somebody becomes a further guardian."""
    return await service.invite(serving, caller, dependent)


@router.post("/me/invitations", status_code=201)
async def invite_own_guardian(serving: Serving, caller: ApiCaller) -> Invitation:
    """A code, good once and for seven days, by which somebody becomes the caller's guardian: an adult's agreement."""
    return await service.invite(serving, caller)


@router.delete("/me/dependents/{dependent}/invitations/{invitation}", status_code=204)
async def uninvite_guardian(serving: Serving, caller: ApiCaller, dependent: str, invitation: str) -> None:
    """Take back an invitation of the caller's own that nobody has used."""
    await service.uninvite(serving, caller, invitation, dependent)


@router.delete("/me/invitations/{invitation}", status_code=204)
async def uninvite_own_guardian(serving: Serving, caller: ApiCaller, invitation: str) -> None:
    """Take back an invitation to become the caller's guardian that nobody has used."""
    await service.uninvite(serving, caller, invitation)


@router.get("/me/dependents/{dependent}/guardians")
async def list_co_guardians(serving: Serving, caller: ApiCaller, dependent: str) -> OwnGuardians:
    """The dependent's other guardians by name, for the account holder: who has been one the longest."""
    return await service.list_co_guardians(serving, caller, dependent)


@router.delete("/me/dependents/{dependent}/guardians/{guardianship}")
async def end_co_guardian(
    serving: Serving,
    caller: ApiCaller,
    dependent: str,
    guardianship: str,
    asked: Annotated[Ending | None, Body()] = None,
) -> Ended:
    """End the guardianship of another guardian of a minor, from today on: the account holder alone. They are told."""
    return await service.end_co_guardian(serving, caller, dependent, guardianship, asked)


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


@router.get("/clinics/{clinic}/patients/{patient}/guardians/contacts")
async def list_guardian_contacts(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> GuardianContacts:
    """How to reach who manages a patient, while the patient shares the profile with the clinic."""
    return await service.list_guardian_contacts(serving, caller, clinic, patient)


@router.get("/clinics/{clinic}/patients/{patient}/guardians")
async def list_guardians(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> Guardians:
    """Who manages a patient: names and relationships, no contacts."""
    return await service.list_guardians(serving, caller, clinic, patient)
