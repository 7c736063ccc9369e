"""Blind indexes: the new version's digests beside the old ones', which go when nobody needs them."""

from datetime import datetime
from functools import cache, partial
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from infra.encryption.blind_index import digests, write_digests
from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import INDEXES, PEOPLE, Encrypted, Indexed
from infra.encryption.data_keys import IndexKey, StoredKey, index_purpose, store_purpose_key
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation.purposes import retire
from infra.encryption.rotation.workers import BATCH, Batch
from infra.errors import InvalidInput

DROPPED_AT_ONCE = 20_000


def renew_keys(connection: psycopg.Connection, codec: FieldCodec, before: datetime) -> dict[str, IndexKey]:
    """The newest index key of each field, made unless there is one younger than `before`."""
    found = {}
    for field in (index.field for index in INDEXES):
        row = connection.execute(_NEWEST, [before, index_purpose(field)]).fetchone()
        if row is None or row[1]:
            store_purpose_key(connection, codec.provider, index_purpose(field), row[0] + 1 if row else 1)
            row = connection.execute(_NEWEST, [before, index_purpose(field)]).fetchone()
        if row:
            found[field] = IndexKey(row[0], StoredKey(*row[2:]))
    return found


def index_batch(
    connection: psycopg.Connection, codec: FieldCodec, newest: dict[str, IndexKey], after: Any
) -> Batch | None:
    """Write the newest version's digests of the next rows that lack one, table after table."""
    first, row = after or (0, None)
    for at in range(first, len(PEOPLE)):
        batch = _index_rows(connection, codec, newest, PEOPLE[at], row)
        if batch:
            return Batch((at, batch.last), batch.done, batch.broken)
        row = None
    return None


def _index_rows(
    connection: psycopg.Connection, codec: FieldCodec, newest: dict[str, IndexKey], of: Encrypted, after: Any
) -> Batch | None:
    with connection.transaction():
        rows = connection.execute(_next(of), [*_versions(of, newest), after, after, BATCH]).fetchall()
        if not rows:
            return None
        people = [row[0] for row in rows]
        keys: dict[UUID, list[StoredKey]] = {person: [] for person in people}
        for person, *rest in connection.execute(_KEYS, [people]):
            keys[person].append(StoredKey(*rest))
        made: list[tuple[UUID, str, int, bytes]] = []
        broken = set()
        for person, *sealed in rows:
            for index, ciphertext in zip(_of(of), sealed, strict=True):
                try:
                    made += _digests(codec, newest[index.field], keys[person], (person, index), ciphertext)
                except (Undecryptable, InvalidInput):
                    broken.add(person)
        # Of a batch that another worker was quicker with, nothing is new.
        written = write_digests(connection, made)
    return Batch(people[-1], len(people) - len(broken) if written else 0, len(broken))


def _digests(
    codec: FieldCodec, newest: IndexKey, keys: list[StoredKey], whose: tuple[UUID, Indexed], ciphertext: bytes | None
) -> list[tuple[UUID, str, int, bytes]]:
    if ciphertext is None:
        return []
    person, index = whose
    clear = codec.open(keys, Place(index.of.place, index.column, str(person)), ciphertext).decode()
    return [(person, index.field, *found) for found in digests(codec, [newest], index.field, clear).items()]


def count_left(connection: psycopg.Connection, newest: dict[str, IndexKey]) -> int:
    """How many rows lack a digest of the newest version."""
    found = (connection.execute(_left(of), _versions(of, newest)).fetchone() for of in PEOPLE)
    return sum(row[0] for row in found if row)


def settle(connection: psycopg.Connection, newest: dict[str, IndexKey]) -> int:
    """Retire the older versions that nobody needs; how many people lack the newest, or need or hold an older one."""
    return max(count_left(connection, newest), unsettled(connection))


def unsettled(connection: psycopg.Connection) -> int:
    """Retire the older versions that nobody needs; how many people, or writers, need one still."""
    left = 0
    for index in INDEXES:
        newest, *older = connection.execute(_LIVE, [index_purpose(index.field)]).fetchall() or [(None, 0)]
        for key_id, version in older:
            # Who writes under this key holds it; what was written is indexed in the next pass.
            left += retire(connection, key_id, partial(_needed, connection, index, version, newest[1]))
    return left


def drop_retired(connection: psycopg.Connection) -> int:
    """Delete the digests under retired keys; return how many."""
    dropped = 0
    for field, version in connection.execute(_RETIRED).fetchall():
        while more := connection.execute(_DROP, [field, version, DROPPED_AT_ONCE]).rowcount:
            dropped += more
    return dropped


def _needed(connection: psycopg.Connection, index: Indexed, version: int, newest: int) -> int:
    """How many people with this contact have the older version's digest and not the newest's."""
    statement = sql.SQL(_NEEDED).format(index.of.relation, _wanted(index))
    row = connection.execute(statement, {"field": index.field, "version": version, "newest": newest}).fetchone()
    return row[0] if row else 0


def _of(of: Encrypted) -> list[Indexed]:
    return [index for index in INDEXES if index.of is of]


def _versions(of: Encrypted, newest: dict[str, IndexKey]) -> list[int]:
    return [newest[index.field].version for index in _of(of)]


def _wanted(index: Indexed) -> sql.Composed:
    return sql.SQL("({} is not null and {})").format(sql.Identifier("p", index.column), sql.SQL(index.where))


def _lacking(of: Encrypted) -> sql.Composed:
    return sql.SQL(" or ").join(
        sql.SQL(
            "({} and not exists (select from operational.blind_index as i"
            " where i.person_id = p.person_id and i.field = {} and i.key_version = %s))"
        ).format(_wanted(index), sql.Literal(index.field))
        for index in _of(of)
    )


@cache
def _next(of: Encrypted) -> sql.Composed:
    values = (
        sql.SQL("case when {} then {} end").format(sql.SQL(index.where), sql.Identifier("p", index.column))
        for index in _of(of)
    )
    return sql.SQL(
        "select p.person_id, {} from {} as p where ({}) and (%s::uuid is null or p.person_id > %s)"
        " order by p.person_id limit %s for no key update of p skip locked"
    ).format(sql.SQL(", ").join(values), of.relation, _lacking(of))


@cache
def _left(of: Encrypted) -> sql.Composed:
    return sql.SQL("select count(*) from {} as p where {}").format(of.relation, _lacking(of))


_NEWEST = """
select key_version, created_at < %s, data_key_id, wrapped, kek_id, kek_version from operational.data_key
where purpose = %s order by key_version desc limit 1
"""
_KEYS = """
select person_id, data_key_id, wrapped, kek_id, kek_version from operational.data_key
where person_id = any(%s) and retired_at is null
"""
_LIVE = """
select data_key_id, key_version from operational.data_key
where purpose = %s and retired_at is null order by key_version desc
"""
# Grouped, since nothing is known yet of how many digests the newest version has: a join would be planned for none.
_NEEDED = """
select count(*) from (
    select person_id from operational.blind_index where field = %(field)s group by person_id
    having bool_or(key_version = %(version)s) and not bool_or(key_version = %(newest)s)
) as o inner join {} as p on p.person_id = o.person_id and {}
"""
_RETIRED = """
select substr(purpose, 7), key_version from operational.data_key
where starts_with(purpose, 'index.') and retired_at is not null
"""
_DROP = """
delete from operational.blind_index where ctid = any(array(
    select ctid from operational.blind_index where field = %s and key_version = %s limit %s
))
"""
