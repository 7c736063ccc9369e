"""What rules would mean that are not saved."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.cursors import LONGEST
from api.segments.naming import Warnings
from api.segments.rules import AskedRule, RuleOrStored
from policies.written import Written

MostNamed = Annotated[int, Field(ge=0, le=100, description="The most patients to name; of fewer than ten all are.")]


class TriedRule(Written):
    """A rule that is not saved, and how many patients to name."""

    model_config = ConfigDict(extra="forbid")

    rule: AskedRule
    limit: MostNamed = 20


class ComparedRule(RuleOrStored):
    """A rule that is not saved, and how many patients to name who would enter, and how many who would leave."""

    limit: MostNamed = 20
    cursor: Annotated[
        str | None, Field(max_length=LONGEST, description="`next` of the answer before, with the same rule.")
    ] = None


class NamedPatient(BaseModel):
    """A patient by name."""

    patient_id: UUID
    name: str


class Preview(BaseModel):
    """Whom a rule means on the day that the clinic's mart stands for."""

    as_of: date
    profile_dependent: bool
    patients: int = Field(description="All patients of the clinic.")
    members: int
    undecided: int = Field(description="Of whom something is missing that would decide.")
    sample: list[NamedPatient] = Field(description="Some of the members, each recorded as shown.")
    warnings: Warnings


class Size(BaseModel):
    """How many members a segment would have before and after."""

    slug: str
    before: int
    after: int


class Difference(BaseModel):
    """What a changed rule would change: both rules evaluated on the same patients and day; those named by pages."""

    as_of: date
    before: int
    after: int
    entered: int
    left: int
    entering: list[NamedPatient] = Field(description="Of those who would enter a page, each recorded as shown.")
    leaving: list[NamedPatient] = Field(description="Of those who would leave a page, each recorded as shown.")
    used_by: list[Size] = Field(description="The segments that name this one, themselves or through others.")
    next: str | None = Field(description="`cursor` of those who follow on either side, if any do.")
    warnings: Warnings
