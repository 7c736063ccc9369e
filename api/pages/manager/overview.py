"""A clinic at a glance: where its managers begin."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.gateway import Access
from api.overviews import service
from api.overviews.schemas import Overview, SegmentSize
from api.pages.charts import Trend, drawn, trend
from api.pages.texts import N_, say
from api.pages.visitors import Visiting, page
from api.services import Serving
from policies.access.model import Resource
from policies.words import Action

router = APIRouter()
TITLE = N_("Members, last 30 days")
# What waits for less is on its way.
SOON = timedelta(seconds=10)


@router.get("/clinics/{clinic}")
async def overview_page(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """A clinic's patients, appointments, adherence and segments in numbers."""
    found = await service.overview(serving, visiting.caller, clinic)
    visits = found.visits
    trends = {segment.slug: _line(found, segment) for segment in found.segments}
    return page(
        request,
        "manager/overview.html",
        visitor=visiting,
        clinic=await serving.directory.find(clinic),
        found=found,
        manages=visiting.sees(serving, Access(Action.SEGMENT_LIST, Resource(clinic))),
        late=found.waiting_since is not None and datetime.now(UTC) - found.waiting_since > SOON,
        trends=trends,
        title=TITLE,
        lines=tuple((segment.name, line) for segment in found.segments if (line := trends[segment.slug])),
        outcomes=drawn(
            "outcomes",
            N_("Outcome"),
            [(say("attended"), visits.fulfilled), (say("missed"), visits.noshow), (say("cancelled"), visits.cancelled)],
            N_("Appointments"),
        ),
    )


def _line(found: Overview, segment: SegmentSize) -> Trend | None:
    days = [(found.first_day + timedelta(days=n), members) for n, members in enumerate(segment.trend)]
    return trend(TITLE, days)
