"""A clinic's quarantine, for those who run the platform."""

from fastapi import APIRouter

from api.cursors import Cursor, Limit
from api.quarantine import service
from api.quarantine.schemas import AskedAgain, QuarantineList
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/quarantine", tags=["quarantine"])


@router.get("")
async def list_quarantine(
    serving: Serving, caller: ApiCaller, clinic: str, limit: Limit = 100, cursor: Cursor = None
) -> QuarantineList:
    """Rows that imports could not take: reasons, places and counts, and no content."""
    return await service.waiting(serving, caller, clinic, limit, cursor)


@router.post("/{entry}/retry", status_code=202)
async def retry_quarantined(serving: Serving, caller: ApiCaller, clinic: str, entry: str) -> AskedAgain:
    """Have a row tried again as it is: of a patient who has come since, say."""
    return await service.ask_again(serving, caller, clinic, entry)
