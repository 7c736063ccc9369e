"""A clinic's segments, and one segment with its members. A page asks as the API does: the same recorded access."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from api.campaigns import service as campaigns
from api.pages.charts import DIMENSIONS, chart, charts, trend
from api.pages.manager.periods import periods
from api.pages.texts import N_
from api.pages.visitors import Csrf, Cursor, Visiting, Visitor, page
from api.segments import history_service as history
from api.segments import service as segments
from api.segments.member_routes import given
from api.segments.pull_formats import Csv, JsonLines
from api.segments.pull_service import pull
from api.services import Services, Serving
from api.webhooks import service as webhooks

MEMBERS_A_PAGE = 50
# Two months and the day before them, to compare one with the other.
DAYS = 61

router = APIRouter(prefix="/clinics/{clinic}/segments")


@router.get("")
async def segments_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    by: Annotated[str, Query(max_length=20)] = "",
    archived: bool = False,
) -> Response:
    """A clinic's segments with their counts, and their make-up by one dimension."""
    found = await segments.list_segments(serving, visiting.caller, clinic, archived=archived)
    hooks = await webhooks.list_webhooks(serving, visiting.caller, clinic)
    chosen = by if by in DIMENSIONS else next(iter(DIMENSIONS))
    shown = [{**segment, "chart": chart(segment["make_up"], chosen)} for segment in found.segments]
    return page(
        request,
        "manager/segments.html",
        visitor=visiting,
        clinic=found.clinic,
        segments=shown,
        given_up=[hook for hook in hooks.webhooks if hook.disabled_by in ("failures", "gone")],
        by=chosen,
        dimensions=DIMENSIONS,
        archived=archived,
    )


@router.get("/{segment}")
async def segment_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    cursor: Cursor = None,
) -> Response:
    """One segment: its size over time, its make-up, whom a message reaches, and its members by name."""
    return await _segment(request, serving, visiting, clinic, segment, cursor)


@router.get("/{segment}/changes")
async def changes_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str, cursor: Cursor = None
) -> Response:
    """Who entered and left a segment, and why: in numbers by day, and by name for whoever may list its members."""
    definition, days = await history.read_with_days(serving, visiting.caller, clinic, segment, DAYS)
    by_name = visiting.sees(serving, segments.listing(visiting.caller.principal, clinic, segment, segments.BY_NAME))
    changes, following = (
        await history.list_latest(serving, visiting.caller, clinic, segment, MEMBERS_A_PAGE, cursor)
        if by_name and definition.archived_at is None
        else ([], None)
    )
    return page(
        request,
        "manager/segment_changes.html",
        visitor=visiting,
        clinic=await serving.directory.find(clinic),
        segment=definition,
        days=[day for day in reversed(days[1:]) if day.entered or day.left],
        by_name=by_name,
        changes=changes,
        next=following,
        first=cursor is None,
    )


@router.post("/{segment}/find")
async def find(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    named: Annotated[str, Form(max_length=200)] = "",
    cursor: Annotated[str, Form(max_length=400)] = "",
    csrf: Csrf = "",
) -> Response:
    """The members whose names hold a text: sent in the body, since addresses are kept by many."""
    visiting.sent(csrf)
    return await _segment(request, serving, visiting, clinic, segment, cursor or None, named.strip())


@router.get("/{segment}/members.csv")
async def download_table(serving: Serving, visiting: Visiting, clinic: str, segment: str) -> Response:
    """All members of a segment as a table, each recorded: as the API gives a pull."""
    return given(await pull(serving, visiting.caller, clinic, segment, Csv), segment, Csv.media_type)


@router.get("/{segment}/members.ndjson")
async def download_lines(serving: Serving, visiting: Visiting, clinic: str, segment: str) -> Response:
    """All members of a segment as lines of JSON."""
    return given(await pull(serving, visiting.caller, clinic, segment, JsonLines), segment, JsonLines.media_type)


async def _segment(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    segment: str,
    cursor: str | None,
    named: str = "",
) -> Response:
    caller = visiting.caller
    definition, days = await history.read_with_days(serving, caller, clinic, segment, DAYS)
    found = await serving.directory.find(clinic)
    values: dict[str, Any] = {"visitor": visiting, "clinic": found, "segment": definition}
    if definition.archived_at is not None:
        return page(request, "manager/segment_archived.html", **values)
    reach, members = await asyncio.gather(
        campaigns.reach(serving, caller, clinic, segment),
        segments.list_members(serving, caller, clinic, segment, MEMBERS_A_PAGE, cursor, named=named),
    )
    return page(
        request,
        "manager/segment.html",
        **values,
        charts=charts([part.model_dump() for part in definition.make_up]),
        line=trend(N_("Members, last 60 days"), [(day.day, day.members or 0) for day in days[1:]]),
        periods=periods(days),
        reach=reach,
        page=members,
        named=named,
        first=cursor is None,
    )
