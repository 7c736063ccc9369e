"""Segments and their members as the API shows them."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field


class Bucket(BaseModel):
    """How many present members fall into one bucket of one dimension."""

    dimension: str
    bucket: str
    patients: int


class Segment(BaseModel):
    """A segment and what its present members are made of."""

    slug: str
    name: str
    description: str
    version: int
    profile_dependent: bool
    created_at: datetime
    members: int = Field(description="Present members.")
    make_up: list[Bucket] = Field(
        description="Present members by age, sex, insurance, attendance and adherence. Left out until the marts "
        "are rebuilt after a patient stopped sharing the profile."
    )


class Segments(BaseModel):
    """The segments of a clinic, and the day and time they stand for."""

    clinic: str
    as_of: date | None
    built_at: datetime | None
    segments: list[Segment]


class Members(BaseModel):
    """A page of a segment's present members, in order of their ids."""

    segment: str
    members: list[dict[str, Any]] = Field(
        description="`patient_id`, and the fields that the caller may see. Keys of the profile are absent unless "
        "the patient shares it with the clinic."
    )
    next: str | None = Field(description="Cursor of the next page; null on the last.")
