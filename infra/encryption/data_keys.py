"""Data keys in the database: made at first use, stored wrapped."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from infra.encryption.codec import DataKey
from infra.encryption.keyring import KEY_BYTES, KeyProvider, WrappedKey


@dataclass(frozen=True)
class StoredKey:
    """One row of `operational.data_key`: a data key, wrapped by the key-encryption key of that id and version."""

    data_key_id: UUID
    wrapped: bytes
    kek_id: str
    kek_version: int


_COLUMNS = "data_key_id, wrapped, kek_id, kek_version"


def key_for_purpose(connection: psycopg.Connection, provider: KeyProvider, purpose: str) -> DataKey:
    """The data key of a purpose, such as `quarantine`, made if there is none."""
    key_id, wrapped = _fresh(provider)
    connection.execute(
        "insert into operational.data_key (data_key_id, purpose, wrapped, kek_id, kek_version)"
        " values (%s, %s, %s, %s, %s) on conflict do nothing",
        [key_id, purpose, wrapped.wrapped, wrapped.kek_id, wrapped.kek_version],
    )
    row = connection.execute(
        f"select {_COLUMNS} from operational.data_key"  # nosec B608: a constant
        " where purpose = %s and retired_at is null order by key_version desc limit 1",
        [purpose],
    ).fetchone()
    if row is None:
        raise LookupError("the data key was not stored")
    return _unwrapped(provider, row)


def keys_for_people(
    connection: psycopg.Connection, provider: KeyProvider, people: Sequence[UUID]
) -> dict[UUID, DataKey]:
    """The data keys of these people, made where there are none."""
    fresh = [(person, *_fresh(provider)) for person in people]
    connection.execute(
        "insert into operational.data_key (data_key_id, person_id, wrapped, kek_id, kek_version)"
        " select * from unnest(%s::uuid[], %s::uuid[], %s::bytea[], %s::text[], %s::int[]) on conflict do nothing",
        [
            [key_id for _, key_id, _ in fresh],
            [person for person, _, _ in fresh],
            [wrapped.wrapped for _, _, wrapped in fresh],
            [wrapped.kek_id for _, _, wrapped in fresh],
            [wrapped.kek_version for _, _, wrapped in fresh],
        ],
    )
    rows = connection.execute(
        f"select distinct on (person_id) {_COLUMNS}, person_id from operational.data_key"  # nosec B608
        " where person_id = any(%s) and retired_at is null order by person_id, key_version desc",
        [list(people)],
    ).fetchall()
    return {row[4]: _unwrapped(provider, row[:4]) for row in rows}


def _fresh(provider: KeyProvider) -> tuple[UUID, WrappedKey]:
    key_id = uuid4()
    return key_id, provider.wrap(os.urandom(KEY_BYTES), key_id.bytes)


def _unwrapped(provider: KeyProvider, row: tuple[UUID, bytes, str, int]) -> DataKey:
    key_id, wrapped, kek_id, kek_version = row
    return DataKey(key_id, provider.unwrap(WrappedKey(bytes(wrapped), kek_id, kek_version), key_id.bytes))
