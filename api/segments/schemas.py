"""Segments and their members as the API shows them."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from policies.words import ArchiveReason

Count = Annotated[
    int | None,
    Field(description="Down to tens, and null where it is small or leaves few over, where `rounded` is true."),
]


class Bucket(BaseModel):
    """How many present members fall into one bucket of one dimension."""

    dimension: str
    bucket: str
    patients: Count


class Segment(BaseModel):
    """A segment and what its present members are made of."""

    segment_id: UUID = Field(description="As webhooks name it.")
    slug: str
    name: str
    description: str
    version: int
    profile_dependent: bool
    created_at: datetime
    archived_at: datetime | None
    broken: bool = Field(
        description="Its rule does not compile, or cannot be evaluated: until it is changed, or an operator has it "
        "tried again, members stay as they are, but for who stops sharing."
    )
    members: Count = Field(description="Present members.")
    rounded: bool = Field(default=False, description="Counts down to tens: for who may not list the members.")
    make_up: list[Bucket] = Field(
        description="Present members by age, sex, insurance, service of the last visit, attendance and adherence. "
        "Left out until the marts are rebuilt after a patient stopped sharing the profile."
    )


class Version(BaseModel):
    """One version of a segment's rule."""

    version: int
    rule: dict[str, Any] = Field(description="As it was saved, where it is no rule any more.")
    text: str | None = Field(description="Null where it is no rule any more.")
    profile_dependent: bool
    fires: bool = Field(description="Whether automation may act on whom this version itself brought in or out.")
    created_at: datetime
    created_by: str | None = Field(description="Login of who saved it; null of commands, and to API keys.")


class SegmentDetail(Segment):
    """A segment with its rule, and how it came to be."""

    rule: dict[str, Any] = Field(description="In JSON; see `GET /v1/segments/schema`.")
    text: str | None = Field(
        description="The same rule as a text; null of what is no rule any more, which is `broken`."
    )
    versions: list[Version]
    used_by: list[str] = Field(description="Slugs of the segments whose rules name this one.")
    archived_by: str | None
    archive_reason: ArchiveReason | None


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
