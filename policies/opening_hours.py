"""When a clinic is open, and which times of it are free: a grid of a service's length, less what is taken."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
USUAL = dict.fromkeys(WEEKDAYS[:5], "08:00-18:00")
_SPAN = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)")
# Far more than a day's hours need.
LONGEST = 100

Span = tuple[datetime, datetime]


def spans(text: str) -> list[tuple[time, time]]:
    """The spans of one day, such as `08:00-12:00 13:00-18:00`, in order and apart.

    Raises:
        ValueError: it is something else.
    """
    if len(text) > LONGEST:
        raise ValueError("more than a day's hours")
    found: list[tuple[time, time]] = []
    for word in text.split():
        match = _SPAN.fullmatch(word)
        if match is None:
            raise ValueError("no hours such as 08:00-18:00")
        begin, end = time.fromisoformat(match[1]), time.fromisoformat(match[2])
        if begin >= end:
            raise ValueError("hours that end before they begin")
        if found and begin < found[-1][1]:
            raise ValueError("hours that begin before those named before them end")
        found.append((begin, end))
    return found


def free(
    hours: Mapping[str, str], day: date, zone: str, minutes: int, taken: Sequence[Span], *, after: datetime
) -> list[datetime]:
    """When an appointment of so many minutes may begin on a clinic's own day, later than `after`; in UTC."""
    length, clock = timedelta(minutes=minutes), ZoneInfo(zone)
    found: list[datetime] = []
    for begin, end in spans(hours.get(WEEKDAYS[day.weekday()], "")):
        # In UTC, so that the grid stays one where clocks are put forward or back.
        at, close = (datetime.combine(day, each, clock).astimezone(UTC) for each in (begin, end))
        while at + length <= close:
            if at > after and not any(start < at + length and at < stop for start, stop in taken):
                found.append(at)
            at += length
    return found


def is_offered(hours: Mapping[str, str] | None, at: datetime, zone: str, minutes: int) -> bool:
    """Whether an appointment of so many minutes may begin then by a clinic's hours, taken or not; None is the usual."""
    day, before = at.astimezone(ZoneInfo(zone)).date(), at - timedelta.resolution
    return at in free(USUAL if hours is None else hours, day, zone, minutes, (), after=before)
