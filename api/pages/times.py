"""Days and times as browsers send them: a clinic's own, by its wall clock."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

# Within what the API takes as a moment, whatever the zone.
FIRST_YEAR, LAST_YEAR = 1901, 2198


def at_clinic(text: str, zone: str) -> datetime | None:
    """The time that a `datetime-local` field says, at a clinic; None where it says none."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not FIRST_YEAR <= local.year <= LAST_YEAR:
        return None
    return local.replace(tzinfo=ZoneInfo(zone)) if local.tzinfo is None else local


def as_typed(value: datetime | None, zone: str) -> str:
    """A time as a `datetime-local` field shows it."""
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M}" if value else ""


def day_of(text: str, otherwise: date) -> date:
    """The day that an address names."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise


def around(day: date) -> tuple[date, date]:
    """The days before and after, within what a calendar holds."""
    one = timedelta(days=1)
    return max(day, date.min + one) - one, min(day, date.max - one) + one
