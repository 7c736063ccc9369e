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
from infra.audit_tree.streams import OCCURRED_AT, Stream
from infra.audit_tree.tree import TreeChanged, completed, frontier_of
from policies.audit.merkle import Frontier, leaf_hash
from policies.audit.note import BadNote, Checkpoint, open_checkpoint

CHUNK = 5_000
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
_SINCE = sql.SQL("(e.transaction_id >= %(since)s::xid8 or e.transaction_id = any(%(open)s::xid8[]))")
_WITHOUT_LEAF = sql.SQL(
    "not exists (select from audit.leaf as l where l.stream = %(stream)s and l.event_id = e.event_id)"
)
_DISCLOSED = f"""
select event_id::text, {OCCURRED_AT}, array_agg(patient_id::text order by patient_id) from audit.disclosure as e
where event_id = any(string_to_array(%s, ' ')::uuid[]) and occurred_at between %s and %s
group by event_id, occurred_at
"""  # nosec B608: a constant
# Texts with a space between arrive in a third of the time that arrays take.
_LEAVES = """
insert into audit.leaf (stream, index, event_id, occurred_at, hash)
select %s, %s + place - 1, event_id::uuid, occurred_at::timestamptz, decode(hash, 'hex')
from unnest(string_to_array(%s, ' '), string_to_array(%s, ' '), string_to_array(%s, ' ')) with ordinality
    as t (event_id, occurred_at, hash, place)
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
    """Append what has been committed since the last checkpoint, and sign the next one; return how many.

    `connection` is the sealer's, in autocommit mode. All of it is one transaction; of several sealers at once,
    one works after the other.

    Raises:
        TreeChanged: the stored tree is not the one last signed; nothing is signed on top of it.
    """
    with _alone(connection), connection.transaction():
        last = _last(connection, stream, keys)
        frontier = frontier_of(connection, stream.name, last.checkpoint.size if last else 0)
        if last and frontier.root() != last.checkpoint.root:
            raise TreeChanged(f"the tree of '{stream.name}' is not the one that was signed", hint="verify an export")
        snapshot, system_id = _one(connection, _HERE)
        before = frontier.size
        for chunk in _new(connection, stream, last if last and last.system_id == system_id else None):
            _append(connection, stream, frontier, chunk)
        if frontier.size > before:
            made = Checkpoint(keys.origin(stream.name), frontier.size, frontier.root())
            signers = keys.signing(stream.name, last.checkpoint.signed_by if last else ())
            for signer in signers:
                connection.execute(_SIGNER, [str(signer.verifier)])
            row = [stream.name, made.size, made.root, made.signed(signers), snapshot, system_id]
            connection.execute(_CHECKPOINT, row)
        return frontier.size - before


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


def _new(connection: psycopg.Connection, stream: Stream, last: Last | None) -> Iterator[list[tuple[Any, ...]]]:
    """Events that have no leaf yet, in the order of their leaves, a chunk at a time."""
    condition, values = (_SINCE, _unseen(last.read_until)) if last else (_WITHOUT_LEAF, {"stream": stream.name})
    query = sql.SQL(_EVENTS).format(columns=stream.selected, table=stream.source, new=condition)
    with connection.cursor(name="unsealed", binary=True) as cursor:
        cursor.itersize = CHUNK
        cursor.execute(query, values)
        while chunk := cursor.fetchmany(CHUNK):
            yield chunk


def _unseen(snapshot: str) -> dict[str, Any]:
    """Which transactions a snapshot (`xmin:xmax:open,…`) does not see: from one on, and those that were open."""
    _, following, still_open = snapshot.split(":")
    return {"since": following, "open": still_open.split(",") if still_open else []}


def _append(connection: psycopg.Connection, stream: Stream, frontier: Frontier, chunk: list[tuple[Any, ...]]) -> None:
    patients = disclosed(connection, [row[:2] for row in chunk]) if stream.discloses else {}
    before = frontier.size
    leaves = [leaf_hash(stream.line(index, row, patients.get(row[:2]))) for index, row in enumerate(chunk, before)]
    nodes = completed(frontier.extend(leaves), before)
    columns = [row[0] for row in chunk], [row[1] for row in chunk], [leaf.hex() for leaf in leaves]
    connection.execute(_LEAVES, [stream.name, before, *map(" ".join, columns)])
    if nodes:
        connection.execute(_NODES, [stream.name, *map(list, zip(*nodes, strict=True))])


def disclosed(connection: psycopg.Connection, events: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[str]]:
    """The patients whom events disclosed, by the event's id and time as lines write them; each in the ids' order."""
    times = [occurred_at for _, occurred_at in events]
    values = [" ".join(event_id for event_id, _ in events), min(times), max(times)]
    with connection.cursor(binary=True) as cursor:
        return {row[:2]: row[2] for row in cursor.execute(_DISCLOSED, values)}


def _one(connection: psycopg.Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    if row is None:
        raise RuntimeError("a query for one row gave none")
    return row
