"""What callers may ask about members over time."""

import time
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from api.gateway import Access, Caller, Grant
from api.segments import history_repository as repository
from api.segments.counts import are_exact, day_with_rounded
from api.segments.history_schemas import Change, Changes, Day, Days
from api.segments.repository import definition as definition_of
from api.segments.schemas import SegmentDetail
from api.segments.service import BY_NAME, check_in_use, clinic_of, defined, visible_fields
from api.services import Services
from infra.errors import Gone, InvalidInput, NotThere
from infra.settings import settings
from policies.access.model import Resource
from policies.words import Action

MOST_DAYS = 400
USUAL_DAYS = 30
# Behind everybody whom a run moved.
END_OF_RUN = UUID(int=2**128 - 1)
_RESYNC = "List the members, and go on after the `Cloister-Feed-Cursor` of that answer."


async def list_changes(
    serving: Services, caller: Caller, clinic: str, segment: str, limit: int, after: str | None, wait: int = 0
) -> Changes:
    """A page of who entered and left a segment, archived too.

    Where there is none yet, one is waited for, `wait` seconds at most.

    Raises:
        NotThere: no such segment, or not the caller's, or not any more; the cursor is none of this feed.
        Gone: something that came after the cursor is not kept any longer, or, said by its rule, the segment is archived
            besides.
        TooMany: the caller waits too often already.
    """
    fields = [field for field in BY_NAME if field in visible_fields(caller.principal)]
    shown = frozenset(field.value for field in fields)
    access = Access(Action.MEMBER_LIST, Resource(clinic, segment), shown, archived_too=True)
    since, until = time.time(), time.monotonic() + wait
    with ExitStack() as waiting:
        if wait:
            waiting.enter_context(serving.waits.place(str(caller.principal.actor_id)))
        signal = waiting.enter_context(serving.signals.of(clinic))
        while True:
            left = until - time.monotonic()
            # Nothing is held while nothing happens: neither a connection nor a transaction.
            async with serving.gateway.open(caller, access) as grant:
                bound_to = _bound_to(caller, grant, clinic)
                position = _position(serving.cursors.open(after, *bound_to)) if after else repository.START
                following = await repository.next_at(grant, position)
                _check_kept(grant, following)
                if following or left <= 0:
                    rows, more = await repository.changes(grant, fields, position, limit)
                    break
                grant.leave()
            await signal.wait(left)
            caller = await serving.anew(caller, since)
    if rows:
        position = (rows[-1]["run"], rows[-1]["patient_id"])
    told = {"kind", "at", "cause", "version", "fires", *shown}
    changes = [Change(**{name: row[name] for name in told if row[name] is not None}) for row in rows]
    cursor = serving.cursors.seal(f"{position[0]} {position[1]}", *bound_to)
    return Changes(segment=segment, changes=changes, next=cursor, more=more)


async def list_latest(
    serving: Services, caller: Caller, clinic: str, segment: str, limit: int, cursor: str | None
) -> tuple[list[Change], str | None]:
    """Who entered and left a segment, by name and the newest first, as far back as feeds go; the next page's cursor.

    Raises:
        NotThere: no such segment, or not the caller's; the cursor is none of this list.
    """
    access = Access(Action.MEMBER_LIST, Resource(clinic, segment), frozenset(field.value for field in BY_NAME))
    async with serving.gateway.open(caller, access) as grant:
        bound_to = ("latest", *_bound_to(caller, grant, clinic))
        before = _position(serving.cursors.open(cursor, *bound_to)) if cursor else repository.END
        rows, following = await repository.latest(grant, before, _kept_since(), limit)
    changes = [Change.model_validate(row) for row in rows]
    return changes, serving.cursors.seal(f"{following[0]} {following[1]}", *bound_to) if following else None


def feed_cursor(serving: Services, grant: Grant, clinic: str, run: int, patient: UUID) -> str:
    """The cursor that a grant's segment's feed goes on after: a patient whom a run moved."""
    return serving.cursors.seal(f"{run} {patient}", *_bound_to(grant.caller, grant, clinic))


def _bound_to(caller: Caller, grant: Grant, clinic: str) -> tuple[object, ...]:
    # Of the segment itself: another one of that slug would not go on where this one ended.
    this = grant.segment.segment_id if grant.segment else None
    return ("changes", clinic, this, caller.principal.principal_id)


def _check_kept(grant: Grant, following: datetime | None) -> None:
    if following is not None and following < _kept_since():
        check_in_use(grant)
        raise Gone("past its retention", place="query.after", rule="past_retention", detail=_RESYNC)


def _kept_since() -> datetime:
    return datetime.now(UTC) - timedelta(days=settings().feed_retention_days)


async def list_days(
    serving: Services, caller: Caller, clinic: str, segment: str, first: date | None, last: date | None
) -> Days:
    """A segment day by day, the last 30 days unless others are asked for.

    Raises:
        NotThere: no such segment, or not the caller's.
        InvalidInput: more than 400 days, or days to come, or none.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        entry = clinic_of(grant.clinic)
        today = entry.today
        to = last or today
        if to > today:
            raise InvalidInput("days to come", place="query.to", rule="in_the_future")
        if to.toordinal() < MOST_DAYS:
            raise InvalidInput("no such span of days", place="query.from", rule="span")
        since = first or to - timedelta(days=USUAL_DAYS - 1)
        if not 0 <= (to - since).days < MOST_DAYS:
            raise InvalidInput("no such span of days", place="query.from", rule="span")
        rows = await repository.days(grant, since, to)
    exact, days = _told(serving, caller, clinic, segment, rows)
    return Days(segment=segment, time_zone=entry.time_zone, rounded=not exact, days=days)


async def read_with_days(
    serving: Services, caller: Caller, clinic: str, segment: str, days: int
) -> tuple[SegmentDetail, list[Day]]:
    """One segment with its rule, its versions and who names it, and its last days up to the clinic's today: one read.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_READ, Resource(clinic, segment))) as grant:
        definition = await definition_of(grant)
        last = clinic_of(grant.clinic).today
        found = await repository.with_days(grant, last - timedelta(days=days - 1), last)
    _, told_days = _told(serving, caller, clinic, segment, found.pop("days"))
    shown, _ = await defined(serving, caller, clinic, found, definition)
    return shown, told_days


def _told(
    serving: Services, caller: Caller, clinic: str, segment: str, rows: list[dict[str, Any]]
) -> tuple[bool, list[Day]]:
    """Whether the caller is told exact counts, and the days as they are told."""
    exact = are_exact(serving.gateway, caller.principal, clinic, segment)
    return exact, [Day.model_validate(_by_cause(row) if exact else day_with_rounded(row)) for row in rows]


def _by_cause(row: dict[str, Any]) -> dict[str, Any]:
    """A day with those causes alone that moved anybody."""
    moved = {name: {cause: n for cause, n in row[name].items() if n} for name in ("entered_by", "left_by")}
    return row | moved


def _position(text: str) -> tuple[int, UUID]:
    run, _, patient = text.partition(" ")
    try:
        return int(run), UUID(patient)
    except ValueError:
        raise NotThere("no cursor of this feed") from None
