"""Segments of a clinic and their members."""

from fastapi import APIRouter

from api.cursors import Cursor, Limit
from api.segments import service
from api.segments.schemas import Members, Segment, Segments
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments", tags=["segments"])


@router.get("")
async def list_segments(serving: Serving, caller: ApiCaller, clinic: str) -> Segments:
    """A clinic's segments with the count and make-up of their present members."""
    found = await service.list_segments(serving, caller, clinic)
    return Segments(
        clinic=clinic,
        as_of=found.clinic.as_of,
        built_at=found.clinic.built_at,
        segments=[Segment.model_validate(row) for row in found.segments],
    )


@router.get("/{segment}")
async def read_segment(serving: Serving, caller: ApiCaller, clinic: str, segment: str) -> Segment:
    """One segment with the count and make-up of its present members."""
    found = await service.read_segment(serving, caller, clinic, segment)
    return Segment.model_validate(found.segments[0])


@router.get("/{segment}/members")
async def list_members(
    serving: Serving, caller: ApiCaller, clinic: str, segment: str, limit: Limit = 100, cursor: Cursor = None
) -> Members:
    """Present members: by name for a manager, by id and scope for an API key. Each is recorded."""
    page = await service.list_members(serving, caller, clinic, segment, limit, cursor)
    return Members(segment=page.segment, members=page.members, next=page.next)
