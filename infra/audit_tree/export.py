"""Exports of a sealed log: its lines as they were sealed, for whoever verifies or reads them elsewhere.

Read as an auditor: row security decides which events of a clinic's export are there, and which are hashes alone.
The export is an event itself, committed before the file has its name.
"""

import gzip
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
from psycopg import IsolationLevel, sql

from infra.audit import record_process
from infra.audit_tree.lines import Leaf, lines_of
from infra.audit_tree.streams import ACCESS, Stream
from infra.audit_tree.tree import frontier_of
from infra.database import Server, connect
from infra.errors import CloisterError, Refused
from infra.provisioner import resolve_clinic
from infra.roles import Group, Login
from policies.audit.export_format import ARCHIVED, CLINIC, MISSING, PLATFORM, Header, checkpoint_line, leaf_line
from policies.audit.note import Verifier
from policies.words import ProcessAction

CHUNK = 5_000
EVERY = 4096  # leaves between two checkpoints in an export
_CHECKPOINTS = """
select distinct on (size / %(every)s) size, note from audit.checkpoint
where stream = %(stream)s and size > %(first)s and (%(last)s::bigint is null or size <= %(last)s)
order by size / %(every)s, size desc
"""
_LEAVES = "select index, hash from audit.leaf where stream = %s and index >= %s and index < %s"
_EVENTS = """
select l.index, l.clinic_number, {columns}
from audit.leaf as l inner join {table} as e on e.event_id = l.event_id and e.occurred_at = l.occurred_at
where l.stream = %s and l.index >= %s and l.index < %s
order by l.index
"""
_TIMES = "select index, occurred_at from audit.leaf where stream = %s and index = any(%s)"
# Partitions are named by their month.
_OLDEST = """
select min(right(p.relname, 7)) from pg_inherits as i inner join pg_class as p on p.oid = i.inhrelid
where i.inhparent = %s::regclass
"""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    first: int
    size: int
    events: int


class Export:
    """One export: of a stream, in one snapshot, of the whole platform or one clinic's."""

    def __init__(self, connection: psycopg.Connection, at: Server, stream: Stream, clinic_id: int | None) -> None:
        self.connection = connection
        self.stream = stream
        self.clinic_id = clinic_id
        self.source = stream.source
        self._auditor = sql.SQL("set local role {}").format(sql.Identifier(at.roles.of(Group.AUDITOR)))
        self.events = 0

    def checkpoints(self, first: int, last: int | None = None) -> list[tuple[int, str]]:
        """Sizes and notes of signed trees beyond the first leaf, one in so many leaves, the newest or `last` last.

        Raises:
            Refused: nothing has been sealed since.
        """
        values = {"stream": self.stream.name, "first": first, "last": last, "every": EVERY}
        if not (rows := self.connection.execute(_CHECKPOINTS, values).fetchall()):
            raise Refused("nothing is sealed there", hint="`cloister seal --once`")
        return rows

    def header(self, first: int, scope: str, note: str) -> Header:
        """What the export is of."""
        origin = note.partition("\n")[0]
        rows = self.connection.execute("select verifier from audit.signer order by since desc").fetchall()
        keys = [key for key in (Verifier.parse(row[0]) for row in rows) if key.name == origin]
        roots = frontier_of(self.connection, self.stream.name, first).roots
        return Header(origin, scope, tuple(keys), first, tuple(roots))

    def lines(self, first: int, checkpoints: list[tuple[int, str]]) -> Iterator[bytes]:
        """The lines of leaves, and of checkpoints where they were signed."""
        for size, note in checkpoints:
            for low in range(first, size, CHUNK):
                yield from self._leaves(low, min(low + CHUNK, size))
            yield checkpoint_line(note)
            first = size

    def _leaves(self, low: int, high: int) -> Iterator[bytes]:
        hashes = dict(self._rows(_LEAVES, [self.stream.name, low, high]))
        with self.auditing():
            events = self._events(low, high)
            gone = set(range(low, high)).difference(leaf[0] for leaf in events)
            instead = self._instead(sorted(gone)) if gone and self.clinic_id is None else {}
            lines = lines_of(self.connection, self.stream, events)
            self.events += len(events)
            for index in range(low, high):
                line = instead.get(index) if index in gone else next(lines)
                yield leaf_line(hashes[index], line) if index in hashes else MISSING

    def _events(self, low: int, high: int) -> list[Leaf]:
        """The events that an auditor of this scope may see, by their place."""
        query = sql.SQL(_EVENTS).format(columns=self.stream.selected, table=self.source)
        rows = self._rows(query, [self.stream.name, low, high])
        leaves: list[Leaf] = [(index, number, values) for index, number, *values in rows]
        if self.clinic_id is not None:
            leaves = [leaf for leaf in leaves if self.stream.clinic_of(leaf[2]) is not None]
        return leaves

    def _instead(self, gone: list[int]) -> dict[int, bytes | None]:
        """What stands for events that are not in the log: that they are archived, if they are."""
        since = self._kept_since()
        times = self._rows(_TIMES, [self.stream.name, gone])
        return {index: ARCHIVED if occurred_at < since else None for index, occurred_at in times}

    def _kept_since(self) -> datetime:
        oldest = self._rows(_OLDEST, [f"audit.{self.stream.table}"])[0][0]
        return datetime.strptime(oldest, "%Y_%m").replace(tzinfo=UTC)

    def _rows(self, query: str | sql.Composed, values: list[Any]) -> list[tuple[Any, ...]]:
        with self.connection.cursor(binary=True) as cursor:
            return cursor.execute(query, values).fetchall()

    @contextmanager
    def auditing(self) -> Iterator[None]:
        """Be the auditor of the export's scope."""
        self.connection.execute(self._auditor)
        scope, clinic = ("platform", "") if self.clinic_id is None else ("clinic", str(self.clinic_id))
        self.connection.execute(
            "select set_config('cloister.audit_scope', %s, true), set_config('cloister.clinic_id', %s, true)",
            [scope, clinic],
        )
        yield
        self.connection.execute("set local role none")


def export(at: Server, path: Path, stream: Stream = ACCESS, clinic: str | None = None, first: int = 0) -> Exported:
    """Write an export from a leaf on, up to the newest checkpoint; gzipped if the file's name ends in `.gz`.

    Raises:
        InvalidInput: no such clinic.
        Refused: nothing is sealed there; a clinic has no log of impersonations.
        CloisterError: the file cannot be written.
    """
    if clinic is not None and stream is not ACCESS:
        raise Refused("a clinic has no log of impersonations", hint="leave --clinic out")
    with connect(Login.SERVICE, at=at) as connection, whole_file(path) as file:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        clinic_id = resolve_clinic(connection, clinic)[0] if clinic is not None else None
        made = Export(connection, at, stream, clinic_id)
        checkpoints = made.checkpoints(first)
        header = made.header(first, PLATFORM if clinic is None else CLINIC + clinic, checkpoints[-1][1])
        file.write(header.line() + b"\n")
        for line in made.lines(first, checkpoints):
            file.write(line + b"\n")
        with made.auditing():
            record_process(
                connection,
                role="operator",
                action=ProcessAction.LOG_EXPORT,
                resource_type="audit_log",
                resource_id=stream.name,
                clinic_id=clinic_id,
            )
        connection.commit()
        return Exported(path, first, checkpoints[-1][0], made.events)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A private file that gets its name when the block ends without an error; of two at once the later one stays."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        fresh.touch(mode=0o600, exist_ok=False)
        with fresh.open("wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        fresh.replace(path)
    except OSError as error:
        raise CloisterError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)
