"""Access events as auditors see them: ids, categories and policies; never a value."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from policies.words import Decision, Purpose
from policies.written import WrittenTime


def _in_utc(value: datetime) -> datetime:
    """A time in UTC, as which one without a zone is taken: PostgreSQL knows no zone 16 hours from it."""
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("beyond the calendar") from None


Time = Annotated[datetime, WrittenTime, AfterValidator(_in_utc)]


class Filters(BaseModel):
    """Which events an auditor looks for; all given must hold."""

    action: str | None = None
    decision: Decision | None = None
    purpose: Purpose | None = None
    principal: UUID | None = None
    impersonation: UUID | None = None
    impersonated: bool | None = None
    patient: UUID | None = None
    since: Time | None = None
    until: Time | None = None
    event: UUID | None = None


class AccessEvent(BaseModel):
    """One access: who, what, where, why, and what the policies said."""

    event_id: UUID
    occurred_at: datetime
    principal_id: UUID | None = Field(description="Null of patients and guardians, to an auditor of one clinic.")
    principal: str | None = Field(description="The login that this id has now.")
    principal_kind: str
    role: str
    organisation: str | None = Field(description="For whom they asked: a clinic, the platform; null: for themselves.")
    for_another: bool = Field(description="Whether a guardian or an admin asked in another's name.")
    action: str
    resource_type: str
    resource_id: str | None
    clinic: str | None
    purpose: str | None
    decision: str
    policies: list[str]
    policy_version: str | None
    categories: list[str]
    patients: int = Field(description="How many patients were disclosed.")
    request_id: UUID | None
    session_id: str | None
    impersonated: bool = Field(description="Whether an admin acted as somebody.")
    impersonation_id: UUID | None = Field(
        description="Which impersonation was opened, acted by or ended; null to an auditor of one clinic."
    )
    consent_event_id: UUID | None = Field(description="The consent that was relied on.")
    batch_id: UUID | None = Field(description="Of a run of the pipeline or an import.")
    origin: str | None


class ExportedEvent(AccessEvent):
    """An access with the ids of the patients it disclosed; of a batch they are too many, and found by patient."""

    patient_ids: list[UUID]


class AccessEvents(BaseModel):
    """A page of events, newest first."""

    events: list[AccessEvent]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
