"""Receipts of consents as the API shows them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from policies.consent_receipt import PropagationKind


class Propagation(BaseModel):
    """One beginning or end of sharing that followed from a consent event."""

    kind: PropagationKind
    since: datetime = Field(description="From then on every read goes by it.")
    issued_at: datetime | None = Field(description="Null while the clinic's mart is not done.")
    note: str | None = Field(description="The receipt: a C2SP signed note, which `cloister consent verify` takes.")


class ConsentReceipts(BaseModel):
    """What a consent event led to at its clinic: of a signature that ran out, two."""

    event: UUID
    receipts: list[Propagation]


class AuditedReceipt(BaseModel):
    """A receipt as auditors find it; `patient_id` is the clinic's own id for the patient."""

    clinic: str | None
    patient_id: UUID
    consent_event_id: UUID
    kind: PropagationKind
    issued_at: datetime
    note: str


class AuditedReceipts(BaseModel):
    """The newest receipts, a hundred at most."""

    receipts: list[AuditedReceipt]
