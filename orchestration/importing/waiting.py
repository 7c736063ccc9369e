"""What waits in quarantine: counted without its content, shown to an operator on purpose, and tried again.

A row is tried again as it is, with the mapping that it came in with or a mended one: of a patient who has come since,
say. Of a row that is mended itself the file is imported again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from infra.audit import record_process
from infra.database import Server, connect, set_clinics
from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS, stored_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import KeyProvider
from infra.errors import InvalidInput, NotThere
from infra.roles import Login
from orchestration.importing.fields import LOADING_ORDER
from orchestration.importing.quarantine import PURPOSE
from policies.words import ProcessAction

# Of a file with more, memory holds so many rows at a time.
MOST_AT_ONCE = 20_000


@dataclass(frozen=True)
class Chosen:
    """Which open entries are meant: all that hold of a clinic, a source, by id, or that an admin asked to try again."""

    clinic: str | None = None
    source: str | None = None
    entries: Sequence[UUID] = ()
    asked: bool = False


@dataclass(frozen=True)
class Reason:
    """How many open entries of one clinic, source, kind and file have one reason; and the first of their lines."""

    clinic: str | None
    source: str
    entity: str
    file: str
    reason: str
    entries: int
    line: int
    first: UUID
    since: datetime


@dataclass(frozen=True)
class Shown:
    """An entry with its row as it was."""

    file: str
    line: int
    reason: str
    content: bytes


@dataclass(frozen=True)
class Kept:
    """Open entries of one file that came in alike and at once, `MOST_AT_ONCE` at most, and what reads their rows."""

    source: str
    file: str
    kind: str | None
    mapping: dict[str, Any] | None
    header: list[str] | None
    clinic: str | None
    since: datetime
    entries: list[UUID]
    entities: list[str]


class Line(NamedTuple):
    """One entry's row as it was, with its number in its file."""

    entry: UUID
    number: int
    content: bytes


def reasons(at: Server, chosen: Chosen) -> list[Reason]:
    """What waits, by clinic, source, file and reason.

    Raises:
        InvalidInput: there is no such clinic.
    """
    with _looking(at, chosen) as connection, connection.cursor(row_factory=class_row(Reason)) as cursor:
        return cursor.execute(_REASONS, _values(chosen)).fetchall()


def show(at: Server, keys: KeyProvider, entry: UUID) -> Shown:
    """One entry with its row, open or not; that it was looked at is recorded.

    Raises:
        NotThere: there is no such entry.
    """
    with _looking(at, Chosen()) as connection:
        rows = _opened(connection, FieldCodec(keys), [entry])
        if not rows:
            raise NotThere("there is no such entry")
        record_process(
            connection, role="operator", action=ProcessAction.QUARANTINE_SHOW, resource_type="quarantine",
            resource_id=str(entry), clinic_id=rows[0]["clinic_id"],
        )  # fmt: skip
    return Shown(rows[0]["file"], rows[0]["line"], rows[0]["reason"], rows[0]["content"])


def kept(at: Server, chosen: Chosen) -> list[Kept]:
    """The open entries, by the files that they came in with, in the order that their entities need, the newest first.

    Raises:
        InvalidInput: there is no such clinic; an entry that is not there, or not open.
    """
    with _looking(at, chosen) as connection, connection.cursor(row_factory=class_row(Kept)) as cursor:
        found = cursor.execute(_KEPT, _values(chosen)).fetchall()
    unknown = set(chosen.entries) - {entry for file in found for entry in file.entries}
    if unknown:
        raise InvalidInput(f"{min(unknown)} is not in quarantine", place="entry")
    return sorted(found, key=lambda file: min(map(LOADING_ORDER.index, file.entities)))


def lines_of(
    connection: psycopg.Connection, codec: FieldCodec, entries: Sequence[UUID], *, asked: bool = False
) -> list[Line]:
    """The rows of these entries as they were, but of those that another import has closed meanwhile.

    Of what is `asked` for, but of those as well that somebody else has tried.
    """
    rows = [row for row in _opened(connection, codec, entries) if row["resolved_at"] is None]
    waiting = [row for row in rows if row["retry_asked_at"] is not None or not asked]
    return [Line(row["quarantine_id"], row["line"], row["content"]) for row in waiting]


def settle(connection: psycopg.Connection, entries: Sequence[UUID], batch_id: UUID | None) -> None:
    """Close the entries that a batch brought in; those that it refused again stay, and wait to be asked for again."""
    connection.execute(_SETTLE, {"entries": list(entries), "batch": batch_id})


def anything_asked(connection: psycopg.Connection) -> bool:
    """Whether an admin asked for an open entry, of any clinic or of none, to be tried again."""
    with connection.transaction():
        set_clinics(
            connection, [clinic for (clinic,) in connection.execute("select clinic_id from operational.clinic")]
        )
        return connection.execute(_ANY_ASKED).fetchone() == (True,)


def give_up(at: Server, entries: Sequence[UUID], trouble: str) -> None:
    """Note why entries that were asked for could not even be tried: they wait to be asked for again."""
    with _looking(at, Chosen()) as connection:
        connection.execute(_GIVE_UP, {"entries": list(entries), "trouble": trouble})


def mapped_files(path: Path | None) -> dict[str, Any] | None:
    """A mended mapping as it is kept, None where there is none.

    Raises:
        InvalidInput: unreadable, or no YAML.
    """
    from pydantic import RootModel

    from orchestration.importing.mapping import read_mapping

    return None if path is None else read_mapping(path, RootModel[dict[str, Any]]).root


@contextmanager
def _looking(at: Server, chosen: Chosen) -> Iterator[psycopg.Connection]:
    """A transaction that sees the entries of every clinic, and those of none."""
    with connect(Login.IMPORTER, at=at) as connection, connection.transaction():
        clinics: dict[str, int] = dict(connection.execute("select slug, clinic_id from operational.clinic").fetchall())
        if chosen.clinic is not None and chosen.clinic not in clinics:
            raise InvalidInput(f"there is no clinic '{chosen.clinic}'", place="clinic")
        set_clinics(connection, clinics.values())
        yield connection


def _values(chosen: Chosen) -> dict[str, Any]:
    return {
        "clinic": chosen.clinic, "source": chosen.source, "entries": list(chosen.entries) or None,
        "asked": chosen.asked, "most": MOST_AT_ONCE,
    }  # fmt: skip


def _opened(connection: psycopg.Connection, codec: FieldCodec, entries: Sequence[UUID]) -> list[dict[str, Any]]:
    """These entries in the order of their lines, the content in clear."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_CONTENT, {"entries": list(entries), "purpose": PURPOSE}).fetchall()
    for row in rows:
        place = Place("operational.quarantine", "content", str(row["quarantine_id"]))
        row["content"] = codec.open(stored_keys(row), place, bytes(row["content"]))
    return rows


_CHOSEN = """
    q.resolved_at is null
    and (%(clinic)s::text is null or k.slug = %(clinic)s)
    and (%(source)s::text is null or q.source = %(source)s)
    and (%(entries)s::uuid[] is null or q.quarantine_id = any(%(entries)s))
    and (not %(asked)s or q.retry_asked_at is not null)"""
_REASONS = f"""
select
    k.slug as clinic, q.source, q.entity, q.file, q.reason, count(*) as entries, min(q.line) as line,
    (array_agg(q.quarantine_id order by q.line))[1] as first, min(q.created_at) as since
from operational.quarantine as q
left join operational.clinic as k on k.clinic_id = q.clinic_id
where {_CHOSEN}
group by k.slug, q.source, q.entity, q.file, q.reason
order by k.slug nulls last, q.source, q.file, min(q.line)"""  # nosec B608 # constants
_KEPT = f"""
with chosen as (
    select q.quarantine_id, q.source, q.entity, q.file, b.kind, b.mapping, b.header, b.clinic, q.created_at as since,
        (row_number() over (
            partition by q.source, q.file, b.kind, b.mapping, b.header, b.clinic, q.created_at order by q.line
        ) - 1) / %(most)s::integer as share
    from operational.quarantine as q
    inner join operational.import_batch as b on b.batch_id = q.batch_id
    left join operational.clinic as k on k.clinic_id = q.clinic_id
    where {_CHOSEN}
)
select source, file, kind, mapping, header, clinic, since, array_agg(quarantine_id) as entries,
    array_agg(distinct entity) as entities
from chosen
group by source, file, kind, mapping, header, clinic, since, share
order by since desc, source, file, share"""  # nosec B608 # constants
# The rows and their keys in one statement: a rotation may commit between two.
_CONTENT = f"""
select q.quarantine_id, q.clinic_id, q.file, q.line, q.reason, q.resolved_at, q.retry_asked_at, q.content, k.*
from operational.quarantine as q
left join lateral (
    select {KEY_ARRAYS} from operational.data_key as d where d.purpose = %(purpose)s and d.retired_at is null
) as k on true
where q.quarantine_id = any(%(entries)s)
order by q.line, q.quarantine_id"""  # nosec B608 # constants
_SETTLE = """
update operational.quarantine
set retry_asked_at = null, tried_at = statement_timestamp(), trouble = null,
    resolved_at = case when batch_id <> %(batch)s then coalesce(resolved_at, statement_timestamp()) else resolved_at end
where quarantine_id = any(%(entries)s)"""
_GIVE_UP = """
update operational.quarantine
set retry_asked_at = null, tried_at = statement_timestamp(), trouble = %(trouble)s
where quarantine_id = any(%(entries)s) and resolved_at is null and retry_asked_at is not null"""
_ANY_ASKED = """
select exists (select from operational.quarantine where retry_asked_at is not null and resolved_at is null)"""
