"""A clinic's settings as they are shown and changed."""

from typing import Annotated

from pydantic import BaseModel, Field

from infra.clinic_settings import (
    USUAL_DAYS_AHEAD,
    USUAL_HOLD_MINUTES,
    DaysAhead,
    HoldMinutes,
    Hours,
    Name,
    ServiceSettings,
    Slug,
)
from infra.consent_grace import GraceDays
from infra.places import Country, TimeZone
from policies.opening_hours import USUAL
from policies.written import Written


class OfferedService(ServiceSettings):
    """A service with its slug; closed ones are kept."""

    service: Slug


class Bookings(Written):
    """Who offers appointments, how far ahead, and which forms go with a new registration."""

    registration_forms: list[Slug] = Field(default=[], max_length=50)
    days_ahead: DaysAhead = USUAL_DAYS_AHEAD
    hold_minutes: HoldMinutes = USUAL_HOLD_MINUTES
    hours: Annotated[
        Hours,
        Field(description='When the clinic is open, by its own clock: `{"mon": "08:00-12:00 13:00-18:00"}`.'),
    ] = USUAL
    specialists: list[Name] = Field(default=[], max_length=500)


class ClinicRetention(Written):
    """How long things stand at one clinic; an admin's to say."""

    consent_grace_days: GraceDays


class ClinicLocation(Written):
    """Where a clinic is: what a day is there, and who is of age; an admin's to say."""

    time_zone: TimeZone
    country: Country


class Retention(ClinicRetention):
    """How long things are kept or stand; for all clinics alike the operator says it."""

    audit_years: int = Field(description="How long the access log stays searchable: for all clinics.")
    feed_days: int = Field(description="How far back feeds of segments tell who entered and left: for all clinics.")


class ClinicSettings(BaseModel):
    """All of a clinic's settings."""

    clinic: str
    name: str
    time_zone: str
    country: str
    retention: Retention
    bookings: Bookings
    services: list[OfferedService]
    templates: list[str] = Field(description="Forms that can be named.")
