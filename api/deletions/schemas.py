"""Deletions as the API takes and shows them."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from policies.words import DeletionReason
from policies.written import Written


class RecordKind(StrEnum):
    """What a clinic can mark as deleted."""

    REGISTRATION = "registration"
    APPOINTMENT = "appointment"
    FORM = "form"
    PLAN = "plan"
    BROUGHT_RECORD = "brought_record"


class Deleting(Written):
    """Why it is deleted."""

    model_config = ConfigDict(extra="forbid")

    reason: DeletionReason


class Marked(BaseModel):
    """What was marked, or has its mark taken away."""

    kind: RecordKind
    id: UUID
    deleted: bool
