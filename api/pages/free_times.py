"""Free times as a booking's form asks for them: of the service and specialist that are chosen, some days at a time."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from api.bookings import service
from api.bookings.schemas import Booking
from api.directory import ClinicEntry
from api.gateway import Caller
from api.pages.times import as_typed, day_of
from api.services import Services
from infra.clinic_settings import FARTHEST

# What a button of the form says: `times`, or `times 2026-03-04` to go on from that day.
ASK = "times"


@dataclass(frozen=True)
class FreeTimes:
    """The free times of some days: each day with its times, as the form sends one and as it shows it."""

    days: list[tuple[date, list[tuple[str, str]]]]
    first: date
    last: date
    # None where earlier days are over.
    earlier: date | None

    @property
    def later(self) -> date:
        """The day that the next page begins with."""
        return self.last + timedelta(days=1)


def asked_for(do: str) -> bool:
    """Whether a button asks for free times."""
    return do.partition(" ")[0] == ASK


async def free_times(serving: Services, caller: Caller, clinic: ClinicEntry, wanted: Booking, do: str) -> FreeTimes:
    """The free times that a form asks for: from the day of its button, or of the time that was typed, or from today.

    Raises:
        NotThere: no such clinic, or none of the caller's.
    """
    zone = ZoneInfo(clinic.time_zone)
    today = datetime.now(zone).date()
    typed = wanted.starts_at.astimezone(zone).date() if wanted.starts_at else today
    first = min(max(day_of(do.partition(" ")[2], typed), today), today + timedelta(days=FARTHEST))
    found = await service.free_times(serving, caller, clinic.slug, wanted.service, wanted.specialist, first)
    local = [at.astimezone(zone) for at in found]
    days = [
        (day, [(as_typed(at, clinic.time_zone), f"{at:%H:%M}") for at in times])
        for day, times in groupby(local, key=datetime.date)
    ]
    span = timedelta(days=service.DAYS_OF_TIMES)
    return FreeTimes(days, first, first + span - timedelta(days=1), max(first - span, today) if first > today else None)
