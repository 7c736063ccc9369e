"""Entries of the quarantine as the API shows them: where and why, and never what the row says."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class QuarantineReason(BaseModel):
    """How many rows of one file wait for one reason."""

    source: str = Field(description="The system that the rows came from.")
    entity: str
    file: str
    reason: str
    entries: int
    first_line: int
    since: datetime


class QuarantineEntry(BaseModel):
    """One row that waits."""

    id: UUID
    source: str
    entity: str
    file: str
    line: int = Field(description="Of the file, from 1; in a Bundle the entry.")
    field: str | None
    reason: str
    since: datetime
    retry_asked_at: datetime | None = Field(description="Since when it is to be tried again; null: nobody asked.")
    tried_at: datetime | None = Field(description="When it was tried again last; `reason` is that of then.")
    trouble: str | None = Field(description="Why it could not even be tried then.")


class CameIn(BaseModel):
    """A row that was tried again with success, and waits no more."""

    id: UUID
    source: str
    entity: str
    file: str
    line: int
    came_in_at: datetime


class QuarantineList(BaseModel):
    """All reasons, the most frequent first, and a page of entries, the oldest first; what came in after all."""

    waiting: int
    reasons: list[QuarantineReason]
    entries: list[QuarantineEntry]
    came_in: list[CameIn] = Field(description="Tried again with success in the last 7 days, the latest first.")
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class AskedAgain(BaseModel):
    """A row that is to be tried again."""

    id: UUID
    retry_asked_at: datetime
