"""Segments of a clinic and their members."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.bodies import Moment
from api.cursors import Cursor, Limit
from api.segments import service
from api.segments.schemas import Members, Segment, SegmentDetail, Segments
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments", tags=["segments"])
Archived = Annotated[bool, Query(description="Those that are archived, instead of the others.")]
At = Annotated[Moment | None, Query(description="A past time, with its offset; now if absent.")]


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


@router.get("/{segment}/members")
async def list_members(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    limit: Limit = 100,
    cursor: Cursor = None,
    at: At = None,
) -> Members:
    """Members, now or at a past time: by name for a manager, by id and scope for an API key. Each is recorded."""
    page = await service.list_members(serving, caller, clinic, segment, limit, cursor, at)
    return Members(segment=page.segment, members=page.members, next=page.next)
