"""What an auditor looks through: how much is accessed and by whom, who may, and what is unusual."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.audit import reviews
from api.audit.review_schemas import By, Count
from api.audit.schemas import Filters
from api.pages.auditor.filters import Asked
from api.pages.auditor.frame import chosen, framed
from api.pages.charts import drawn, trend
from api.pages.show import words
from api.pages.texts import N_
from api.pages.visitors import Cursor, Visiting
from api.services import Serving
from infra.errors import InvalidInput

MOST_BARS = 12
MOST_DAYS = 400
FINDINGS_A_PAGE = 100

router = APIRouter(prefix="/audit")


@router.get("/counts")
async def counts_page(request: Request, serving: Serving, visiting: Visiting, asked: Asked) -> Response:
    """Accesses by day and by account, of the last 30 days unless other days are asked for."""
    if asked.faults:
        return await framed(request, serving, visiting, "auditor/counts.html", "counts", 422, asked=asked)
    clinic, caller = chosen(visiting, asked.typed["clinic"]), visiting.caller
    days = (await reviews.count(serving, caller, clinic, asked.filters, By.DAY)).counts
    actors = (await reviews.count(serving, caller, clinic, asked.filters, By.ACTOR)).counts
    first, last = _span(asked.filters)
    by_day = {count.day: count for count in days}
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    every = [(day, by_day.get(day)) for day in span]
    return await framed(
        request,
        serving,
        visiting,
        "auditor/counts.html",
        "counts",
        asked=asked,
        line=trend(N_("Accesses a day"), [(day, found.events if found else 0) for day, found in every]),
        denials=trend(N_("Denied a day"), [(day, found.denied if found else 0) for day, found in every]),
        bars=drawn(
            "actors",
            N_("Account"),
            _named(actors[:MOST_BARS]),
            N_("Accesses"),
        ),
        actors=actors,
    )


def _named(actors: Sequence[Count]) -> list[tuple[str, int]]:
    """Accounts with how much they accessed; the role of whoever did so in several beside the name."""
    often = Counter(count.principal for count in actors)
    return [
        (
            f"{count.principal} ({words(count.role)})"
            if count.principal and often[count.principal] > 1
            else count.principal or words(count.role),
            count.events,
        )
        for count in actors
    ]


@router.get("/rights")
async def rights_page(request: Request, serving: Serving, visiting: Visiting, asked: Asked) -> Response:
    """Who has access to patients today, and when they last used it."""
    found = await reviews.rights(serving, visiting.caller, chosen(visiting, asked.typed["clinic"]))
    return await framed(request, serving, visiting, "auditor/rights.html", "rights", asked=asked, rights=found.rights)


@router.get("/unusual")
async def unusual_page(
    request: Request, serving: Serving, visiting: Visiting, asked: Asked, cursor: Cursor = None
) -> Response:
    """Accesses of a clinic that are worth a look, by reason, page by page."""
    faults, found = dict(asked.faults), None
    if not faults:
        try:
            filters, clinic = asked.filters, chosen(visiting, asked.typed["clinic"])
            found = await reviews.unusual(
                serving, visiting.caller, clinic, filters.since, filters.until, FINDINGS_A_PAGE, cursor
            )
        except InvalidInput as error:
            wrong = error.place.rpartition(".")[2]
            # No clinic is chosen yet, which is no fault of the first look.
            faults = {} if wrong == "clinic" else {wrong: N_("31 days at most, and the first one first.")}
    return await framed(
        request,
        serving,
        visiting,
        "auditor/unusual.html",
        "unusual",
        422 if faults else 200,
        asked=asked,
        faults=faults,
        groups=[(reason, list(some)) for reason, some in groupby(found.findings, lambda each: each.reason)]
        if found
        else None,
        found=found,
        first=cursor is None,
    )


def _span(filters: Filters) -> tuple[date, date]:
    """The days that are counted, or the last of them where they are many: those without any access as well."""
    last = (filters.until - timedelta(days=1) if filters.until else datetime.now(UTC)).date()
    first = filters.since.date() if filters.since else last - reviews.COUNTED
    return max(first, last - timedelta(days=MOST_DAYS)), max(first, last)
