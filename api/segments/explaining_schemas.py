"""Explanations and undecided patients as the API shows them."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from policies.segments.missing import Lacking

Verdict = bool | None
CHANGES = (
    "The first later day on which the verdict differs while the clinic's records stay as they are; null if there is "
    "none within ten years. A form that expires and a consent that ends are changes of records: neither is looked "
    "ahead to."
)


class Missing(BaseModel):
    """One thing that is missing, and would decide."""

    lacking: Lacking = Field(
        description="`consent` to share the profile; a `profile` field that is empty though shared; an `answer`; "
        "a `fact`, such as an attended appointment."
    )
    measure: str | None = Field(description="Of a profile field or fact: the measure that is unknown without it.")
    form: str | None = Field(description="Of an answer: the form's template.")
    question: str | None = Field(description="Of an answer.")


class Change(BaseModel):
    """A verdict that will change by time alone."""

    on: date
    to: Verdict = Field(description="Null is unknown.")


class ConditionFound(BaseModel):
    """A condition, the value of its measure, and the records that this value comes from."""

    text: str = Field(description="The condition in the text form of rules.")
    measure: str
    unit: str
    value: float | int | str | date | list[str] | None = Field(description="Null is unknown, or not shown.")
    shown: bool = Field(description="False where the value is a text that the patient wrote: it is not shown.")
    sources: list[dict[str, Any]] = Field(
        description="The records by `kind` and id, newest first, with their days, statuses and numbers. None for what "
        "the profile says."
    )
    more_sources: int = Field(description="How many further records there are.")
    missing: Missing | None = Field(description="What is missing, if the value is unknown.")


class Part(BaseModel):
    """A part of the rule, with its verdict."""

    kind: Literal["all", "any", "not", "condition", "in_segment"]
    holds: Verdict = Field(description="Null is unknown.")
    changes: Change | None = Field(description=CHANGES)
    parts: list["Part"]
    condition: ConditionFound | None
    segment: str | None = Field(description="Of `in_segment`: the other segment, explained under `named`.")


class Membership(BaseModel):
    """Since when the patient is a member, by which version of the rule, and why they entered."""

    since: datetime
    version: int
    entered_by: str


class Explanation(BaseModel):
    """Why a patient is in a segment, or not, or is undecided."""

    segment: str
    version: int
    rule: str = Field(description="In the text form.")
    patient_id: UUID
    name: str
    as_of: date = Field(description="The day at the clinic that everything here stands for.")
    stale: bool = Field(description="Whether the mart refused a change of the patient's: what is said here is older.")
    member: Membership | None
    holds: Verdict = Field(description="Null is undecided.")
    changes: Change | None = Field(description=CHANGES)
    explanation: Part
    named: dict[str, Part] = Field(description="Each segment that the rule names, directly or not.")
    missing: list[Missing] = Field(description="Of an undecided rule: what could decide it.")


class MissingCount(Missing):
    """How many undecided patients lack something."""

    patients: int


class UndecidedPatient(BaseModel):
    """A patient for whom the segment is undecided."""

    patient_id: UUID
    name: str
    missing: list[Missing]


class Undecided(BaseModel):
    """A page of the patients for whom a segment is undecided, in order of their ids."""

    segment: str
    version: int
    as_of: date
    total: int = Field(description="Of all pages.")
    missing: list[MissingCount] = Field(
        description="Of all pages: what is missing, most wanted first. A patient who lacks several counts with each."
    )
    patients: list[UndecidedPatient]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
