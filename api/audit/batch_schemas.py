"""Batches of the access log: what each import, run of the pipeline and unit of the worker did, and to whom."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field

from policies.words import ProcessAction


class Kind(StrEnum):
    """What made a batch."""

    IMPORT = "import"
    RUN = "run"
    WORKER = "worker"


ACTIONS = {
    Kind.IMPORT: (ProcessAction.IMPORT_CSV, ProcessAction.IMPORT_FHIR),
    Kind.RUN: (ProcessAction.INGEST, ProcessAction.BUILD),
    Kind.WORKER: (ProcessAction.LIVE, ProcessAction.CONSENT_PROPAGATE),
}


class Step(BaseModel):
    """What a batch did with one asset or model of a clinic."""

    action: str
    what: str = Field(description="The asset or model, or the kind of rows.")
    events: int
    patients: int = Field(description="A patient counts in each of these events.")


class Batch(BaseModel):
    """What one batch did at one clinic."""

    batch_id: UUID
    clinic: str | None
    first_at: datetime
    last_at: datetime
    steps: list[Step]


class Batches(BaseModel):
    """A page of batches, those that ended last first."""

    batches: list[Batch]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class MovedPatient(BaseModel):
    """A patient whose rows a batch moved."""

    patient_id: UUID
    assets: list[str] = Field(description="Of which assets.")


class BatchOfPatients(Batch):
    """One batch, with a page of those whose rows it moved, by id.

    An import is resolved by the ingest that follows it, and a build is of everybody in the mart: neither has any.
    """

    moved: int = Field(description="How many patients' rows it moved.")
    patients: list[MovedPatient]
    next: str | None = Field(description="Cursor of the next page; null on the last.")
