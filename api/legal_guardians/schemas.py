"""Guardians by law as the API takes and shows them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.editing.schemas import Email, Line
from policies.words import DeletionReason, LegalBasis
from policies.written import Day, Written


class LegalState(StrEnum):
    """How far a guardian by law is. Ended is also what nobody confirmed or redeemed in time."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    REDEEMED = "redeemed"
    ENDED = "ended"


class Proposing(Written):
    """On which legal basis an adult is to have a guardian, until when, and how the guardian is reached."""

    model_config = ConfigDict(extra="forbid")

    basis: LegalBasis
    until: Day = Field(description="From this day on it gives nothing; five years ahead at most.")
    email: Email = Field(description="The guardian's own: the code goes there, for an account that has proven it.")


class Proposed(BaseModel):
    """A proposal, which is nothing until a manager of the clinic confirms it."""

    id: UUID
    expires_at: datetime = Field(description="Until when it may be confirmed.")


class Confirming(Written):
    """What the manager saw."""

    model_config = ConfigDict(extra="forbid")

    document: Annotated[Line, Field(description="A reference of the document, such as its file number.")]


class Confirmed(BaseModel):
    """The code is on its way to the guardian, and good once until then."""

    id: UUID
    expires_at: datetime


class EndingByLaw(Written):
    """Why a guardianship by law ends, or never comes to be."""

    model_config = ConfigDict(extra="forbid")

    reason: DeletionReason


class LegalGuardian(BaseModel):
    """A guardian by law of a clinic's patient; name and email are a manager's to see, the email until it is used."""

    id: UUID
    patient: UUID | None = Field(description="`patient_id` of this clinic; null once they are no patient any more.")
    name: str | None = Field(default=None, description="The patient's.")
    email: str | None = Field(default=None, description="The guardian's.")
    state: LegalState
    basis: LegalBasis
    until: date
    proposed_at: datetime
    own: bool = Field(
        description="Not the caller's to confirm: theirs, or who made them a manager's, or they are new as one."
    )
    contested_at: datetime | None = Field(description="When the patient said that this is not so.")


class LegalGuardians(BaseModel):
    """What is proposed, confirmed or stands at a clinic, the newest first; at most 200."""

    guardians: list[LegalGuardian]


class OwnLegalGuardian(BaseModel):
    """A guardian by law of the caller."""

    id: UUID
    clinic: str | None = Field(description="Which one confirms it.")
    state: LegalState
    basis: LegalBasis
    until: date
    proposed_at: datetime
    contested_at: datetime | None


class OwnLegalGuardians(BaseModel):
    """Guardians by law of the caller, whatever became of them, the newest first."""

    guardians: list[OwnLegalGuardian]


class Contested(BaseModel):
    """Since when the caller says that this is not so."""

    id: UUID
    contested_at: datetime
