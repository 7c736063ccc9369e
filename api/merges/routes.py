"""Doubtful registrations of a clinic: for those who keep its register."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.merges import service
from api.merges.schemas import Decided, Deciding, MergeCases
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/merges", tags=["merges"])


@router.get("")
async def list_merges(serving: Serving, caller: ApiCaller, clinic: str) -> MergeCases:
    """Pairs of registrations that are in doubt, the oldest first: 200 at most."""
    return await service.cases(serving, caller, clinic)


@router.post("/{case}")
async def decide_merge(
    serving: Serving, caller: ApiCaller, clinic: str, case: str, asked: Annotated[Deciding | None, Body()] = None
) -> Decided:
    """Merge the two, so that all records are of the patient that is kept; or say that they are two people."""
    return await service.decide(serving, caller, clinic, case, asked or Deciding())
