"""A clinic at a glance as the API shows it."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.segments.schemas import Count

Share = Annotated[float | None, Field(description="From 0 to 1; null where there is nothing to divide, or not told.")]


class Visits(BaseModel):
    """Appointments of the days up to the as-of date, and of those from it on."""

    days: int = Field(description="How many days each way.")
    past: Count = Field(description="Appointments of these days, of any status.")
    fulfilled: Count
    noshow: Count
    cancelled: Count
    noshow_rate: Share = Field(description="Missed, of those attended or missed.")
    upcoming: Count = Field(description="Booked for the as-of date or a day after it.")


class SegmentSize(BaseModel):
    """A segment's present members, and how many there were at the end of each day."""

    slug: str
    name: str
    profile_dependent: bool
    members: Count
    trend: list[int] = Field(description="The last of them today's, of the clinic's own days; empty if `rounded`.")


class Overview(BaseModel):
    """A clinic at a glance, on the day that its mart stands for."""

    clinic: str
    as_of: date
    built_at: datetime | None
    waiting_since: datetime | None = Field(
        default=None, description="Since when the oldest change waits that is in no count yet; null if `rounded`, too."
    )
    rounded: bool = Field(description="Down to tens, and small counts left out: for who may not list members.")
    patients: Count
    shared: Count = Field(description="Patients who share their profile.")
    visits: Visits
    adherence: Share = Field(description="Exercises done, of those prescribed in these days.")
    first_day: date = Field(description="Of the segments' trends.")
    segments: list[SegmentSize]
