"""The brief before an appointment."""

from fastapi import APIRouter

from api.briefs import service
from api.briefs.schemas import Brief
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/appointments", tags=["briefs"])


@router.get("/{appointment}/brief")
async def read_brief(serving: Serving, caller: ApiCaller, clinic: str, appointment: str) -> Brief:
    """For the specialist of the appointment: forms done and missing, the profile if shared, this clinic's history."""
    return await service.read(serving, caller, clinic, appointment)
