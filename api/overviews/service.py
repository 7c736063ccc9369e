"""A clinic at a glance, for its managers, and with less for its staff."""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from api.gateway import Access, Caller
from api.overviews import repository
from api.overviews.schemas import Overview, SegmentSize, Visits
from api.segments.counts import are_exact
from api.segments.service import clinic_of
from api.segments.trying_service import as_of_day
from api.services import Services
from policies.access.model import Resource
from policies.small_counts import SMALLEST, told
from policies.words import Action

DAYS = 30


async def overview(serving: Services, caller: Caller, clinic: str) -> Overview:
    """A clinic's patients, appointments, adherence and segments in numbers.

    Raises:
        NotThere: no such clinic, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.CLINIC_OVERVIEW, Resource(clinic))) as grant:
        entry, as_of = clinic_of(grant.clinic), as_of_day(grant.clinic)
        first = entry.today - timedelta(days=DAYS - 1)
        row = await repository.overview(grant, serving.overviews, as_of, DAYS, first - timedelta(days=1))
    shown = _exact(row, first) if are_exact(serving.gateway, caller.principal, clinic) else _rounded(row)
    return Overview(clinic=clinic, as_of=as_of, built_at=entry.built_at, first_day=first, **shown)


def _exact(row: Mapping[str, Any], first: date) -> dict[str, Any]:
    visits = row["visits"]
    return {
        "rounded": False,
        "waiting_since": row["waiting_since"],
        "patients": row["patients"],
        "shared": row["shared"],
        "visits": Visits(days=DAYS, noshow_rate=_rate(visits["noshow"], visits["fulfilled"]), **visits),
        "adherence": row["adherence"],
        "segments": [SegmentSize(**segment, trend=_trend(segment["steps"], first)) for segment in row["segments"]],
    }


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is told to who may not list members: no day by day either, since a day's difference may be somebody."""
    patients, visits = row["patients"], row["visits"]
    past = visits["past"]
    counts = {
        name: told(count, None if name == "upcoming" else past) for name, count in visits.items() if name != "past"
    }
    attended, missed = counts["fulfilled"], counts["noshow"]
    return {
        "rounded": True,
        "patients": told(patients),
        "shared": told(row["shared"], patients),
        "visits": Visits(
            days=DAYS,
            past=told(past),
            noshow_rate=None if attended is None or missed is None else _rate(missed, attended),
            **counts,
        ),
        # In tenths: from two exact ones what a single patient did in between could be told.
        "adherence": round(row["adherence"], 1) if row["followed"] >= SMALLEST else None,
        "segments": [
            SegmentSize(**{**segment, "members": told(segment["members"], patients)}, trend=[])
            for segment in row["segments"]
        ],
    }


def _rate(missed: int, attended: int) -> float | None:
    return missed / (missed + attended) if missed + attended else None


def _trend(steps: Mapping[str, int], first: date) -> list[int]:
    """The members at the end of each day from the first on, from what each day gained."""
    days = [(first + timedelta(days=n)).isoformat() for n in range(-1, DAYS)]
    return list(accumulate(steps.get(day, 0) for day in days))[1:]
