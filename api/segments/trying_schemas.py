"""What rules would mean that are not saved."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.segments.rules import AskedRule
from policies.written import Written


class TriedRule(Written):
    """A rule that is not saved, and how many patients to name."""

    model_config = ConfigDict(extra="forbid")

    rule: AskedRule
    limit: Annotated[int, Field(ge=0, le=100, description="The most patients to name; of fewer than ten all are.")] = 20


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


class Size(BaseModel):
    """How many members a segment would have before and after."""

    slug: str
    before: int
    after: int


class Difference(BaseModel):
    """What a changed rule would change: both rules evaluated on the same patients and day."""

    as_of: date
    before: int
    after: int
    entered: int
    left: int
    entering: list[NamedPatient] = Field(description="The first of those who would enter, each recorded as shown.")
    leaving: list[NamedPatient] = Field(description="The first of those who would leave, each recorded as shown.")
    used_by: list[Size] = Field(description="The segments that name this one, themselves or through others.")
