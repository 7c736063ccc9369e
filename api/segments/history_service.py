"""What callers may ask about members over time."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from api.gateway import Access, Caller
from api.segments import history_repository as repository
from api.segments.history_schemas import Change, Changes, Day, Days
from api.segments.service import clinic_of, visible_fields
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.classification import Field
from policies.words import Action

MOST_DAYS = 400
USUAL_DAYS = 30


async def list_changes(
    serving: Services, caller: Caller, clinic: str, segment: str, limit: int, after: str | None
) -> Changes:
    """A page of who entered and left a segment.

    Raises:
        NotThere: no such segment, or not the caller's; the cursor is none of this feed.
    """
    fields = [field for field in visible_fields(caller.principal) if field in (Field.PATIENT_ID, Field.NAME)]
    access = Access(Action.MEMBER_LIST, Resource(clinic, segment), frozenset(field.value for field in fields))
    async with serving.gateway.open(caller, access) as grant:
        # Of the segment itself: another one of that slug would not go on where this one ended.
        this = grant.segment.segment_id if grant.segment else None
        bound_to = ("changes", clinic, this, caller.principal.principal_id)
        position = _position(serving.cursors.open(after, *bound_to)) if after else repository.START
        rows, more = await repository.changes(grant, fields, position, limit)
    if rows:
        position = (rows[-1]["run"], rows[-1]["patient_id"])
    shown = {"kind", "at", "cause", "version", "fires", *(field.value for field in fields)}
    changes = [Change(**{name: row[name] for name in shown if row[name] is not None}) for row in rows]
    following = serving.cursors.seal(f"{position[0]} {position[1]}", *bound_to)
    return Changes(segment=segment, changes=changes, next=following, more=more)


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
        today = datetime.now(UTC).astimezone(ZoneInfo(entry.time_zone)).date()
        to = last or today
        if to > today:
            raise InvalidInput("days to come", place="query.to", rule="in_the_future")
        if to.toordinal() < MOST_DAYS:
            raise InvalidInput("no such span of days", place="query.from", rule="span")
        since = first or to - timedelta(days=USUAL_DAYS - 1)
        if not 0 <= (to - since).days < MOST_DAYS:
            raise InvalidInput("no such span of days", place="query.from", rule="span")
        rows = await repository.days(grant, since, to)
    return Days(segment=segment, time_zone=entry.time_zone, days=[Day.model_validate(row) for row in rows])


def _position(text: str) -> tuple[int, UUID]:
    run, _, patient = text.partition(" ")
    try:
        return int(run), UUID(patient)
    except ValueError:
        raise NotThere("no cursor of this feed") from None
