"""One's own and one's dependents' data as the API shows it."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field


class Dependent(BaseModel):
    """Somebody whom the caller is a guardian of today."""

    id: UUID = Field(description="Names the dependent in the other routes; of this guardianship alone.")
    name: str
    relationship: str
    since: date


class Dependents(BaseModel):
    """Dependents by name."""

    dependents: list[Dependent]


class PersonAccess(BaseModel):
    """One time that somebody was shown data of the person: where, in which role, and why; not by whom.

    What the pipeline copied to a clinic's own mart is one access a clinic and day, which guardians do not see.
    """

    event_id: UUID = Field(description="Names the entry of the log; of a day of the pipeline the first.")
    occurred_at: datetime
    clinic: str | None = Field(description="Null where no clinic was involved, but a guardian.")
    role: str
    organisation: str | None = Field(description="For whom they asked: a clinic, the platform; null: for themselves.")
    action: str
    purpose: str | None
    categories: list[str]
    impersonation: str | None = Field(description="The reason, where an admin acted as the person or a guardian.")


class PersonAccesses(BaseModel):
    """A page of accesses, newest first."""

    accesses: list[PersonAccess]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class OwnImpersonation(BaseModel):
    """A time that an admin acted as the caller: when and why; not which admin."""

    id: UUID
    reason: str
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None = Field(description="When it was ended before its time.")


class OwnImpersonations(BaseModel):
    """Impersonations, newest first."""

    impersonations: list[OwnImpersonation]
