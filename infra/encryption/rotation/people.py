"""Data keys of people: a new key each, and the profile's fields re-encrypted, one transaction a batch."""

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import PROFILE, key_of
from infra.encryption.data_keys import StoredKey, store_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation.workers import BATCH, Batch

Clear = tuple[bytes | None, ...]


def rotate_batch(connection: psycopg.Connection, codec: FieldCodec, before: datetime, after: Any) -> Batch | None:
    """Give the next people whose key is older than `before` a new one."""
    with connection.transaction():
        rows = connection.execute(_NEXT, {"before": before, "after": after, "n": BATCH}).fetchall()
        if not rows:
            return None
        versions, keys = _live_keys(connection, [row[0] for row in rows], before)
        # Another worker may have been quicker: the lock shows the newest profile, and not the newest keys.
        people = {row[0]: row[1:] for row in rows if row[0] in keys}
        clear = _opened(codec, people, keys)
        fresh = store_keys(connection, codec.provider, [(person, versions[person] + 1) for person in clear])
        _write(connection, codec, people, clear, fresh)
        old = [key.data_key_id for person in clear for key in keys[person]]
        connection.execute(_RETIRE, [old])
    return Batch(rows[-1][0], len(clear), len(people) - len(clear))


def rotate_bare(connection: psycopg.Connection, codec: FieldCodec, before: datetime) -> int:
    """Give people who have an old key but no profile a new one; return how many."""
    with connection.transaction():
        people = [row[0] for row in connection.execute(_WITHOUT_PROFILE, [before])]
        versions, keys = _live_keys(connection, people, before)
        store_keys(connection, codec.provider, [(person, versions[person] + 1) for person in people])
        connection.execute(_RETIRE, [[key.data_key_id for person in people for key in keys[person]]])
    return len(people)


def count_old(connection: psycopg.Connection, before: datetime) -> int:
    """How many people's keys are older than `before`, and live."""
    row = connection.execute(
        "select count(distinct person_id) from operational.data_key"
        " where person_id is not null and retired_at is null and created_at < %s",
        [before],
    ).fetchone()
    return row[0] if row else 0


def _live_keys(
    connection: psycopg.Connection, people: list[UUID], before: datetime
) -> tuple[dict[UUID, int], dict[UUID, list[StoredKey]]]:
    """The newest version and the live keys of each of these people who has an old one."""
    keys: dict[UUID, list[StoredKey]] = defaultdict(list)
    versions: dict[UUID, int] = {}
    for person, version, *rest in connection.execute(_KEYS, [people, before]):
        keys[person].append(StoredKey(*rest))
        versions[person] = max(version, versions.get(person, 0))
    return versions, dict(keys)


def _opened(codec: FieldCodec, people: dict[UUID, Any], keys: dict[UUID, list[StoredKey]]) -> dict[UUID, Clear]:
    """The fields of the people whose fields all open; who has a broken one keeps the old key."""
    found = {}
    for person, (_, *ciphertexts) in people.items():
        try:
            found[person] = tuple(
                None if sealed is None else codec.open(keys[person], _place(person, column), sealed)
                for column, sealed in zip(PROFILE.columns, ciphertexts, strict=True)
            )
        except Undecryptable:
            continue
    return found


def _write(
    connection: psycopg.Connection, codec: FieldCodec, people: dict[UUID, Any],
    clear: dict[UUID, Clear], fresh: dict[UUID, StoredKey],
) -> None:  # fmt: skip
    sealed: list[list[bytes | None]] = [
        [
            None if value is None else codec.seal(fresh[person], _place(person, column), value)
            for person, values in clear.items()
            for value in [values[at]]
        ]
        for at, column in enumerate(PROFILE.columns)
    ]
    connection.execute(_STORE, [list(clear), [people[person][0] for person in clear], *sealed])


def _place(person: UUID, column: str) -> Place:
    return Place(PROFILE.place, column, str(person))


_COLUMNS = sql.SQL(", ").join(sql.Identifier(column) for column in PROFILE.columns)
_NEXT = sql.SQL("""
select p.person_id, p.version, {}
from operational.data_key as k inner join operational.profile as p on p.person_id = k.person_id
where k.retired_at is null and k.created_at < %(before)s and (%(after)s::uuid is null or k.person_id > %(after)s)
order by k.person_id limit %(n)s for no key update of p skip locked
""").format(sql.SQL(", ").join(sql.Identifier("p", column) for column in PROFILE.columns))
_WITHOUT_PROFILE = """
select distinct k.person_id from operational.data_key as k
where k.person_id is not null and k.retired_at is null and k.created_at < %s
    and not exists (select from operational.profile as p where p.person_id = k.person_id)
"""
_KEYS = """
select k.person_id, k.key_version, k.data_key_id, k.wrapped, k.kek_id, k.kek_version
from operational.data_key as k
where k.person_id = any(%s) and k.retired_at is null and exists (
    select from operational.data_key as o
    where o.person_id = k.person_id and o.retired_at is null and o.created_at < %s
)
"""
# The version moves with every write of others: whoever wrote since we read keeps what they wrote.
_STORE = sql.SQL("""
update operational.profile as p set {}
from unnest(%s::uuid[], %s::bigint[], {}) as n (person_id, version, {})
where p.person_id = n.person_id and p.version = n.version
""").format(
    sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier("n", column)) for column in PROFILE.columns
    ),
    sql.SQL(", ").join(sql.SQL("%s::bytea[]") for _ in PROFILE.columns),
    _COLUMNS,
)
_RETIRE = sql.SQL("""
update operational.data_key as k set retired_at = statement_timestamp()
where k.data_key_id = any(%s) and not exists (
    select from operational.profile as p
    where p.person_id = k.person_id and uuid_send(k.data_key_id) in ({})
)
""").format(sql.SQL(", ").join(key_of(sql.Identifier("p", column)) for column in PROFILE.columns))
