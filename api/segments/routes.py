"""Segments of a clinic."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.segments import service
from api.segments.schemas import Segment, SegmentDetail, Segments
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments", tags=["segments"])
Archived = Annotated[bool, Query(description="Those that are archived, instead of the others.")]


@router.get("")
async def list_segments(serving: Serving, caller: ApiCaller, clinic: str, archived: Archived = False) -> Segments:
    """A clinic's segments with the count and make-up of their present members."""
    found = await service.list_segments(serving, caller, clinic, archived=archived)
    return Segments(
        clinic=clinic,
        as_of=found.clinic.as_of,
        built_at=found.clinic.built_at,
        segments=[Segment.model_validate(row) for row in found.segments],
    )


@router.get("/{segment}")
async def read_segment(
    serving: Serving, caller: ApiCaller, clinic: str, segment: str, response: Response
) -> SegmentDetail:
    """One segment: its rule, versions, who names it, and the count and make-up of its present members."""
    found, response.headers["etag"] = await service.read_definition(serving, caller, clinic, segment)
    return found
