"""An appointment as an iCalendar file (RFC 5545): when, and a link; no name of anything."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

PRODUCT = "-//Cloister//Bookings//EN"
# Guardians find the dependent there as well.
LINK = "/me"
# Of 75, one is the space that a continued line begins with; what stands in a file is ASCII.
LONGEST = 74


@dataclass(frozen=True)
class Entry:
    """What stands in the file; `version` counts the changes, so that a calendar knows the newest."""

    appointment_id: UUID
    starts_at: datetime
    ends_at: datetime
    version: int = 1
    cancelled: bool = False


def text_of(entry: Entry, public_url: str) -> str:
    """The file's text, with CRLF line ends. No value of it holds a character that would have to be escaped."""
    lines = [
        "BEGIN:VCALENDAR",
        f"PRODID:{PRODUCT}",
        "VERSION:2.0",
        f"METHOD:{'CANCEL' if entry.cancelled else 'REQUEST'}",
        "BEGIN:VEVENT",
        f"UID:{entry.appointment_id}@cloister",
        f"DTSTAMP:{_instant(datetime.now(UTC))}",
        f"DTSTART:{_instant(entry.starts_at)}",
        f"DTEND:{_instant(entry.ends_at)}",
        f"SEQUENCE:{entry.version - 1}",
        "SUMMARY:Appointment",
        f"STATUS:{'CANCELLED' if entry.cancelled else 'CONFIRMED'}",
        f"URL:{public_url}{LINK}",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _folded(line: str) -> str:
    """A line of any length as lines of at most 75 octets (section 3.1)."""
    return "\r\n ".join(line[start : start + LONGEST] for start in range(0, len(line), LONGEST))
