"""Rows that broke the contract: reason, file, line, and the row as it was, encrypted.

Nothing is lost, and a corrected row clears its entry. Rows are told apart by keyed hashes, so that
the table shows no ids of patients.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID, uuid4

import polars as pl
import psycopg

from infra.encryption.codec import Place
from infra.encryption.data_keys import StoredKey, index_keys, purpose_keys
from infra.encryption.field_codec import FieldCodec

PURPOSE = "quarantine"
# How many refused rows of a file are named to whoever imports it.
TOLD = 10


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

    def __init__(self, connection: psycopg.Connection, codec: FieldCodec, origin: Origin) -> None:
        self.connection = connection
        self.codec = codec
        self.origin = origin
        self.count = 0
        self.first: list[tuple[int, str]] = []
        self._open: dict[tuple[int | None, bytes | None], list[UUID]] = {}
        self._arrived: list[UUID] = []
        self.seen: set[int] = set()
        self._digest_key: StoredKey | None = None

    def add(self, rows: Iterable[Refused]) -> None:
        """Keep these rows; one that is there already is opened again, not doubled."""
        listed = list(rows)
        if not listed:
            return
        key = purpose_keys(self.connection, self.codec.provider, PURPOSE)[0]
        for row in listed:
            entry = uuid4()
            place = Place("operational.quarantine", "content", str(entry))
            self.connection.execute(
                _ADD,
                [
                    entry, self.origin.batch_id, row.clinic_id, self.origin.source, self.origin.entity,
                    self._identity_key(row.clinic_id, row.identity), self._row_key(row), self.origin.file, row.line,
                    row.reason, _field(row.reason), self.codec.seal(key, place, row.content),
                ],
            )  # fmt: skip
        self.count += len(listed)
        self.first += [(row.line, row.reason) for row in listed[: TOLD - len(self.first)]]

    def awaits(self, clinics: Iterable[int]) -> bool:
        """Whether earlier imports left anything open that rows of these clinics could close."""
        unseen = set(clinics) - self.seen
        if unseen:
            listed = [self.origin.source, self.origin.entity, sorted(unseen), not self.seen, self.origin.file]
            for entry, clinic_id, source_key in self.connection.execute(_OPEN, listed).fetchall():
                self._open.setdefault((clinic_id, bytes(source_key)), []).append(entry)
            self.seen |= unseen
        return bool(self._open)

    def note_arrived(self, arrived: pl.DataFrame) -> None:
        """Note the entries of rows (`clinic_id`, `id`) that have now arrived whole; `close` closes them.

        An entry that knew no clinic closes when a file of the same name brings its id.
        """
        # A key is dear to work out, so only rows of clinics with open entries get one.
        for home in {clinic_id for clinic_id, _ in self._open}:
            rows = arrived if home is None else arrived.filter(pl.col("clinic_id") == home)
            for identity in rows["id"]:
                self._arrived += self._open.pop((home, self._identity_key(home, identity)), [])

    def close(self) -> None:
        """Close what has arrived, once all of it is stored, unless this import has refused the row again."""
        self.connection.execute(_CLOSE, [self._arrived, self.origin.batch_id])

    def _identity_key(self, clinic_id: int | None, identity: str | None) -> bytes | None:
        return None if identity is None else self._digest("identity", clinic_id, identity.encode())

    def _row_key(self, row: Refused) -> bytes:
        return self._digest("row", row.clinic_id, row.content)

    def _digest(self, what: str, clinic_id: int | None, value: bytes) -> bytes:
        named = f"{what}\x1f{self.origin.source}\x1f{self.origin.entity}\x1f{clinic_id}\x1f".encode()
        return self.codec.digest(self._index_key(), named + value)

    def _index_key(self) -> StoredKey:
        # Of one import, and never rotated: an id in the source is not kept, to make its digest anew.
        if self._digest_key is None:
            self._digest_key = index_keys(self.connection, self.codec.provider, PURPOSE)[0].key
        return self._digest_key


def _field(reason: str) -> str | None:
    return reason.split(":", 1)[0] if ":" in reason else None


_ADD = """
insert into operational.quarantine (quarantine_id, batch_id, clinic_id, source, entity, source_key, row_key,
    file, line, reason, field, content)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (source, entity, clinic_id, row_key) do update set resolved_at = null, batch_id = excluded.batch_id,
    file = excluded.file, line = excluded.line, reason = excluded.reason, field = excluded.field
"""
_OPEN = """
select quarantine_id, clinic_id, source_key from operational.quarantine
where source = %s and entity = %s and resolved_at is null and source_key is not null
    and (clinic_id = any(%s) or (%s and clinic_id is null and file = %s))
"""
_CLOSE = """
update operational.quarantine set resolved_at = statement_timestamp()
where quarantine_id = any(%s) and batch_id <> %s and resolved_at is null
"""
