"""The two logs that are sealed, and the fields of an event as its line holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg import sql

from policies.audit.canonical import line_of
from policies.words import PERSONAL_ROLES

# Every column but `transaction_id`, which is for finding an event and no part of it.
_ACCESS = (
    "event_id::text", "occurred_at", "principal_id::text", "principal_kind", "role", "organisation", "acting_for::text",
    "action", "resource_type", "resource_id", "clinic_id", "purpose", "decision", "policies", "policy_version",
    "consent_event_id::text", "categories", "request_id::text", "session_id", "origin", "patients", "batch_id::text",
    "impersonation_id::text", "nonce::text",
)  # fmt: skip
_IMPERSONATION = (
    "event_id::text", "occurred_at", "session_id", "actor_id::text", "subject_id::text", "action", "reason",
    "nonce::text",
)  # fmt: skip
OCCURRED_AT = """to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_WRITTEN = {
    "occurred_at": OCCURRED_AT,
    "origin": "host(e.origin)",
}


@dataclass(frozen=True)
class Stream:
    """One log: its table, and the columns of its lines, id and time first."""

    name: str
    table: str
    columns: tuple[str, ...]
    discloses: bool

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.partition("::")[0] for column in self.columns)

    @property
    def selected(self) -> sql.SQL:
        """The columns of an event `e`, as a line writes them."""
        return sql.SQL(", ".join(_WRITTEN.get(column, f"e.{column}") for column in self.columns))

    @property
    def source(self) -> sql.Identifier:
        """The table that holds the events."""
        return sql.Identifier("audit", self.table)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.fields)}

    def value(self, values: Sequence[Any], field: str) -> Any:
        """One field of these values of `selected`; none if the stream's events have no such field."""
        return values[self._places[field]] if field in self._places else None

    def clinic_of(self, values: Sequence[Any]) -> int | None:
        """The clinic whose export holds the event with these values.

        None of what people do themselves: it names their account, by which two clinics could link their patients.
        """
        personal = self.value(values, "role") in PERSONAL_ROLES or self.value(values, "acting_for") is not None
        return None if personal else self.value(values, "clinic_id")

    def line(
        self, index: int, values: Sequence[Any], patients: list[str] | None, batch: str | None, number: int | None
    ) -> bytes:
        """The line of the event with these values of `selected`, at its place in the tree.

        With it go the patients disclosed, and if it has a number among its clinic's, that and its batch's digest.
        """
        fields = dict(zip(self.fields, values, strict=True))
        fields |= {"index": index, "patient_ids": patients}
        if number is not None:
            fields |= {"batch_sha256": batch, "clinic_number": number}
        return line_of(fields)


ACCESS = Stream("access", "access_event", _ACCESS, discloses=True)
IMPERSONATION = Stream("impersonation", "impersonation_event", _IMPERSONATION, discloses=False)
STREAMS = {stream.name: stream for stream in (ACCESS, IMPERSONATION)}
