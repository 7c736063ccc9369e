"""Data keys of people: a new key each, and their fields in every table re-encrypted, one transaction a batch.

A batch holds the people's keys, so that nobody writes under them meanwhile. A person with a row that
somebody else holds is left for a later pass.
"""

from collections import defaultdict
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import PEOPLE, Encrypted, key_of
from infra.encryption.data_keys import StoredKey, store_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation.workers import BATCH, Batch

Keys = dict[UUID, list[StoredKey]]
# A row's version, and its clear fields in the order of the table's columns.
Clear = tuple[int, tuple[bytes | None, ...]]


def rotate_batch(connection: psycopg.Connection, codec: FieldCodec, before: datetime, after: Any) -> Batch | None:
    """Give the next people whose key is older than `before` a new one."""
    with connection.transaction():
        people = list(dict.fromkeys(row[0] for row in connection.execute(_NEXT, [before, after, after, BATCH])))
        if not people:
            return None
        # The lock shows the keys as they are; which others live beside them, only a look after it.
        versions, keys = _live_keys(connection, people)
        rows = {of: _rows(connection, of, people) for of in PEOPLE}
        free = [person for person in people if all(found.get(person, ()) is not None for found in rows.values())]
        clear = {of: _opened(codec, of, {p: found[p] for p in free if p in found}, keys) for of, found in rows.items()}
        whole = [person for person in free if all(found.get(person, ()) is not None for found in clear.values())]
        fresh = store_keys(connection, codec.provider, [(person, versions[person] + 1) for person in whole])
        for of, found in clear.items():
            write(connection, codec, of, {p: row for p, row in found.items() if p in fresh and row}, fresh)
        connection.execute(_retire(), [[key.data_key_id for person in whole for key in keys[person]]])
    return Batch(people[-1], len(whole), len(free) - len(whole))


def count_old(connection: psycopg.Connection, before: datetime) -> int:
    """How many people's keys are older than `before`, and live."""
    row = connection.execute(
        "select count(distinct person_id) from operational.data_key"
        " where person_id is not null and retired_at is null and created_at < %s",
        [before],
    ).fetchone()
    return row[0] if row else 0


def write(
    connection: psycopg.Connection, codec: FieldCodec, of: Encrypted, clear: dict[UUID, Clear],
    fresh: dict[UUID, StoredKey],
) -> None:  # fmt: skip
    """Store fields under the fresh keys, but where a row has moved on from the version that was read."""
    sealed: list[list[bytes | None]] = [
        [
            None if values[at] is None else codec.seal(fresh[person], _place(of, person, column), values[at] or b"")
            for person, (_, values) in clear.items()
        ]
        for at, column in enumerate(of.columns)
    ]
    connection.execute(_store(of), [list(clear), [version for version, _ in clear.values()], *sealed])


def _live_keys(connection: psycopg.Connection, people: list[UUID]) -> tuple[dict[UUID, int], Keys]:
    """The newest version and the live keys of each of these people."""
    keys: Keys = defaultdict(list)
    versions: dict[UUID, int] = {}
    for person, version, *rest in connection.execute(_KEYS, [people]):
        keys[person].append(StoredKey(*rest))
        versions[person] = max(version, versions.get(person, 0))
    return versions, dict(keys)


def _rows(connection: psycopg.Connection, of: Encrypted, people: list[UUID]) -> dict[UUID, Any]:
    """These people's rows, locked: version and ciphertexts, or None where somebody else holds the row."""
    there, locked = _there_and_locked(of)
    found = {row[0]: None for row in connection.execute(there, [people])}
    return {**found, **{row[0]: row[1:] for row in connection.execute(locked, [people])}}


def _opened(codec: FieldCodec, of: Encrypted, rows: dict[UUID, Any], keys: Keys) -> dict[UUID, Clear | None]:
    """The clear fields of rows whose fields all open; None for one with a broken field: it keeps the old key."""
    found: dict[UUID, Clear | None] = {}
    for person, (version, *ciphertexts) in rows.items():
        try:
            fields = tuple(
                None if sealed is None else codec.open(keys[person], _place(of, person, column), sealed)
                for column, sealed in zip(of.columns, ciphertexts, strict=True)
            )
        except Undecryptable:
            found[person] = None
        else:
            found[person] = (version, fields)
    return found


def _place(of: Encrypted, person: UUID, column: str) -> Place:
    return Place(of.place, column, str(person))


def _columns(of: Encrypted) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column) for column in of.columns)


@cache
def _there_and_locked(of: Encrypted) -> tuple[sql.Composed, sql.Composed]:
    there = sql.SQL("select person_id from {} where person_id = any(%s)").format(of.relation)
    locked = sql.SQL(
        "select person_id, version, {} from {} where person_id = any(%s) for no key update skip locked"
    ).format(_columns(of), of.relation)
    return there, locked


@cache
def _store(of: Encrypted) -> sql.Composed:
    # The version moves with every write of others: whoever wrote since we read keeps what they wrote.
    return sql.SQL(
        "update {} as p set {} from unnest(%s::uuid[], %s::bigint[], {}) as n (person_id, version, {})"
        " where p.person_id = n.person_id and p.version = n.version"
    ).format(
        of.relation,
        sql.SQL(", ").join(sql.SQL("{0} = n.{0}").format(sql.Identifier(column)) for column in of.columns),
        sql.SQL(", ").join(sql.SQL("%s::bytea[]") for _ in of.columns),
        _columns(of),
    )


@cache
def _retire() -> sql.Composed:
    under = (
        sql.SQL("not exists (select from {} as p where p.person_id = k.person_id and uuid_send(k.data_key_id) in ({}))")
        .format(of.relation, sql.SQL(", ").join(key_of(sql.Identifier("p", column)) for column in of.columns))
        for of in PEOPLE
    )  # fmt: skip
    return sql.SQL(
        "update operational.data_key as k set retired_at = statement_timestamp() where k.data_key_id = any(%s) and {}"
    ).format(sql.SQL(" and ").join(under))


_NEXT = """
select k.person_id from operational.data_key as k
where k.person_id is not null and k.retired_at is null and k.created_at < %s
    and (%s::uuid is null or k.person_id > %s)
order by k.person_id limit %s for update skip locked
"""
_KEYS = """
select k.person_id, k.key_version, k.data_key_id, k.wrapped, k.kek_id, k.kek_version
from operational.data_key as k where k.person_id = any(%s) and k.retired_at is null
"""
