"""Opening, listing and ending impersonations: for platform admins."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.impersonations import service
from api.impersonations.schemas import Ended, Impersonations, Opened, Opening
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/impersonations", tags=["impersonations"])


@router.post("", status_code=201)
async def open_impersonation(
    serving: Serving, caller: ApiCaller, asked: Annotated[Opening | None, Body()] = None
) -> Opened:
    """A token to act as a patient or guardian with: reading alone, without contacts, in the sight of the patient."""
    return await service.start(serving, caller, asked or Opening())


@router.get("")
async def list_impersonations(serving: Serving, caller: ApiCaller) -> Impersonations:
    """The live impersonations of all admins."""
    return await service.live(serving, caller)


@router.post("/{impersonation}/end")
async def end_impersonation(serving: Serving, caller: ApiCaller, impersonation: str) -> Ended:
    """End a live impersonation, whoever opened it."""
    return await service.end(serving, caller, impersonation)
