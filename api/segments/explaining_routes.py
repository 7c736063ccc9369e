"""Why a patient is in a segment, and for whom it is undecided."""

from fastapi import APIRouter

from api.cursors import Cursor, Limit
from api.segments import explaining_service as service
from api.segments.explaining_schemas import Explanation, Undecided
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}", tags=["segments"])


@router.get("/patients/{patient}/explanation")
async def explain(serving: Serving, caller: ApiCaller, clinic: str, segment: str, patient: str) -> Explanation:
    """Why a patient is in the segment, or not: each condition with its value, records, and the day it changes."""
    return await service.explain_patient(serving, caller, clinic, segment, patient)


@router.get("/undecided")
async def list_undecided(
    serving: Serving, caller: ApiCaller, clinic: str, segment: str, limit: Limit = 100, cursor: Cursor = None
) -> Undecided:
    """For whom the segment is undecided, and which answer, consent or fact is missing. Each patient is recorded."""
    return await service.list_undecided(serving, caller, clinic, segment, limit, cursor)
