"""Checkpoints and proofs of the sealed log. Hashes are base64, as in RFC 9162's JSON."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field


class Stream(StrEnum):
    """The two logs that are sealed."""

    ACCESS = "access"
    IMPERSONATION = "impersonation"


class SignedCheckpoint(BaseModel):
    """The newest tree of a log."""

    stream: Stream
    size: int = Field(description="How many events are sealed.")
    note: str = Field(description="Size and root, signed: a C2SP tlog-checkpoint.")
    signed_at: datetime


class PublicKeys(BaseModel):
    """The keys that checkpoints, receipts and exports were ever signed with, newest first."""

    keys: list[str] = Field(description="C2SP signed-note verifier keys; each names the log that it is of.")


class InclusionProof(BaseModel):
    """That a leaf is in the tree of a size (RFC 9162, 2.1.3)."""

    stream: Stream
    index: int
    size: int
    leaf: str = Field(description="The leaf's hash: of the event's line as an auditor's export holds it.")
    path: list[str]
    checkpoint: str | None = Field(description="The signed note of that size; null if a size was asked for.")


class ConsistencyProof(BaseModel):
    """That the tree of a size grew out of a smaller one (RFC 9162, 2.1.4)."""

    stream: Stream
    first: int
    size: int
    path: list[str]
    checkpoint: str | None = Field(description="The signed note of that size; null if a size was asked for.")


def encoded(hashes: Sequence[bytes]) -> list[str]:
    """Hashes as proofs hold them."""
    return [b64encode(value).decode() for value in hashes]
