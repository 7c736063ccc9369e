"""Blind indexes: the new version's digests beside the old ones', which go when nobody needs them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from infra.encryption.blind_index import digests, write_digests
from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import PROFILE
from infra.encryption.contacts import INDEXED
from infra.encryption.data_keys import IndexKey, StoredKey, index_purpose, store_purpose_key
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation.purposes import LOCK, RETIRE
from infra.encryption.rotation.workers import BATCH, Batch
from infra.errors import InvalidInput

DROPPED_AT_ONCE = 20_000


def renew_keys(connection: psycopg.Connection, codec: FieldCodec, before: datetime) -> dict[str, IndexKey]:
    """The newest index key of each field, made unless there is one younger than `before`."""
    found = {}
    for field in INDEXED:
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
    """Write the newest version's digests of the next people who lack one."""
    versions = [newest[field].version for field in INDEXED]
    with connection.transaction():
        rows = connection.execute(_NEXT, [*versions, after, after, BATCH]).fetchall()
        if not rows:
            return None
        people = [row[0] for row in rows]
        keys: dict[UUID, list[StoredKey]] = {person: [] for person in people}
        for person, *rest in connection.execute(_KEYS, [people]):
            keys[person].append(StoredKey(*rest))
        made: list[tuple[UUID, str, int, bytes]] = []
        broken = set()
        for person, *sealed in rows:
            for field, ciphertext in zip(INDEXED, sealed, strict=True):
                try:
                    made += _digests(codec, newest[field], keys[person], (person, field), ciphertext)
                except (Undecryptable, InvalidInput):
                    broken.add(person)
        # Of a batch that another worker was quicker with, nothing is new.
        written = write_digests(connection, made)
    return Batch(people[-1], len(people) - len(broken) if written else 0, len(broken))


def _digests(
    codec: FieldCodec, newest: IndexKey, keys: list[StoredKey], whose: tuple[UUID, str], ciphertext: bytes | None
) -> list[tuple[UUID, str, int, bytes]]:
    if ciphertext is None:
        return []
    person, field = whose
    clear = codec.open(keys, Place(PROFILE.place, field, str(person)), ciphertext).decode()
    return [(person, field, *found) for found in digests(codec, [newest], field, clear).items()]


def count_left(connection: psycopg.Connection, newest: dict[str, IndexKey]) -> int:
    """How many people lack a digest of the newest version."""
    row = connection.execute(_LEFT, [newest[field].version for field in INDEXED]).fetchone()
    return row[0] if row else 0


def settle(connection: psycopg.Connection, newest: dict[str, IndexKey]) -> int:
    """Retire the older versions that nobody needs; how many people lack the newest, or need or hold an older one."""
    return max(count_left(connection, newest), unsettled(connection))


def unsettled(connection: psycopg.Connection) -> int:
    """Retire the older versions that nobody needs; how many people, or writers, need one still."""
    left = 0
    for field in INDEXED:
        live = connection.execute(_LIVE, [index_purpose(field)]).fetchall()
        for key_id, version in live[1:]:
            with connection.transaction():
                # Who writes under this key holds it; what was written is indexed in the next pass.
                held = connection.execute(LOCK, [key_id]).fetchone() is None
                needed = _needed(connection, field, version, live[0][1])
                if held or needed:
                    left += max(needed, 1)
                else:
                    connection.execute(RETIRE, [key_id])
    return left


def drop_retired(connection: psycopg.Connection) -> int:
    """Delete the digests under retired keys; return how many."""
    dropped = 0
    for field, version in connection.execute(_RETIRED).fetchall():
        while more := connection.execute(_DROP, [field, version, DROPPED_AT_ONCE]).rowcount:
            dropped += more
    return dropped


def _needed(connection: psycopg.Connection, field: str, version: int, newest: int) -> int:
    """How many people with this contact have the older version's digest and not the newest's."""
    statement = sql.SQL(_NEEDED).format(sql.Identifier("p", field))
    row = connection.execute(statement, {"field": field, "version": version, "newest": newest}).fetchone()
    return row[0] if row else 0


def _lacking(field: str) -> sql.Composed:
    return sql.SQL(
        "(p.{0} is not null and not exists (select from operational.blind_index as i"
        " where i.person_id = p.person_id and i.field = {1} and i.key_version = %s))"
    ).format(sql.Identifier(field), sql.Literal(field))


_LACKING = sql.SQL(" or ").join(_lacking(field) for field in INDEXED)
_NEXT = sql.SQL(
    "select p.person_id, {} from operational.profile as p where ({}) and (%s::uuid is null or p.person_id > %s)"
    " order by p.person_id limit %s for no key update of p skip locked"
).format(sql.SQL(", ").join(sql.Identifier("p", field) for field in INDEXED), _LACKING)
_LEFT = sql.SQL("select count(*) from operational.profile as p where {}").format(_LACKING)
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
) as o inner join operational.profile as p on p.person_id = o.person_id and {} is not null
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
