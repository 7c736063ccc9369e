"""Sealing: events that were committed become leaves of their stream's tree, whose checkpoint is signed.

What is new is what the snapshot of this transaction sees and the last checkpoint's did not, as in Skytools' PgQ:
no event is skipped however late it commits, none is taken twice, and a long transaction holds up nobody else's.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql

from infra.audit_tree.keys import FILE, AuditKeys
from infra.audit_tree.lines import lines_of
from infra.audit_tree.streams import Stream
from infra.audit_tree.tree import TreeChanged, completed, frontier_of
from policies.audit.merkle import Frontier, leaf_hash
from policies.audit.note import BadNote, Checkpoint, open_checkpoint

CHUNK = 5_000
# So many transactions' events are sealed at once, more where there are none: a sealer that is killed loses no more.
WINDOW = 10_000
LOCK = "cloister.seal"
_LAST = """
select size, root, note, read_until::text, system_id from audit.checkpoint
where stream = %s order by size desc limit 1
"""
_HERE = "select pg_current_snapshot()::text, system_identifier from pg_control_system()"
_EVENTS = """
select {columns} from {table} as e
where {new}
order by e.transaction_id, e.occurred_at, e.event_id
"""
_SINCE = sql.SQL(
    "(e.transaction_id >= %(since)s::xid8 and e.transaction_id < %(until)s::xid8"
    " or e.transaction_id = any(%(open)s::xid8[]))"
)
_WITHOUT_LEAF = sql.SQL(
    "not exists (select from audit.leaf as l"
    " where l.stream = %(stream)s and l.event_id = e.event_id and l.occurred_at = e.occurred_at)"
)
_NUMBERS = """
select c.clinic_id, l.clinic_number
from unnest(%s::integer[]) as c (clinic_id)
cross join lateral (
    select l.clinic_number from audit.leaf as l
    where l.clinic_id = c.clinic_id and l.clinic_number is not null order by l.clinic_number desc limit 1
) as l
"""
# Texts with a space between arrive in a third of the time that arrays take.
_LEAVES = """
insert into audit.leaf (stream, index, event_id, occurred_at, hash, clinic_id, clinic_number)
select %s, %s + place - 1, event_id::uuid, occurred_at::timestamptz, decode(hash, 'hex'), clinic_id::integer,
    clinic_number::bigint
from unnest(string_to_array(%s, ' '), string_to_array(%s, ' '), string_to_array(%s, ' '),
            string_to_array(%s, ' ', 'None'), string_to_array(%s, ' ', 'None')) with ordinality
    as t (event_id, occurred_at, hash, clinic_id, clinic_number, place)
"""
_NODES = """
insert into audit.tree_node (stream, level, index, hash)
select %s, * from unnest(%s::smallint[], %s::bigint[], %s::bytea[])
"""
_CHECKPOINT = """
insert into audit.checkpoint (stream, size, root, note, signed_at, read_until, system_id)
values (%s, %s, %s, %s, statement_timestamp(), %s::pg_snapshot, %s)
"""
_SIGNER = """
insert into audit.signer (verifier, since) values (%s, statement_timestamp()) on conflict do nothing
"""


@dataclass(frozen=True)
class Last:
    """The newest checkpoint of a stream, and by when and where its events were committed."""

    checkpoint: Checkpoint
    read_until: str
    system_id: int


def keys_of(connection: psycopg.Connection, folder: Path) -> AuditKeys:
    """The keys to sign with; those of a log that has none yet are made.

    Raises:
        Misconfigured: the log has been signed before, and its keyring is missing.
    """
    if (folder / FILE).exists() or connection.execute("select 1 from audit.signer limit 1").fetchone():
        return AuditKeys.load(folder)
    return AuditKeys.create(folder)


def seal(connection: psycopg.Connection, stream: Stream, keys: AuditKeys) -> int:
    """Append what has been committed since the last checkpoint, and sign the next ones; return how many.

    `connection` is the sealer's, in autocommit mode. Of several sealers at once, one works after the other.

    Raises:
        TreeChanged: the stored tree is not the one last signed; nothing is signed on top of it.
    """
    sealed, whole = 0, False
    while not whole:
        made, whole = _seal_window(connection, stream, keys)
        sealed += made
    return sealed


def _seal_window(connection: psycopg.Connection, stream: Stream, keys: AuditKeys) -> tuple[int, bool]:
    """Seal in one transaction; how many, and whether that was all there was."""
    with _alone(connection), connection.transaction():
        last = _last(connection, stream, keys)
        frontier = frontier_of(connection, stream.name, last.checkpoint.size if last else 0)
        if last and frontier.root() != last.checkpoint.root:
            raise TreeChanged(f"the tree of '{stream.name}' is not the one that was signed", hint="verify an export")
        snapshot, system_id = _one(connection, _HERE)
        before, until = frontier.size, snapshot
        here = last if last and last.system_id == system_id else None
        for until in _windows(here.read_until, snapshot) if here else [snapshot]:
            for chunk in _new(connection, stream, here, until):
                _append(connection, stream, frontier, chunk)
            if frontier.size > before:
                break
        if frontier.size > before:
            made = Checkpoint(keys.origin(stream.name), frontier.size, frontier.root())
            signers = keys.signing(stream.name, last.checkpoint.signed_by if last else ())
            for signer in signers:
                connection.execute(_SIGNER, [str(signer.verifier)])
            row = [stream.name, made.size, made.root, made.signed(signers), until, system_id]
            connection.execute(_CHECKPOINT, row)
        return frontier.size - before, until == snapshot


@contextlib.contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    """Hold the sealers' lock from before the transaction's snapshot until after its commit."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [LOCK])
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [LOCK])


def _last(connection: psycopg.Connection, stream: Stream, keys: AuditKeys) -> Last | None:
    row = connection.execute(_LAST, [stream.name]).fetchone()
    if row is None:
        return None
    size, root, note, read_until, system_id = row
    try:
        checkpoint = open_checkpoint(note, keys.verifiers(stream.name))
    except BadNote as error:
        raise TreeChanged(f"the last checkpoint of '{stream.name}': {error}", hint="verify an export") from None
    if (checkpoint.origin, checkpoint.size, checkpoint.root) != (keys.origin(stream.name), size, root):
        raise TreeChanged(f"the last checkpoint of '{stream.name}' is not what was signed", hint="verify an export")
    return Last(checkpoint, read_until, system_id)


def _windows(since: str, until: str) -> Iterator[str]:
    """Snapshots on the way from one to another, each of more transactions than the one before."""
    start = int(since.split(":")[1])
    first, following, still_open = until.split(":")
    width = WINDOW
    while (end := start + width) < int(following):
        open_before = [number for number in still_open.split(",") if number and int(number) < end]
        yield f"{min(int(first), end)}:{end}:{','.join(open_before)}"
        width *= 2
    yield until


def _new(
    connection: psycopg.Connection, stream: Stream, last: Last | None, until: str
) -> Iterator[list[tuple[Any, ...]]]:
    """Events that have no leaf yet, in the order of their leaves, a chunk at a time."""
    condition, values = (_SINCE, unseen(last.read_until)) if last else (_WITHOUT_LEAF, {"stream": stream.name})
    values["until"] = until.split(":")[1]
    query = sql.SQL(_EVENTS).format(columns=stream.selected, table=stream.source, new=condition)
    with connection.cursor(name="unsealed", binary=True) as cursor:
        cursor.itersize = CHUNK
        cursor.execute(query, values)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk


def unseen(snapshot: str) -> dict[str, Any]:
    """Which transactions a snapshot (`xmin:xmax:open,…`) does not see: from one on, and those that were open."""
    _, following, still_open = snapshot.split(":")
    return {"since": following, "open": still_open.split(",") if still_open else []}


def _append(connection: psycopg.Connection, stream: Stream, frontier: Frontier, chunk: list[tuple[Any, ...]]) -> None:
    before = frontier.size
    clinics = [stream.clinic_of(row) for row in chunk]
    numbers = _numbers(connection, clinics)
    places = range(before, before + len(chunk))
    leaves = [leaf_hash(line) for line in lines_of(connection, stream, zip(places, numbers, chunk, strict=True))]
    nodes = completed(frontier.extend(leaves), before)
    columns = [row[0] for row in chunk], [row[1] for row in chunk], [leaf.hex() for leaf in leaves]
    given = [*columns, map(str, clinics), map(str, numbers)]
    connection.execute(_LEAVES, [stream.name, before, *map(" ".join, given)])
    if nodes:
        connection.execute(_NODES, [stream.name, *map(list, zip(*nodes, strict=True))])


def _numbers(connection: psycopg.Connection, clinics: list[int | None]) -> list[int | None]:
    """Which of its clinic's events each of the next leaves is."""
    known = list({clinic for clinic in clinics if clinic is not None})
    last: dict[int, int] = dict(connection.execute(_NUMBERS, [known]).fetchall())
    numbers: list[int | None] = []
    for clinic in clinics:
        if clinic is None:
            numbers.append(None)
        else:
            last[clinic] = last.get(clinic, 0) + 1
            numbers.append(last[clinic])
    return numbers


def _one(connection: psycopg.Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    if row is None:
        raise RuntimeError("a query for one row gave none")
    return row
