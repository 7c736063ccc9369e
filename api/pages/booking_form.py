"""The fields of a booking, whoever books: what a clinic offers, what was typed, and when that is free."""

from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from api.bookings import service
from api.bookings.schemas import Booking
from api.directory import ClinicEntry
from api.gateway import Caller
from api.pages.faults import Faults
from api.pages.free_times import FreeTimes, free_times
from api.pages.times import as_typed, at_clinic
from api.services import Services
from infra.errors import NotThere

# Between a service and a specialist, in one choice.
AND = "/"


def ordered(offer: str, starts_at: str, clinic: ClinicEntry | None) -> Booking:
    """What the fields of a booking's form say; what is no time or no offer is none."""
    wanted, _, specialist = offer.partition(AND)
    at = at_clinic(starts_at, clinic.time_zone if clinic else "UTC")
    return Booking(service=wanted[:60], specialist=specialist[:200], starts_at=at)


async def offered(serving: Services, caller: Caller, clinic: str) -> dict[str, Any]:
    """What the template of a booking's fields needs.

    Raises:
        NotThere: no such clinic.
    """
    found = await service.list_services(serving, caller, clinic)
    entry = await serving.directory.find(clinic)
    if entry is None:
        raise NotThere("no such clinic")
    return {"services": [each for each in found.services if each.open and each.specialists], **_times(entry)}


async def times_of(
    serving: Services, caller: Caller, clinic: ClinicEntry, asked: Booking, do: str
) -> tuple[FreeTimes | None, Faults]:
    """The free times that a form asks for, once it says of what.

    Raises:
        NotThere: no such clinic, or none of the caller's.
    """
    if not asked.service:
        return None, {"offer": "missing"}
    return await free_times(serving, caller, clinic, asked, do), {}


def _times(clinic: ClinicEntry) -> dict[str, Any]:
    """The clinic, and the earliest time that its field takes."""
    now = datetime.now(ZoneInfo(clinic.time_zone))
    return {"clinic": clinic, "earliest": as_typed(now, clinic.time_zone), "and_": AND, "key": str(uuid4())}
