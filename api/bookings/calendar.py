"""An appointment as an iCalendar file (RFC 5545): when, and a link; no name of anything.

Who sends it and to whom stands in it from the moment that it is sent (RFC 5546): before, nobody is to find a contact.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

PRODUCT = "-//Cloister//Bookings//EN"
# Guardians find the dependent there as well.
LINK = "/me"
# Of 75, one is the space that a continued line begins with; what stands in a file is ASCII.
LONGEST = 74
# What an address keeps as it is within a `mailto:` (RFC 6068, section 2).
MAILTO = "!$'()*+,;:@"
_END = "END:VEVENT\r\n"


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


def addressed(text: str, organizer: str, attendee: str) -> str:
    """A file's text with both parties' addresses, which REQUEST and CANCEL need (sections 3.2.2 and 3.2.5).

    Whom it goes to has agreed already, and no answer is waited for.
    """
    lines = [
        f"ORGANIZER:mailto:{quote(organizer, safe=MAILTO)}",
        f"ATTENDEE;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:{quote(attendee, safe=MAILTO)}",
    ]
    return text.replace(_END, "".join(f"{_folded(line)}\r\n" for line in lines) + _END)


def method_of(text: str) -> str:
    """What a file's text says that it is for."""
    return "CANCEL" if "\r\nMETHOD:CANCEL\r\n" in text else "REQUEST"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _folded(line: str) -> str:
    """A line of any length as lines of at most 75 octets (section 3.1)."""
    return "\r\n ".join(line[start : start + LONGEST] for start in range(0, len(line), LONGEST))
