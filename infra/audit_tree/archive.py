"""Months of the log that are past their retention: written to a file, verified there, and only then detached.

Nothing is dropped: a detached month is a table of its own, which no runtime role may see and nobody may change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
from psycopg import IsolationLevel, sql

from infra.audit import record_process
from infra.audit_tree.export import Export, whole_file
from infra.audit_tree.keys import AuditKeys
from infra.audit_tree.streams import STREAMS, Stream
from infra.audit_tree.verify_file import verify_file
from infra.database import Server
from infra.errors import Refused
from infra.provisioner import provisioning
from policies.audit.export_format import MONTH
from policies.words import ProcessAction

_MONTHS = """
select right(p.relname, 7) from pg_inherits as i inner join pg_class as p on p.oid = i.inhrelid
where i.inhparent = 'audit.access_event'::regclass and right(p.relname, 7) < %s order by 1
"""
_PARTS = """
select t.relname, p.relname from pg_inherits as i
inner join pg_class as p on p.oid = i.inhrelid inner join pg_class as t on t.oid = i.inhparent
where t.relnamespace = 'audit'::regnamespace and t.relkind = 'p' and right(p.relname, 7) = %s order by 1
"""
_RANGE = """
select count(*), count(l.index), min(l.index), max(l.index) + 1 from {part} as e
left join audit.leaf as l on l.stream = %s and l.event_id = e.event_id and l.occurred_at = e.occurred_at
"""
# Of the tree, which still has the leaf of an event that is gone.
_LEAVES = """
select count(*) from audit.leaf
where stream = %(stream)s and occurred_at >= to_date(%(month)s, 'YYYY_MM')
    and occurred_at < to_date(%(month)s, 'YYYY_MM') + interval '1 month'
"""
_UP_TO = "select min(size) from audit.checkpoint where stream = %s and size >= %s"
# A detached partition loses the trigger that it had as one.
_APPEND_ONLY = """
create trigger append_only before update or delete on {part} for each row execute function audit.refuse_change()
"""


@dataclass(frozen=True)
class Archived:
    """One month of one stream, and the file that holds it."""

    path: Path
    month: str
    events: int


class Archive(Export):
    """The export of one month, by the owner of the tables: what is of other months stands in it as hashes."""

    def __init__(self, connection: psycopg.Connection, at: Server, stream: Stream, month: str) -> None:
        super().__init__(connection, at, stream, clinic_id=None)
        self.source = sql.Identifier("audit", f"{stream.table}_{month}")

    @contextmanager
    def auditing(self) -> Iterator[None]:
        """The owner stays the owner."""
        yield

    def _instead(self, gone: list[int]) -> dict[int, bytes | None]:
        return dict.fromkeys(gone)


def archive(at: Server, folder: Path, years: int, today: date | None = None) -> list[Archived]:
    """Archive every month that ended so many years ago, the oldest first; each is done whole before the next.

    Raises:
        Refused: a month has events that are not sealed, or its archive does not verify; it stays as it is.
        CloisterError: a file cannot be written.
    """
    day = today or datetime.now(UTC).date()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    done: list[Archived] = []
    with provisioning(at) as connection:
        months = connection.execute(_MONTHS, [f"{day.year - years:04}_{day.month:02}"]).fetchall()
        for (month,) in months:
            written = [_write(connection, at, folder, stream, month) for stream in STREAMS.values()]
            _detach(connection, month)
            done += [made for made in written if made is not None]
    return done


def _write(connection: psycopg.Connection, at: Server, folder: Path, stream: Stream, month: str) -> Archived | None:
    """Write a month's archive and verify it; none if nothing happened in it."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        made = Archive(connection, at, stream, month)
        counted = connection.execute(sql.SQL(_RANGE).format(part=made.source), [stream.name]).fetchone()
        events, sealed, first, high = counted or (0, 0, None, None)
        if sealed < events:
            raise Refused(f"{events - sealed} events of {month} are not sealed", hint="`cloister seal --once`")
        leaves = connection.execute(_LEAVES, {"stream": stream.name, "month": month}).fetchone()
        if leaves != (events,):
            raise Refused(f"events of {month} are not there any more, only their leaves", hint="verify an export")
        if not events:
            return None
        path = folder / f"{stream.name}_{month}.ndjson.gz"
        _fill(made, path, first, high, MONTH + month)
    found = verify_file(path, [str(key) for key in AuditKeys.load(at.secrets_folder).verifiers(stream.name)])
    if found.events != events:
        raise Refused(f"{path.name} holds {found.events} of {events} events")
    return Archived(path, month, events)


def _fill(made: Archive, path: Path, first: int, high: int, scope: str) -> None:
    row = made.connection.execute(_UP_TO, [made.stream.name, high]).fetchone()
    if row is None or row[0] is None:
        raise Refused("no checkpoint is there that seals all of it", hint="verify an export")
    checkpoints = made.checkpoints(first, row[0])
    with whole_file(path) as file:
        file.write(made.header(first, scope, checkpoints[-1][1]).line() + b"\n")
        for line in made.lines(first, checkpoints):
            file.write(line + b"\n")


def _detach(connection: psycopg.Connection, month: str) -> None:
    connection.isolation_level = None
    with connection.transaction():
        record_process(
            connection,
            role="operator",
            action=ProcessAction.LOG_ARCHIVE,
            resource_type="audit_log",
            resource_id=month,
        )
        for table, part in connection.execute(_PARTS, [month]).fetchall():
            names = {"table": sql.Identifier("audit", table), "part": sql.Identifier("audit", part)}
            connection.execute(sql.SQL("alter table {table} detach partition {part}").format(**names))
            connection.execute(sql.SQL(_APPEND_ONLY).format(**names))
