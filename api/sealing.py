"""Keys for what a work writes: a person's data keys, a purpose's, and digests of contacts.

The rule of `infra.encryption.data_keys` holds here: who changes a row locks it first, and asks for the
keys then, which are held until the work ends.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Work
from infra.encryption.blind_index import digests
from infra.encryption.data_keys import IndexKey, StoredKey, fresh_key, index_purpose
from infra.encryption.field_codec import FieldCodec

_KEY = "data_key_id, wrapped, kek_id, kek_version"
_OF_PERSON = sql.SQL(f"""
select {_KEY} from operational.data_key
where person_id = %(person)s and retired_at is null order by key_version desc for share""")  # nosec B608 # a constant
_OF_PURPOSE = sql.SQL(f"""
select {_KEY}, key_version from operational.data_key
where purpose = %(purpose)s and retired_at is null order by key_version desc for share""")  # nosec B608 # a constant
# From a subquery the array is as long to the planner each time, so that it keeps its plan.
_OF_PURPOSES = sql.SQL(f"""
select purpose, {_KEY}, key_version from operational.data_key
where purpose = any((select %(purposes)s::text[])::text[]) and retired_at is null
order by purpose, key_version desc for share""")  # nosec B608 # a constant
_STORE = sql.SQL("""
insert into operational.data_key (data_key_id, person_id, purpose, wrapped, kek_id, kek_version)
values (%(data_key_id)s, %(person)s, %(purpose)s, %(wrapped)s, %(kek_id)s, %(kek_version)s)
on conflict do nothing""")
_DIGESTS = sql.SQL("""
insert into operational.blind_index as i (person_id, field, key_version, digest)
select %(person)s, %(field)s, * from unnest(%(versions)s::int[], %(digests)s::bytea[])
on conflict (person_id, field, key_version) do update set digest = excluded.digest
where i.digest <> excluded.digest""")


async def person_keys(work: Work, codec: FieldCodec, person: UUID) -> Sequence[StoredKey]:
    """The live data keys of a person, the newest first, held until the work ends; made if there is none."""
    found = await work.run(_OF_PERSON, person=person)
    if not found:
        await _stored(work, codec, person=person)
        found = await work.run(_OF_PERSON, person=person)
    return [StoredKey(**row) for row in found]


async def purpose_keys(work: Work, codec: FieldCodec, purpose: str) -> Sequence[StoredKey]:
    """The live data keys of a purpose, the newest first, held until the work ends; made if there is none."""
    return [key.key for key in await _of_purpose(work, codec, purpose)]


def hold(work: Work, purposes: Iterable[str]) -> None:
    """Have the live keys of several purposes held with the work's next statement, and known to it until it ends.

    For a work that writes new rows and no other: a row of another's might stand under a key that is newer.
    """

    def keep(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            work.keys.setdefault(row.pop("purpose"), []).append(IndexKey(row.pop("key_version"), StoredKey(**row)))

    work.later(_OF_PURPOSES, keep, purposes=list(purposes))


async def index_contact(work: Work, codec: FieldCodec, person: UUID, field: str, value: str) -> None:
    """Write the digests by which a person is found by a contact, in the form of `contacts.canonical`.

    `field` is `phone` or `email` of the profile, or the same with `account_` before it.

    Raises:
        InvalidInput: no phone number or email; names the field.
    """
    found = digests(codec, await index_keys(work, codec, field), field, value)
    await work.run(_DIGESTS, person=person, field=field, versions=list(found), digests=list(found.values()))


async def index_keys(work: Work, codec: FieldCodec, field: str) -> Sequence[IndexKey]:
    """The live keys of a field's blind index, held until the work ends; made if there is none."""
    return await _of_purpose(work, codec, index_purpose(field))


async def _of_purpose(work: Work, codec: FieldCodec, purpose: str) -> Sequence[IndexKey]:
    if purpose in work.keys:
        return work.keys[purpose]
    rows = await work.run(_OF_PURPOSE, purpose=purpose)
    if not rows:
        await _stored(work, codec, purpose=purpose)
        rows = await work.run(_OF_PURPOSE, purpose=purpose)
    return [IndexKey(row.pop("key_version"), StoredKey(**row)) for row in rows]


async def _stored(
    work: Work, codec: FieldCodec, *, person: UUID | None = None, purpose: str | None = None
) -> StoredKey:
    key = fresh_key(codec.provider)
    values: dict[str, Any] = {
        "data_key_id": key.data_key_id, "wrapped": key.wrapped, "kek_id": key.kek_id, "kek_version": key.kek_version,
    }  # fmt: skip
    await work.run(_STORE, person=person, purpose=purpose, **values)
    return key
