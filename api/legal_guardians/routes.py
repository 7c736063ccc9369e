"""Guardians by law: for the admins who propose, the managers who confirm, and the adults whom it is about."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.legal_guardians import service
from api.legal_guardians.schemas import (
    Confirmed,
    Confirming,
    Contested,
    EndingByLaw,
    LegalGuardians,
    OwnLegalGuardians,
    Proposed,
    Proposing,
)
from api.services import ApiCaller, Serving

router = APIRouter(tags=["families"])


@router.post("/clinics/{clinic}/patients/{patient}/legal-guardians", status_code=201)
async def propose_legal_guardian(
    serving: Serving, caller: ApiCaller, clinic: str, patient: str, asked: Annotated[Proposing | None, Body()] = None
) -> Proposed:
    """Propose a guardian by law of an adult, for platform admins: it is nothing until a manager confirms it."""
    return await service.propose(serving, caller, clinic, patient, asked)


@router.get("/clinics/{clinic}/legal-guardians")
async def review_legal_guardians(serving: Serving, caller: ApiCaller, clinic: str) -> LegalGuardians:
    """What is proposed, confirmed or stands; to admins without names and addresses."""
    return await service.review(serving, caller, clinic)


@router.post("/clinics/{clinic}/legal-guardians/{legal_guardian}/confirm")
async def confirm_legal_guardian(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    legal_guardian: str,
    asked: Annotated[Confirming | None, Body()] = None,
) -> Confirmed:
    """Confirm a proposal of somebody else's by the document it rests on: a code goes to the guardian's address.

    It is good once, for seven days, and for an account that has proven this address.
    """
    return await service.confirm(serving, caller, clinic, legal_guardian, asked)


@router.post("/clinics/{clinic}/legal-guardians/{legal_guardian}/end", status_code=204)
async def end_legal_guardian(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    legal_guardian: str,
    asked: Annotated[EndingByLaw | None, Body()] = None,
) -> None:
    """End it at once, whatever it has come to; adult and guardian are told."""
    await service.end(serving, caller, clinic, legal_guardian, asked)


@router.get("/me/legal-guardians")
async def list_own_legal_guardians(serving: Serving, caller: ApiCaller) -> OwnLegalGuardians:
    """The caller's guardians by law, from the proposal on."""
    return await service.list_own(serving, caller)


@router.post("/me/legal-guardians/{legal_guardian}/contest")
async def contest_legal_guardian(serving: Serving, caller: ApiCaller, legal_guardian: str) -> Contested:
    """Say that this is not so: it is recorded, and shown and told to who can end it."""
    return await service.contest(serving, caller, legal_guardian)
