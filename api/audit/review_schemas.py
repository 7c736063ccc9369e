"""Reviews of the access log: counts, who may see patients, and what is unusual."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field


class By(StrEnum):
    """What events are counted by."""

    DAY = "day"
    ACTOR = "actor"


class Count(BaseModel):
    """Events of one day, in UTC, or of one actor in one role."""

    day: date | None = None
    principal_id: UUID | None = None
    principal: str | None = None
    role: str | None = None
    events: int
    denied: int
    patients: int = Field(description="Disclosures: a patient counts each time.")
    last_at: datetime


class Counts(BaseModel):
    """Counts, newest or largest first."""

    counts: list[Count]


class Right(BaseModel):
    """An account or key that reaches patients today, and when it last did anything there."""

    principal_id: UUID
    principal: str
    kind: str
    role: str
    clinic: str | None = Field(description="Null of a role of the platform.")
    since: datetime
    key: str | None = Field(description="An API key's prefix.")
    scope: list[str] = Field(description="Fields that the key may read.")
    purpose: str | None
    expires_at: datetime | None
    last_event_at: datetime | None = Field(description="In this role, at this clinic, by this key; null: never.")


class Rights(BaseModel):
    """Who has access today."""

    rights: list[Right]


class Reason(StrEnum):
    """Why an access is worth a look."""

    SAME_NAME = "same_name"
    BULK = "bulk"
    NIGHT = "night"
    FIRST_ACCESS = "first_access"


class Finding(BaseModel):
    """Accesses of one actor that are worth a look, and why; no verdict."""

    reason: Reason
    says: str = Field(description="The rule, with its threshold.")
    principal_id: UUID
    principal: str | None
    patient_id: UUID | None = Field(description="Null where it is about many.")
    events: int
    patients: int
    first_at: datetime
    last_at: datetime


class Findings(BaseModel):
    """A page of findings, by reason and the latest first."""

    findings: list[Finding]
    counted: dict[Reason, int] = Field(description="How many findings there are for each reason, on all pages.")
    next: str | None = Field(description="Cursor of the next page, which is of the same time; null on the last.")
