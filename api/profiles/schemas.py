"""A person's profile as the API shows it."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class EmergencyContact(BaseModel):
    """Whom to call."""

    model_config = ConfigDict(extra="forbid")

    name: str
    relationship: str
    phone: str


class PersonProfile(BaseModel):
    """A person's name and portable profile."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    birth_date: date | None = None
    sex: str | None = None
    blood_type: str | None = None
    allergies: list[str] | None = None
    chronic_conditions: list[str] | None = None
    insurance_type: str | None = None
    insurance_payer: str | None = None
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    policy_number: str | None = None
    emergency_contacts: list[EmergencyContact] | str | None = Field(
        default=None,
        description="A text where an import brought them and nobody has edited them since;"
        " of a dependent those that the caller entered.",
    )


class Profile(PersonProfile):
    """A patient as a clinic sees them. Keys of the profile are absent unless the patient shares it with the clinic."""

    patient_id: UUID = Field(description="This clinic's own id of the patient.")
