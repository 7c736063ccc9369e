"""Data keys of purposes: a new key each, and the purpose's rows re-encrypted."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import PURPOSES, Encrypted, key_of
from infra.encryption.data_keys import LIVE_OF_PURPOSE, StoredKey, store_purpose_key
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation.workers import BATCH, Batch


def renew_key(connection: psycopg.Connection, codec: FieldCodec, purpose: str, before: datetime) -> bool:
    """Make a purpose's next key, unless its newest is younger than `before`; False if it has none at all."""
    row = connection.execute(
        "select key_version, created_at < %s from operational.data_key where purpose = %s"
        " order by key_version desc limit 1",
        [before, purpose],
    ).fetchone()
    if row and row[1]:
        store_purpose_key(connection, codec.provider, purpose, row[0] + 1)
    return row is not None


def rotate_batch(connection: psycopg.Connection, after: Any, *, codec: FieldCodec, purpose: str) -> Batch | None:
    """Re-encrypt the next rows that stand under an older key of the purpose, column after column."""
    places = [(of, column) for of in PURPOSES[purpose] for column in of.columns]
    first, row = after or (0, None)
    for index in range(first, len(places)):
        batch = _rotate_column(connection, codec, purpose, places[index], row)
        if batch:
            return Batch((index, batch.last), batch.done, batch.broken)
        row = None
    return None


def _rotate_column(
    connection: psycopg.Connection, codec: FieldCodec, purpose: str, place: tuple[Encrypted, str], after: Any
) -> Batch | None:
    of, column = place
    newest, *older = live_keys(connection, purpose)
    with connection.transaction():
        rows = connection.execute(
            _next(of, column), {"old": [key.data_key_id for key in older], "after": after, "n": BATCH}
        ).fetchall()
        if not rows:
            return None
        changes = []
        for row, sealed in rows:
            here = Place(of.place, column, str(row))
            try:
                changes.append((str(row), sealed, codec.seal(newest, here, codec.open(older, here, sealed))))
            except Undecryptable:
                continue
        done = connection.execute(_store(of, column), [list(part) for part in zip(*changes, strict=True)] or [[]] * 3)
    return Batch(rows[-1][0], done.rowcount, len(rows) - len(changes))


def count_old(connection: psycopg.Connection, purpose: str) -> int:
    """How many ciphertexts of a purpose stand under its older live keys."""
    return sum(count_under(connection, purpose, key.data_key_id) for key in live_keys(connection, purpose)[1:])


def count_under(connection: psycopg.Connection, purpose: str, key_id: UUID) -> int:
    """How many ciphertexts of a purpose stand under one key."""
    found = 0
    for of in PURPOSES[purpose]:
        for column in of.columns:
            row = connection.execute(_count(of, column), [key_id]).fetchone()
            found += row[0] if row else 0
    return found


def settle(connection: psycopg.Connection, purpose: str) -> int:
    """Retire the purpose's older keys that nothing stands under; how many ciphertexts, or held keys, are left."""
    older = live_keys(connection, purpose)[1:]
    return sum(
        retire(connection, k.data_key_id, partial(count_under, connection, purpose, k.data_key_id)) for k in older
    )


def retire(connection: psycopg.Connection, key_id: UUID, count: Callable[[], int]) -> int:
    """Retire a key unless something stands under it; how much does, or 1 while a writer holds the key."""
    with connection.transaction():
        # A writer that took this key before the newer one was there holds it until it is done.
        held = connection.execute(_LOCK, [key_id]).fetchone() is None
        under = count()
        if held or under:
            return max(under, 1)
        connection.execute(_RETIRE, [key_id])
    return 0


def live_keys(connection: psycopg.Connection, purpose: str) -> list[StoredKey]:
    """The live keys of a purpose, the newest first."""
    return [StoredKey(*row[:4]) for row in connection.execute(LIVE_OF_PURPOSE, [purpose])]


def _next(of: Encrypted, column: str) -> sql.Composed:
    return sql.SQL(
        "select {row}, {column} from {table}"
        " where {key} = any(select uuid_send(id) from unnest(%(old)s::uuid[]) as id)"
        " and (%(after)s::text is null or {row}::text > %(after)s::text)"
        " order by {row}::text limit %(n)s for no key update skip locked"
    ).format(**_names(of, column))


def _store(of: Encrypted, column: str) -> sql.Composed:
    return sql.SQL(
        "update {table} as t set {column} = n.fresh from unnest(%s::text[], %s::bytea[], %s::bytea[])"
        " as n (place, old, fresh) where t.{row}::text = n.place and t.{column} = n.old"
    ).format(**_names(of, column))


def _count(of: Encrypted, column: str) -> sql.Composed:
    return sql.SQL("select count(*) from {table} where {key} = uuid_send(%s)").format(**_names(of, column))


def _names(of: Encrypted, column: str) -> dict[str, sql.Composable]:
    name = sql.Identifier(column)
    return {"table": of.relation, "row": sql.Identifier(of.row), "column": name, "key": key_of(name)}


_LOCK = "select from operational.data_key where data_key_id = %s for update skip locked"
_RETIRE = "update operational.data_key set retired_at = statement_timestamp() where data_key_id = %s"
