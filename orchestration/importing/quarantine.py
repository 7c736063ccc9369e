"""Rows that broke the contract: reason, file, line, and the row as it was, encrypted.

Nothing is lost, and a corrected row clears its entry. Rows are told apart by keyed hashes, so that
the table shows no ids of patients.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from infra.encryption.codec import Place, encrypt
from infra.encryption.data_keys import key_for_purpose
from infra.encryption.keyring import KeyProvider

PURPOSE = "quarantine"


@dataclass(frozen=True)
class Refused:
    """One row that was refused; `identity` is its id in the source, where it could be read."""

    line: int
    reason: str
    content: bytes
    clinic_id: int | None = None
    identity: str | None = None


@dataclass(frozen=True)
class Origin:
    """The import that a refused row came in with."""

    batch_id: UUID
    source: str
    entity: str
    file: str


class Quarantine:
    """Writes and clears entries within one import, of the clinics that its transaction names."""

    def __init__(self, connection: psycopg.Connection, keys: KeyProvider, origin: Origin) -> None:
        self.connection = connection
        self.keys = keys
        self.origin = origin
        self.count = 0

    def add(self, rows: Iterable[Refused]) -> None:
        """Keep these rows; one that is there already is opened again, not doubled."""
        listed = list(rows)
        if not listed:
            return
        key = key_for_purpose(self.connection, self.keys, PURPOSE)
        for row in listed:
            entry = uuid4()
            place = Place("operational.quarantine", "content", str(entry))
            self.connection.execute(
                _ADD,
                [
                    entry, self.origin.batch_id, row.clinic_id, self.origin.source, self.origin.entity,
                    self._identity_key(row.identity), self._row_key(row), self.origin.file, row.line, row.reason,
                    row.reason.split(":", 1)[0] if ":" in row.reason else None, encrypt(key, place, row.content),
                ],
            )  # fmt: skip
        self.count += len(listed)

    def clear(self, identities: Iterable[str], lines: Iterable[int]) -> None:
        """Close the entries whose row has now arrived whole: by its id, or by its place in the file."""
        open_keys = self.connection.execute(_OPEN, [self.origin.source, self.origin.entity]).fetchall()
        if not open_keys:
            return
        arrived = {self._identity_key(identity) for identity in identities}
        seen = set(lines)
        closed = [
            entry
            for entry, source_key, file, line in open_keys
            if (bytes(source_key) in arrived if source_key else file == self.origin.file and line in seen)
        ]
        self.connection.execute(_CLOSE, [closed])

    def _identity_key(self, identity: str | None) -> bytes | None:
        if identity is None:
            return None
        named = f"{self.origin.source}\x1f{self.origin.entity}\x1f{identity}"
        return self.keys.digest("quarantine.identity", named.encode())

    def _row_key(self, row: Refused) -> bytes:
        return self.keys.digest("quarantine.row", row.content)


_ADD = """
insert into operational.quarantine (quarantine_id, batch_id, clinic_id, source, entity, source_key, row_key,
    file, line, reason, field, content)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (source, entity, clinic_id, row_key) do update set resolved_at = null
"""
_OPEN = """
select quarantine_id, source_key, file, line from operational.quarantine
where source = %s and entity = %s and resolved_at is null
"""
_CLOSE = "update operational.quarantine set resolved_at = statement_timestamp() where quarantine_id = any(%s)"
