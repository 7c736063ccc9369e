"""Key-encryption keys: every data key is wrapped anew by the newest; the data stays as it is."""

from typing import Any

import psycopg

from infra.encryption.data_keys import StoredKey, unwrapped
from infra.encryption.keyring import KeyProvider, WrappedKey
from infra.encryption.rotation.workers import BATCH, Batch


def wrap_batch(connection: psycopg.Connection, provider: KeyProvider, after: Any) -> Batch | None:
    """Wrap the next data keys that another key-encryption key wrapped."""
    kek_id, kek_version = provider.current()
    with connection.transaction():
        rows = connection.execute(_OLD, {"id": kek_id, "version": kek_version, "after": after, "n": BATCH}).fetchall()
        if not rows:
            return None
        fresh = [(stored, _wrapped(provider, stored)) for stored in (StoredKey(*row) for row in rows)]
        done = connection.execute(
            _STORE,
            [
                [old.data_key_id for old, _ in fresh],
                [old.wrapped for old, _ in fresh],
                [new.wrapped for _, new in fresh],
                [new.kek_id for _, new in fresh],
                [new.kek_version for _, new in fresh],
            ],
        ).rowcount
    return Batch(rows[-1][0], done)


def _wrapped(provider: KeyProvider, stored: StoredKey) -> WrappedKey:
    return provider.wrap(unwrapped(provider, stored).key, stored.data_key_id.bytes)


def count_old(connection: psycopg.Connection, provider: KeyProvider) -> int:
    """How many data keys are not wrapped by the newest key-encryption key."""
    row = connection.execute(
        "select count(*) from operational.data_key where (kek_id, kek_version) <> (%s, %s)", provider.current()
    ).fetchone()
    return row[0] if row else 0


_OLD = """
select data_key_id, wrapped, kek_id, kek_version from operational.data_key
where (kek_id, kek_version) <> (%(id)s, %(version)s)
    and (%(after)s::uuid is null or data_key_id > %(after)s)
order by data_key_id limit %(n)s for no key update skip locked
"""
_STORE = """
update operational.data_key as k set wrapped = n.wrapped, kek_id = n.kek_id, kek_version = n.kek_version
from unnest(%s::uuid[], %s::bytea[], %s::bytea[], %s::text[], %s::int[])
    as n (data_key_id, old, wrapped, kek_id, kek_version)
where k.data_key_id = n.data_key_id and k.wrapped = n.old
"""
