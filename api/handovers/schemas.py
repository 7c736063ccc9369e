"""What patients bring, as the API shows it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the export's manifest.")]


class Channel(StrEnum):
    """In whose hand it came."""

    PATIENT = "patient"
    GUARDIAN = "guardian"
    STAFF = "staff"


class Counted(BaseModel):
    """How many FHIR resources of a type."""

    type: str
    count: int


class Preview(BaseModel):
    """A genuine export of this very person, and what would be kept of it; nothing is, so far."""

    issuer: str = Field(description="Whose key signed it.")
    origin: str = Field(description="The clinic that it is of.")
    made_at: datetime
    expires_at: datetime
    digest: Sha256
    resources: list[Counted] = Field(
        description="To a clinic's staff without those of a profile that is not shared with it."
    )
    already: UUID | None = Field(description="The record that it is already, where it was brought before.")


class BroughtRecord(BaseModel):
    """What a patient brought of another clinic: where it comes from, and when and how it came."""

    id: UUID
    issuer: str
    origin: str
    made_at: datetime
    digest: Sha256
    channel: Channel
    confidential: bool = Field(description="Hidden from guardians but the one who brought it.")
    received_at: datetime


class BroughtRecords(BaseModel):
    """The newest first."""

    records: list[BroughtRecord]


class OwnBroughtRecord(BroughtRecord):
    """The same as the person sees it."""

    clinic: str = Field(description="Which clinic keeps it.")


class OwnBroughtRecords(BaseModel):
    """The newest first."""

    records: list[OwnBroughtRecord]


class BroughtContent(BroughtRecord):
    """The same with the document itself: as its issuer signed it, while the patient shares the profile."""

    profile_shared: bool = Field(description="If not, the profile is left out, and the document labelled `REDACTED`.")
    bundle: dict[str, Any] = Field(description="A FHIR R4 document Bundle.")
