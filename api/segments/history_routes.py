"""Members of a segment over time."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.cursors import LONGEST, Limit
from api.problems import documented
from api.segments import history_service as service
from api.segments.history_schemas import Changes, Days
from api.services import ApiCaller, Serving
from policies.written import Day

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}", tags=["segments"])
After = Annotated[
    str | None, Query(max_length=LONGEST, description="`next` of the page before; from the start if absent.")
]
Wait = Annotated[
    int, Query(ge=0, le=30, description="Seconds to wait for a change where there is none yet; it is answered at once.")
]
First = Annotated[Day | None, Query(alias="from", description="The first day; 30 days in all if absent.")]
Last = Annotated[Day | None, Query(alias="to", description="The last day; the clinic's today if absent.")]


@router.get(
    "/changes",
    response_model_exclude_unset=True,
    responses=documented(
        410, "What came after the cursor is not kept any longer; says how to go on. `archived`: nor is there a segment."
    ),
)
async def list_changes(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    limit: Limit = 100,
    after: After = None,
    wait: Wait = 0,
) -> Changes:
    """Who entered and left, in order, each recorded; `next` says where the feed goes on, whenever that is."""
    return await service.list_changes(serving, caller, clinic, segment, limit, after, wait)


@router.get("/days")
async def list_days(
    serving: Serving, caller: ApiCaller, clinic: str, segment: str, first: First = None, last: Last = None
) -> Days:
    """How many entered and left on each of the clinic's days, and the members at its end."""
    return await service.list_days(serving, caller, clinic, segment, first, last)
