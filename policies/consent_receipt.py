"""Receipts: what became of one beginning or end of sharing in a clinic, place by place, as a signed note.

The text of a receipt is two lines: who signs (`cloister/<instance>/receipts`), and canonical JSON (RFC 8785). It tells
nothing of the profile.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

from policies.audit.canonical import line_of
from policies.audit.note import BadNote, Signer, Verifier, open_note, sign_note

STREAM = "receipts"


class PropagationKind(StrEnum):
    """Why a profile began or ceased to be shared."""

    SIGNED = "signed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DELETED = "deleted"


class Outcome(StrEnum):
    """Whether the places say what the event asked for, or already what a later one does."""

    DONE = "done"
    SUPERSEDED = "superseded"


class Place(StrEnum):
    """Where a profile, or what it tells, may lie in a clinic."""

    READS = "reads"  # every read of the API, pages, cursors and exports: they ask for the consent each time
    MART = "mart"
    FLIP_DAYS = "flip_days"
    MEMBERS = "members"  # of segments, now and at past times
    FEED = "feed"
    DAILY_COUNTS = "daily_counts"
    REPORTS = "reports"


@dataclass(frozen=True)
class Receipt:
    """What became of one consent event at one clinic; `patient_id` is that clinic's id for the patient.

    `places` says of each place since when it has been what the event asked for.
    """

    clinic: str
    patient_id: UUID
    consent_event_id: UUID
    kind: PropagationKind
    outcome: Outcome
    issued_at: datetime
    places: Mapping[Place, datetime]

    @property
    def lag_ms(self) -> int:
        """Whole milliseconds from the event to the last of the places."""
        return int(1000 * (max(self.places.values()) - self.places[Place.READS]).total_seconds())

    def signed(self, signer: Signer) -> str:
        """The note."""
        return sign_note(f"{signer.name}\n{self._line()}\n", [signer])

    def _line(self) -> str:
        known = {
            "clinic": self.clinic,
            "patient_id": str(self.patient_id),
            "consent_event_id": str(self.consent_event_id),
            "kind": self.kind.value,
            "outcome": self.outcome.value,
            "issued_at": self.issued_at.isoformat(),
            "lag_ms": self.lag_ms,
            "places": {place.value: at.isoformat() for place, at in self.places.items()},
        }
        return line_of(known).decode()

    @classmethod
    def _read(cls, found: dict[str, Any]) -> Self:
        return cls(
            clinic=found["clinic"],
            patient_id=UUID(found["patient_id"]),
            consent_event_id=UUID(found["consent_event_id"]),
            kind=PropagationKind(found["kind"]),
            outcome=Outcome(found["outcome"]),
            issued_at=datetime.fromisoformat(found["issued_at"]),
            places=MappingProxyType({Place(name): datetime.fromisoformat(at) for name, at in found["places"].items()}),
        )

    @classmethod
    def open(cls, note: str, known: Iterable[Verifier]) -> Self:
        """The receipt of a note that one of the known keys signed.

        Raises:
            BadNote: no note, signed by none of them, or changed; or it is no receipt.
        """
        text, signed_by = open_note(note, known)
        origin, _, line = text.rstrip("\n").partition("\n")
        try:
            receipt = cls._read(json.loads(line))
            same = receipt._line() == line
        except (ValueError, KeyError, TypeError, AttributeError):
            raise BadNote("no receipt of a consent") from None
        if not same or origin not in {key.name for key in signed_by}:
            raise BadNote("no receipt of a consent")
        return receipt
