"""Which clinics there are, and what day it is at each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import structlog

from infra.database import Server, connect
from infra.errors import InvalidInput
from infra.places import time_zones
from infra.roles import Login

log = structlog.get_logger()


@dataclass(frozen=True)
class ClinicDay:
    """A clinic, and the day that a run is about there."""

    slug: str
    as_of: date


def clinic_days(at: Server, slugs: list[str] | None, as_of: date | None, now: datetime) -> list[ClinicDay]:
    """The clinics named, or all of them, each with `as_of` or else its own local day of `now`.

    Of all of them, those that are in no time zone are left out, and logged.

    Raises:
        InvalidInput: a clinic that does not exist, or is named and in no time zone.
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
    wanted, nowhere = sorted(set(slugs)) if slugs else list(zones), set(without_zone(zones))
    if slugs and (lost := nowhere.intersection(wanted)):
        raise InvalidInput(
            f"the clinic '{min(lost)}' is in no time zone", place="clinic", hint="an admin says where it is"
        )
    for slug in nowhere:
        log.error("a clinic is in no time zone and is left out", clinic=slug)
    return [
        ClinicDay(slug, as_of or now.astimezone(ZoneInfo(zones[slug])).date()) for slug in wanted if slug not in nowhere
    ]


def without_zone(zones: Mapping[str, str]) -> list[str]:
    """The clinics, each with its time zone, where no day can be told: the database knows names that Python does not."""
    return [slug for slug, zone in zones.items() if zone not in time_zones()]
