"""What a patient carries away from one clinic, as rows: what builders of documents and pages are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Carried:
    """Everything of one person at one clinic, as of a time. Days and instants in rows are ISO 8601 texts.

    profile: the fields that whoever asks may see, absent ones left out; `name` is always there.
    guardians: by `name` and `relationship`, `until` a day or None, and an `id` by which `signer` of a consent means
        one; it is not told.
    appointments, forms, plans: as `policies.fhir.records` takes them; forms that nobody answered yet as well.
    consents: the newest event of each purpose, whether it `stands`, and the `signer`: `self` or a guardian's id.
    """

    clinic: str
    zone: ZoneInfo
    at: datetime
    profile: Row
    guardians: Sequence[Row]
    appointments: Sequence[Row]
    forms: Sequence[Row]
    plans: Sequence[Row]
    consents: Sequence[Row]
