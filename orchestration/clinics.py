"""Which clinics there are, and what day it is at each."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from infra.database import Server, connect
from infra.errors import InvalidInput
from infra.roles import Login


@dataclass(frozen=True)
class ClinicDay:
    """A clinic, and the day that a run is about there."""

    slug: str
    as_of: date


def clinic_days(at: Server, slugs: list[str] | None, as_of: date | None, now: datetime) -> list[ClinicDay]:
    """The clinics named, or all of them, each with `as_of` or else its own local day of `now`.

    Raises:
        InvalidInput: a clinic that does not exist.
    """
    with connect(Login.PIPELINE, at=at) as connection:
        zones: dict[str, str] = dict(
            connection.execute(
                "select slug, time_zone from operational.clinic where archived_at is null order by slug"
            ).fetchall()
        )
    for slug in slugs or ():
        if slug not in zones:
            raise InvalidInput(f"there is no clinic '{slug[:60]}'", place="clinic", hint="`cloister clinic add`")
    wanted = sorted(set(slugs)) if slugs else list(zones)
    return [ClinicDay(slug, as_of or now.astimezone(ZoneInfo(zones[slug])).date()) for slug in wanted]
