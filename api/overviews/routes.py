"""A clinic at a glance."""

from fastapi import APIRouter

from api.overviews import service
from api.overviews.schemas import Overview
from api.services import ApiCaller, Serving

router = APIRouter(tags=["clinics"])


@router.get("/clinics/{clinic}/overview")
async def read_overview(serving: Serving, caller: ApiCaller, clinic: str) -> Overview:
    """The clinic's patients, appointments, adherence and segments in numbers, each segment over 30 days."""
    return await service.overview(serving, caller, clinic)
