"""The contacts of the caller's own account."""

from typing import Any

from psycopg import sql

from api.gateway import Grant
from infra.encryption.codec import Place
from infra.encryption.columns import ACCOUNT_CONTACT
from infra.encryption.data_keys import KEY_ARRAYS, stored_keys
from infra.encryption.field_codec import FieldCodec

# Ciphertexts and live keys in one statement: a rotation may commit between two.
_CONTACTS = sql.SQL(f"""
select c.person_id, c.phone, c.email, c.phone_verified_at is not null as phone_verified,
    c.email_verified_at is not null as email_verified,
    {KEY_ARRAYS}
from operational.account_contact as c
inner join operational.data_key as k on k.person_id = c.person_id and k.retired_at is null
where c.person_id = %(me)s
group by c.person_id""")  # nosec B608 # a constant


async def contacts(grant: Grant, codec: FieldCodec) -> dict[str, Any]:
    """The caller's contacts in clear, and whether each is proven; empty if there is none."""
    rows = await grant.read(_CONTACTS, sql.SQL("person_id"), me=grant.caller.principal.person_id)
    if not rows:
        return {}
    row = rows[0]
    for channel in ACCOUNT_CONTACT.columns:
        if row[channel] is not None:
            place = Place(ACCOUNT_CONTACT.place, channel, str(row["person_id"]))
            row[channel] = codec.open(stored_keys(row), place, row[channel]).decode()
    return row
