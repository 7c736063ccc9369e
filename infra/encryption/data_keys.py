"""Data keys in the database: made at first use, stored wrapped.

Who writes under a key holds it until the transaction ends: its row is locked here. A rotation waits for
none: it passes over a key or a row that is held, and comes back later. Whoever changes a row locks that
row first and asks for the keys then. Who only reads takes ciphertexts and live keys in one statement, and
locks nothing.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg

from infra.encryption.codec import DataKey
from infra.encryption.keyring import KEY_BYTES, KeyProvider, WrappedKey

# The newest first; a writer appends `for share`.
LIVE_OF_PURPOSE = """
select data_key_id, wrapped, kek_id, kek_version, key_version from operational.data_key
where purpose = %s and retired_at is null order by key_version desc"""

# Live keys as arrays beside the ciphertexts that they open, in the one statement of a read.
KEY_ARRAYS = """array_agg(data_key_id) as key_ids, array_agg(wrapped) as wrapped, array_agg(kek_id) as kek_ids,
    array_agg(kek_version) as kek_versions"""


@dataclass(frozen=True)
class StoredKey:
    """One row of `operational.data_key`: a data key, wrapped by the key-encryption key of that id and version."""

    data_key_id: UUID
    wrapped: bytes
    kek_id: str
    kek_version: int


def stored_keys(row: Mapping[str, Any]) -> tuple[StoredKey, ...]:
    """The keys of a row that was read with `KEY_ARRAYS`; none where there were none, or none was asked for."""
    names = ("key_ids", "wrapped", "kek_ids", "kek_versions")
    return tuple(StoredKey(*key) for key in zip(*(row[name] for name in names), strict=True)) if row["key_ids"] else ()


@dataclass(frozen=True)
class IndexKey:
    """The key of a blind index, and the version that its digests stand under."""

    version: int
    key: StoredKey


def purpose_keys(connection: psycopg.Connection, provider: KeyProvider, purpose: str) -> list[StoredKey]:
    """The live keys of a purpose such as `quarantine`, the newest first; made if there is none."""
    return [found.key for found in _of_purpose(connection, provider, purpose)]


def index_keys(connection: psycopg.Connection, provider: KeyProvider, field: str) -> list[IndexKey]:
    """The live keys of a field's blind index, the newest first; made if there is none."""
    return _of_purpose(connection, provider, index_purpose(field))


def index_purpose(field: str) -> str:
    """The purpose under which a field's index keys are stored."""
    return f"index.{field}"


def people_keys(
    connection: psycopg.Connection, provider: KeyProvider, people: Sequence[UUID]
) -> dict[UUID, list[StoredKey]]:
    """The live keys of these people, the newest first; made where there are none."""
    found = _of_people(connection, people)
    without = [person for person in people if person not in found]
    if without:
        store_keys(connection, provider, people=[(person, 1) for person in without])
        found |= _of_people(connection, without)
    return found


def store_keys(
    connection: psycopg.Connection, provider: KeyProvider, people: Sequence[tuple[UUID, int]]
) -> dict[UUID, StoredKey]:
    """Make and store a key of that version for each person; of two at once the first stands."""
    fresh = {person: (fresh_key(provider), version) for person, version in people}
    connection.execute(
        "insert into operational.data_key (data_key_id, person_id, wrapped, kek_id, kek_version, key_version)"
        " select * from unnest(%s::uuid[], %s::uuid[], %s::bytea[], %s::text[], %s::int[], %s::int[])"
        " on conflict do nothing",
        [
            [key.data_key_id for key, _ in fresh.values()],
            list(fresh),
            [key.wrapped for key, _ in fresh.values()],
            [key.kek_id for key, _ in fresh.values()],
            [key.kek_version for key, _ in fresh.values()],
            [version for _, version in fresh.values()],
        ],
    )
    return {person: key for person, (key, _) in fresh.items()}


def store_purpose_key(connection: psycopg.Connection, provider: KeyProvider, purpose: str, version: int) -> None:
    """Make and store a purpose's key of that version; of two at once the first stands."""
    key = fresh_key(provider)
    connection.execute(
        "insert into operational.data_key (data_key_id, purpose, wrapped, kek_id, kek_version, key_version)"
        " values (%s, %s, %s, %s, %s, %s) on conflict do nothing",
        [key.data_key_id, purpose, key.wrapped, key.kek_id, key.kek_version, version],
    )


def fresh_key(provider: KeyProvider) -> StoredKey:
    """A new data key, bound to its own id."""
    key_id = uuid4()
    wrapped = provider.wrap(os.urandom(KEY_BYTES), key_id.bytes)
    return StoredKey(key_id, wrapped.wrapped, wrapped.kek_id, wrapped.kek_version)


def unwrapped(provider: KeyProvider, stored: StoredKey) -> DataKey:
    """The data key itself.

    Raises:
        Misconfigured: the provider does not open it.
    """
    wrapped = WrappedKey(stored.wrapped, stored.kek_id, stored.kek_version)
    return DataKey(stored.data_key_id, provider.unwrap(wrapped, stored.data_key_id.bytes))


def _of_purpose(connection: psycopg.Connection, provider: KeyProvider, purpose: str) -> list[IndexKey]:
    found = _live(connection, purpose)
    if not found:
        store_purpose_key(connection, provider, purpose, 1)
        found = _live(connection, purpose)
    return found


def _live(connection: psycopg.Connection, purpose: str) -> list[IndexKey]:
    # Of two transactions that make the first key, the second waits for the first and finds its key here.
    rows = connection.execute(f"{LIVE_OF_PURPOSE} for share", [purpose]).fetchall()
    return [IndexKey(version, StoredKey(*rest)) for *rest, version in rows]


def _of_people(connection: psycopg.Connection, people: Sequence[UUID]) -> dict[UUID, list[StoredKey]]:
    rows = connection.execute(
        "select person_id, data_key_id, wrapped, kek_id, kek_version from operational.data_key"
        " where person_id = any(%s) and retired_at is null order by person_id, key_version desc for share",
        [list(people)],
    ).fetchall()
    found: dict[UUID, list[StoredKey]] = defaultdict(list)
    for person, *rest in rows:
        found[person].append(StoredKey(*rest))
    return dict(found)
