"""Families as the API takes and shows them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.editing.schemas import BirthDate, Line, Name, Sex
from policies.words import DeletionReason, LegalBasis
from policies.written import Written

Code = Annotated[str, Field(min_length=20, max_length=60)]


class NewDependent(Written):
    """A child without an account: always a new person, whoever is known already."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    birth_date: BirthDate
    sex: Sex = "unknown"
    relationship: Line = Field(description="What the caller is to the child, such as `parent`.")


class Guardianship(BaseModel):
    """Names the dependent in the other routes, for the caller alone."""

    id: UUID


class Invitation(BaseModel):
    """Whoever sends the code becomes a guardian. It is shown once."""

    id: UUID
    code: str
    expires_at: datetime


class Joining(Written):
    """The code of an invitation."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    relationship: Line


class Ending(Written):
    """Why a guardianship ends."""

    model_config = ConfigDict(extra="forbid")

    reason: DeletionReason


class Ended(BaseModel):
    """The day from which on it gives nothing: today."""

    id: UUID
    ends_on: date


class Guardian(BaseModel):
    """Who manages somebody, by name; never a contact."""

    name: str
    relationship: str
    since: date
    basis: LegalBasis | None = Field(default=None, description="By law: where the patient did not agree themself.")
    until: date | None = Field(default=None, description="From this day on it gives nothing.")


class GuardianContact(Guardian):
    """A guardian whom the clinic may reach, by the contacts of their account."""

    phone: str | None = None
    email: str | None = None


class GuardianContacts(BaseModel):
    """The guardians of today of a patient who shares with the clinic."""

    guardians: list[GuardianContact]


class OwnGuardian(Guardian):
    """A guardian of the caller."""

    id: UUID


class Guardians(BaseModel):
    """The guardians of today."""

    guardians: list[Guardian]


class OwnGuardians(BaseModel):
    """The caller's guardians of today."""

    guardians: list[OwnGuardian]
