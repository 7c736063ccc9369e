"""Treatment plans as the API takes and shows them."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from policies.text import fault_of_name
from policies.written import Day, Written

MOST_EXERCISES = 25
MOST_TIMES = 20
LONGEST_DAYS = 366


def _visible(text: str) -> str:
    if fault_of_name(text):
        raise ValueError("a character that no name has")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_visible)]
Times = Annotated[int, Field(ge=1, le=MOST_TIMES)]
Weekday = Annotated[int, Field(ge=1, le=7)]


def _distinct(weekdays: list[int]) -> list[int]:
    return sorted(set(weekdays))


class Exercise(Written):
    """One exercise, on some days of the week, so many times a day."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    instructions: str = Field(default="", max_length=4000)
    times: Times = Field(default=1, description="A day.")
    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=7), AfterValidator(_distinct)] = Field(
        default=[1, 2, 3, 4, 5, 6, 7], description="1 is Monday, 7 is Sunday."
    )


Exercises = Annotated[list[Exercise], Field(min_length=1, max_length=MOST_EXERCISES)]


class Prescribed(Written):
    """A new plan: from a day of today or later, for a year at most."""

    model_config = ConfigDict(extra="forbid")

    title: Name
    starts_on: Day
    ends_on: Day = Field(description="The last day.")
    exercises: Exercises


class Changed(Written):
    """What a plan consists of from tomorrow on; its past stays."""

    model_config = ConfigDict(extra="forbid")

    exercises: Exercises
    ends_on: Day | None = Field(default=None, description="Another last day.")


class Ticked(Written):
    """How often an exercise was done on the day; 0 takes it back."""

    model_config = ConfigDict(extra="forbid")

    times: int = Field(ge=0, le=MOST_TIMES)


class DayDone(BaseModel):
    """The sums of one day of a plan."""

    prescribed: int
    done: int


class PlanId(BaseModel):
    """The plan that was made."""

    id: UUID


class PlanExercise(BaseModel):
    """An exercise as it stands, and how often it was done yesterday and today."""

    id: UUID = Field(description="A changed plan has exercises of other ids.")
    name: str
    instructions: str
    times: int
    weekdays: list[int]
    starts_on: date
    ends_on: date
    done: dict[date, int] = Field(description="By day; of yesterday and today alone.")


class PlanProgress(BaseModel):
    """Sums up to today, and how many days of the plan in a row everything was done."""

    prescribed: int
    done: int
    streak: int


class Plan(BaseModel):
    """A plan with its exercises of now and later, and how far it is."""

    id: UUID
    clinic: str
    title: str
    prescribed_by: str | None
    starts_on: date
    ends_on: date | None
    confidential: bool = Field(description="Hidden from guardians.")
    today: date = Field(description="The day at the clinic.")
    exercises: list[PlanExercise]
    progress: PlanProgress


class Plans(BaseModel):
    """Plans, the one that began last first."""

    plans: list[Plan]
