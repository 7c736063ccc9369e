"""Bookings as they are asked for and answered. What is missing is refused after the decision, and recorded."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field

from api.bodies import Moment
from policies.written import Written

ISO_COUNTRY = r"^[A-Z]{2}$"


class BookedPatient(Written):
    """Whom a clinic books for: by its own id, by the booking system's id, or somebody new by name and contact."""

    id: UUID | None = Field(default=None, description="`patient_id` of this clinic. Goes with nothing else.")
    source_id: str | None = Field(
        default=None, min_length=1, max_length=200, description="The booking system's own id: finds the patient again."
    )
    name: str = Field(default="", max_length=200, description="Of somebody new.")
    email: str | None = Field(default=None, max_length=320)
    phone: str | None = Field(default=None, max_length=60)
    country: str = Field(default="ZZ", pattern=ISO_COUNTRY, description="ISO 3166: whose national phone numbers.")


class Booking(Written):
    """An appointment to be booked: for a patient by the clinic, otherwise for the caller or their dependent."""

    service: str = Field(default="", max_length=60, description="One of `GET …/services`.")
    specialist: str = Field(default="", max_length=200, description="By name, one of those who offer the service.")
    starts_at: Moment | None = Field(default=None, description="With its offset.")
    patient: BookedPatient | None = Field(default=None, description="Of staff and keys alone.")
    dependent: str | None = Field(default=None, max_length=60, description="`id` of `GET /v1/me/dependents`.")


class Verification(StrEnum):
    """What becomes of proving whose a booking is: by what the booking itself names, and never by who is known."""

    SENT = "sent"
    NOTHING_TO_SEND_TO = "nothing_to_send_to"
    NOT_NEEDED = "not_needed"


class Booked(BaseModel):
    """What was booked; the same to whoever sends the same again."""

    id: UUID
    patient: UUID | None = Field(description="`patient_id` of this clinic; null to patients and guardians.")
    verification: Verification = Field(
        description="`sent`: a code goes to the email that the booking names, if it needs one and had not too many. "
        "`nothing_to_send_to`: the booking names a phone alone, which nothing can be sent to yet. "
        "`not_needed`: it names no contact. Says nothing of whether the patient was known."
    )


class Service(BaseModel):
    """What a clinic offers."""

    service: str
    name: str
    modality: str
    minutes: int
    open: bool
    specialists: list[str]


class ClinicServices(BaseModel):
    """Services by name."""

    services: list[Service]
