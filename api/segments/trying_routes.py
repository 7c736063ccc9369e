"""Rules before they are saved."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.segments import trying_service as service
from api.segments.trying_schemas import ComparedRule, Difference, Preview, TriedRule
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments", tags=["segments"])
Tried = Annotated[TriedRule | None, Body()]


@router.post("/preview")
async def preview_rule(serving: Serving, caller: ApiCaller, clinic: str, asked: Tried = None) -> Preview:
    """Whom a rule would mean: counts, and some of them by name."""
    return await service.preview(serving, caller, clinic, asked)


@router.post("/{segment}/diff")
async def compare_rule(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    asked: Annotated[ComparedRule | None, Body()] = None,
) -> Difference:
    """What this rule would change of the segment, by name, and of those that name it, by size; archived too."""
    return await service.compare(serving, caller, clinic, segment, asked)
