"""A brief as the API shows it."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.forms.schemas import Status


class Appointment(BaseModel):
    """An appointment at this clinic."""

    id: UUID
    service: str
    modality: str
    status: str
    starts_on: date
    starts_at: datetime | None
    ends_at: datetime | None = Field(default=None, description="Null of what an import brought.")


class LatestNumber(BaseModel):
    """The latest number or score that was answered to a question."""

    template: str
    question: str
    value: float
    answered_at: datetime


class PlanSoFar(BaseModel):
    """A treatment plan and its sums up to today."""

    id: UUID
    title: str
    starts_on: date
    ends_on: date | None
    prescribed: int
    done: int


class SharedProfile(BaseModel):
    """What the patient shares, without how to reach anybody."""

    birth_date: date | None
    sex: str | None
    blood_type: str | None
    allergies: list[str] | None
    chronic_conditions: list[str] | None
    insurance_type: str | None


class Brief(BaseModel):
    """One appointment, and what its specialist may know before it."""

    patient_id: UUID = Field(description="This clinic's own id of the patient.")
    name: str
    appointment: Appointment
    profile: SharedProfile | None = Field(description="Null unless the patient shares it with this clinic now.")
    done: list[Status] = Field(description="Forms that are completed, the newest first.")
    missing: list[Status] = Field(description="Forms that are not, expired ones too.")
    numbers: list[LatestNumber]
    plans: list[PlanSoFar]
    appointments: list[Appointment] = Field(description="The others at this clinic, the latest 50.")
