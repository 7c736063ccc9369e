"""An appointment as an iCalendar file (RFC 5545): when, and a link; no name of anything."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from icalendar import Calendar, Event

PRODUCT = "-//Cloister//Bookings//EN"
LINK = "/v1/me/appointments"


@dataclass(frozen=True)
class Entry:
    """What stands in the file; `version` counts the changes, so that a calendar knows the newest."""

    appointment_id: UUID
    starts_at: datetime
    ends_at: datetime
    version: int = 1
    cancelled: bool = False


def text_of(entry: Entry, public_url: str) -> str:
    """The file's text, with CRLF line ends."""
    event = Event()
    event.add("uid", f"{entry.appointment_id}@cloister")
    event.add("dtstamp", datetime.now(UTC))
    event.add("dtstart", entry.starts_at.astimezone(UTC))
    event.add("dtend", entry.ends_at.astimezone(UTC))
    event.add("sequence", entry.version - 1)
    event.add("summary", "Appointment")
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("url", f"{public_url}{LINK}")
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if entry.cancelled else "REQUEST")
    calendar.add_component(event)
    return str(calendar.to_ical(), "utf-8")
