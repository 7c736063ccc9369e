"""When a visit is still to come, and when its video room can be entered: for whoever it is of, and who treats them."""

from datetime import UTC, datetime

from api.appointments.schemas import OwnAppointment
from api.appointments.service import ROOM_CLOSES, ROOM_OPENS
from api.briefs.schemas import Appointment
from policies.appointments import Status

Visit = OwnAppointment | Appointment


def is_to_come(visit: Visit) -> bool:
    """Whether it is still to take place."""
    end = visit.ends_at or visit.starts_at
    ahead = end > datetime.now(UTC) if end else visit.starts_on >= datetime.now(UTC).date()
    return visit.status in (Status.BOOKED, Status.ARRIVED) and ahead


def has_room(visit: Visit) -> bool:
    """Whether it has a video room here; what an import brought has no end, and no room."""
    return visit.modality == "video" and visit.ends_at is not None


def room_is_open(visit: Visit) -> bool:
    """Whether its video room can be entered now."""
    start, end = visit.starts_at, visit.ends_at
    if visit.modality != "video" or start is None or end is None or visit.status not in (Status.BOOKED, Status.ARRIVED):
        return False
    return start - ROOM_OPENS <= datetime.now(UTC) < end + ROOM_CLOSES
