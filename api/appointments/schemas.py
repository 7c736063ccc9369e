"""Appointments as the API shows and changes them."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.bodies import Moment
from policies.appointments import Reason, Status
from policies.written import Written


class Reasoned(Written):
    """Why something is done to an appointment."""

    reason: Reason | None = None


class Rescheduling(Reasoned):
    """Another time, and another specialist if one is named."""

    starts_at: Moment | None = None
    specialist: str | None = Field(default=None, min_length=1, max_length=200)


class Correction(Reasoned):
    """What the status should have been; the reason is needed."""

    status: Status | None = None


class Changed(BaseModel):
    """An appointment after a step."""

    id: UUID
    status: Status
    starts_at: datetime | None
    ends_at: datetime | None
    specialist: str | None


class FormCounts(BaseModel):
    """How far the patient's forms are; not what is in them."""

    pending: int
    in_progress: int
    completed: int
    expired: int


class ClinicAppointment(BaseModel):
    """An appointment as the clinic's staff sees it."""

    id: UUID
    patient: UUID
    name: str
    service: str
    modality: str
    specialist: str | None
    status: Status
    starts_on: date
    starts_at: datetime | None
    ends_at: datetime | None
    forms: FormCounts


class ClinicAppointments(BaseModel):
    """A page of a day's appointments, by time."""

    appointments: list[ClinicAppointment]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class OwnAppointment(BaseModel):
    """An appointment as the patient or a guardian sees it."""

    id: UUID
    clinic: str
    clinic_name: str
    service: str
    service_name: str
    modality: str
    specialist: str | None
    status: Status
    starts_on: date
    starts_at: datetime | None
    ends_at: datetime | None
    confidential: bool = Field(description="Hidden from guardians.")


class OwnAppointments(BaseModel):
    """A page of appointments, the latest first."""

    appointments: list[OwnAppointment]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class VideoLink(BaseModel):
    """The way into a video room."""

    link: str
    expires_at: datetime
