"""Members over time as the API shows them."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.segments.schemas import Count


class Change(BaseModel):
    """One patient who entered, left or is to be forgotten. Keys that the caller may not see are absent."""

    kind: Literal["entered", "left", "forget"] = Field(
        description="`forget`: the patient withdrew; whatever was kept of them and this segment is to be deleted."
    )
    patient_id: UUID | None = None
    name: str | None = None
    at: datetime
    cause: str = Field(description="`rule`, `consent`, `correction`, `data` or `time`.")
    version: int = Field(description="Of the segment's rule.")
    fires: bool = Field(description="Whether automation may act on it.")


class Changes(BaseModel):
    """A page of a segment's feed, in the order in which the changes came to be."""

    segment: str
    changes: list[Change]
    next: str = Field(description="Where the feed goes on: `after` of the next request, now or whenever.")
    more: bool = Field(description="Whether there is more already.")


class Day(BaseModel):
    """One of the clinic's own days."""

    day: date
    entered: Count
    left: Count
    members: Count = Field(description="At the end of the day.")
    entered_by: dict[str, int] = Field(description="By cause; empty for who may not list members.")
    left_by: dict[str, int] = Field(description="By cause; empty for who may not list members.")


class Days(BaseModel):
    """A segment day by day."""

    segment: str
    time_zone: str
    rounded: bool = Field(description="Down to tens, each count by itself: for who may not list the members.")
    days: list[Day]
