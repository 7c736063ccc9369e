"""Signing in with an email or a phone number: by blind index, of what accounts have verified."""

from typing import Any
from uuid import UUID

from api.database import Connection
from infra.encryption.blind_index import digests
from infra.encryption.contacts import INDEXED, OF_ACCOUNT, canonical
from infra.encryption.data_keys import IndexKey, StoredKey, index_purpose
from infra.encryption.field_codec import FieldCodec
from infra.errors import InvalidInput

FIELDS = {OF_ACCOUNT + channel: channel for channel in INDEXED}
_KEYS = """
select purpose, key_version, data_key_id, wrapped, kek_id, kek_version from operational.data_key
where purpose = any(%s) and retired_at is null"""
_FOUND = """
select p.principal_id
from unnest(%s::text[], %s::int[], %s::bytea[]) as n (field, key_version, digest)
inner join operational.blind_index as i using (field, key_version, digest)
inner join operational.principal as p on p.person_id = i.person_id and p.disabled_at is null
group by p.principal_id"""


async def account_of(connection: Connection, codec: FieldCodec, typed: str) -> UUID | None:
    """The one account that has verified this email or phone number; asked for alike, whatever was typed."""
    async with connection.transaction():
        # One snapshot: a rotation may end between the keys and the digests.
        await connection.execute("set transaction isolation level repeatable read read only")
        rows = await (await connection.execute(_KEYS, [[index_purpose(field) for field in FIELDS]])).fetchall()
        sought = [(field, *found) for field in FIELDS for found in _digests(codec, rows, field, typed)]
        columns = [list(column) for column in zip(*sought, strict=True)] or [[], [], []]
        found = await (await connection.execute(_FOUND, columns)).fetchall()
    return found[0]["principal_id"] if len(found) == 1 else None


def _digests(codec: FieldCodec, rows: list[dict[str, Any]], field: str, typed: str) -> list[tuple[int, bytes]]:
    keys = [_key(row) for row in rows if row["purpose"] == index_purpose(field)]
    try:
        return list(digests(codec, keys, field, canonical(FIELDS[field], typed)).items())
    except InvalidInput:
        return []


def _key(row: dict[str, Any]) -> IndexKey:
    _, version, *stored = row.values()
    return IndexKey(version, StoredKey(*stored))
