"""Doubtful registrations as a clinic's staff sees them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from policies.written import Written


class MergeDecision(StrEnum):
    """Whether two registrations are one patient's."""

    MERGE = "merge"
    DISTINCT = "distinct"


class Registered(BaseModel):
    """One of the two registrations."""

    patient: UUID
    name: str | None = Field(description="Null where the registration is deleted.")
    registered_on: date


class MergeCase(BaseModel):
    """Two registrations that one account turned out to have: `kept` stays if they are merged."""

    id: UUID
    opened_at: datetime
    kept: Registered
    other: Registered


class MergeCases(BaseModel):
    """Open cases, the oldest first."""

    cases: list[MergeCase]


class Deciding(Written):
    """What was decided."""

    decision: str = Field(default="", max_length=20, description=f"One of: {', '.join(MergeDecision)}.")


class Decided(BaseModel):
    """A case that is closed."""

    id: UUID
    decision: MergeDecision


def of_rows(rows: list[dict[str, Any]]) -> MergeCases:
    """Cases of rows, one a registration."""
    cases: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        case = cases.setdefault(row["case_id"], {"id": row["case_id"], "opened_at": row["opened_at"]})
        case[row["side"]] = Registered(patient=row["patient_id"], name=row["name"], registered_on=row["registered_on"])
    return MergeCases(cases=[MergeCase(**case) for case in cases.values()])
