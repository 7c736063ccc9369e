"""Blind indexes: who has this phone number or email, without a column that shows them.

A digest stands under the version of its field's key. While a rotation runs two versions live side by
side: writers write both, and a lookup tries both. Keys and digests are read in one snapshot.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

import psycopg

from infra.encryption.contacts import NO_COUNTRY, canonical, indexed
from infra.encryption.data_keys import IndexKey, StoredKey, index_purpose
from infra.encryption.field_codec import FieldCodec

# The live keys of an index; the parameter is its purpose, see `data_keys.index_purpose`.
KEYS = (
    "select key_version, data_key_id, wrapped, kek_id, kek_version from operational.data_key"
    " where purpose = %s and retired_at is null"
)
# Parameters: the field; its versions and the digests under them, as two arrays.
LOOKUP = (
    "select distinct person_id from operational.blind_index"
    " where field = %s and (key_version, digest) in (select * from unnest(%s::int[], %s::bytea[]))"
)


def digests(codec: FieldCodec, keys: Iterable[IndexKey], field: str, value: str) -> dict[int, bytes]:
    """The digest of a stored contact under each live version of its field's key.

    Raises:
        InvalidInput: not in the form that `contacts.canonical` gives.
    """
    clear = indexed(field, value)
    return {found.version: codec.digest(found.key, clear) for found in keys}


def sought(
    codec: FieldCodec, keys: Iterable[IndexKey], field: str, value: str, country: str = NO_COUNTRY
) -> tuple[str, list[int], list[bytes]]:
    """The parameters of `LOOKUP` for a contact as somebody typed it.

    Raises:
        InvalidInput: no phone number or email; names the field.
    """
    found = digests(codec, keys, field, canonical(field, value, country))
    return field, list(found), list(found.values())


def find(
    connection: psycopg.Connection, codec: FieldCodec, field: str, value: str, country: str = NO_COUNTRY
) -> list[UUID]:
    """The people who have this contact, in a transaction of its own.

    Raises:
        InvalidInput: no phone number or email; names the field.
    """
    with connection.transaction():
        # One snapshot: a rotation may end between the keys and the digests.
        connection.execute("set transaction isolation level repeatable read read only")
        rows = connection.execute(KEYS, [index_purpose(field)]).fetchall()
        keys = [IndexKey(version, StoredKey(*stored)) for version, *stored in rows]
        return [row[0] for row in connection.execute(LOOKUP, sought(codec, keys, field, value, country))]


def write_digests(connection: psycopg.Connection, rows: Sequence[tuple[UUID, str, int, bytes]]) -> int:
    """Write `person, field, version, digest`, a new digest in the place of an old one; how many were new."""
    if not rows:
        return 0
    people, fields, versions, found = (list(column) for column in zip(*rows, strict=True))
    return connection.execute(
        "insert into operational.blind_index as i (person_id, field, key_version, digest)"
        " select * from unnest(%s::uuid[], %s::text[], %s::int[], %s::bytea[])"
        " on conflict (person_id, field, key_version) do update set digest = excluded.digest"
        " where i.digest <> excluded.digest",
        [people, fields, versions, found],
    ).rowcount
