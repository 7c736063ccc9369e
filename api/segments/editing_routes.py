"""Segments as managers add and change them."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Response

from api.problems import documented
from api.segments import editing_service as service
from api.segments.editing_schemas import Archiving, Enabling, NewSegment, Reviving, Saved, SegmentChange
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments", tags=["segments"])
IfMatch = Annotated[str | None, Header(max_length=60, description="The ETag of the segment as it was read.")]


@router.post("", status_code=201)
async def add_segment(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    response: Response,
    asked: Annotated[NewSegment | None, Body()] = None,
) -> Saved:
    """Add a segment; the next build of the clinic's mart fills it."""
    return _tagged(response, await service.add(serving, caller, clinic, asked))


@router.post("/templates/{segment_template}")
async def enable_template(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment_template: str,
    response: Response,
    asked: Annotated[Enabling | None, Body()] = None,
) -> Saved:
    """Add the segment of a template with the clinic's own values; the same again changes nothing."""
    return _tagged(response, await service.enable(serving, caller, clinic, segment_template, asked))


@router.patch("/{segment}", responses=documented(412, "Somebody else changed it since it was read."))
async def change_segment(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    response: Response,
    asked: Annotated[SegmentChange | None, Body()] = None,
    if_match: IfMatch = None,
) -> Saved:
    """Change name, description or rule; another rule makes a new version, which the next build follows."""
    return _tagged(response, await service.change(serving, caller, clinic, segment, asked, if_match))


@router.post("/{segment}/archive")
async def archive_segment(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    response: Response,
    asked: Annotated[Archiving | None, Body()] = None,
) -> Saved:
    """Put a segment away, unless others name it; its history stays."""
    return _tagged(response, await service.archive(serving, caller, clinic, segment, asked))


@router.post("/{segment}/revive")
async def revive_segment(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    response: Response,
    asked: Annotated[Reviving | None, Body()] = None,
) -> Saved:
    """Have an archived segment back, its rule or another one as a new version; `diff` says whom that would bring."""
    return _tagged(response, await service.revive(serving, caller, clinic, segment, asked))


def _tagged(response: Response, saved: tuple[Saved, str]) -> Saved:
    found, response.headers["etag"] = saved
    return found
