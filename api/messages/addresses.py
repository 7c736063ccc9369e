"""To whom a message goes: an address it brings, the person's own account, or for want of one their guardians.

An address that nobody verified counts only while the person has no account yet: it is what they booked with.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.database import Connection
from infra.encryption.codec import Place
from infra.encryption.data_keys import StoredKey
from infra.encryption.field_codec import FieldCodec

CONTACTS = "operational.account_contact"
_KEYS = """
select
    array_agg(data_key_id) as key_ids, array_agg(wrapped) as wrapped,
    array_agg(kek_id) as kek_ids, array_agg(kek_version) as kek_versions
from operational.data_key where retired_at is null"""
_QUEUED = f"""
select m.message_id, m.kind, m.clinic_id, m.patient_id, m.person_id, m.about_id, m.confidential, m.content, m.address,
    m.attempts, m.created_at, to_jsonb(k) - 'wrapped' as keys, k.wrapped
from operational.message as m
inner join lateral ({_KEYS} and purpose = 'message') as k on true
where m.message_id = %s and m.state = 'pending'"""  # nosec B608: constants
_OWN = f"""
select a.email, k.*
from operational.account_contact as a
inner join operational.person as p on p.person_id = a.person_id and p.deleted_at is null
inner join lateral ({_KEYS} and person_id = a.person_id) as k on true
where
    a.person_id = %(person)s and a.email is not null
    and (
        a.email_verified_at is not null
        or not exists (select from operational.principal as o where o.person_id = a.person_id)
    )"""  # nosec B608: constants
# The rule of policies/guardianship.py. Whoever has an account is told there or not at all.
_GUARDIANS = """
select g.guardian_id
from operational.guardianship as g
inner join operational.person as p on p.person_id = g.dependent_id and p.deleted_at is null
inner join operational.person as o on o.person_id = g.guardian_id and o.deleted_at is null
inner join operational.profile as q on q.person_id = g.dependent_id
cross join (select (statement_timestamp() at time zone 'UTC')::date as today) as x
where
    g.dependent_id = %(person)s and g.starts_on <= x.today and (g.ends_on is null or x.today < g.ends_on)
    and (
        g.agreed or q.birth_date is null
        or x.today < (q.birth_date + make_interval(years => g.majority_age))::date
    )
    and not exists (select from operational.principal as o where o.person_id = g.dependent_id)
order by g.guardian_id"""


@dataclass(frozen=True)
class Queued:
    """A message that is to be sent, with the keys of the queue."""

    row: dict[str, Any]
    keys: tuple[StoredKey, ...] = field(repr=False)

    @property
    def message_id(self) -> UUID:
        """Its id."""
        found: UUID = self.row["message_id"]
        return found


async def queued(connection: Connection, message_id: UUID) -> Queued | None:
    """A message of the queue, unless somebody else has dealt with it."""
    row = await (await connection.execute(_QUEUED, [message_id])).fetchone()
    if row is None:
        return None
    keys = row.pop("keys")
    return Queued(row, _stored({**keys, "wrapped": row.pop("wrapped")}))


async def own_address(connection: Connection, codec: FieldCodec, person: UUID) -> str | None:
    """The email of a person's account."""
    row = await (await connection.execute(_OWN, {"person": person})).fetchone()
    if row is None:
        return None
    return codec.open(_stored(row), Place(CONTACTS, "email", str(person)), row["email"]).decode()


async def guardians(connection: Connection, person: UUID) -> list[UUID]:
    """Who is told in the place of a person without an account."""
    found = await connection.execute(_GUARDIANS, {"person": person})
    return [row["guardian_id"] for row in await found.fetchall()]


def _stored(row: dict[str, Any]) -> tuple[StoredKey, ...]:
    keys = zip(row["key_ids"] or (), row["wrapped"] or (), row["kek_ids"] or (), row["kek_versions"] or (), strict=True)
    return tuple(StoredKey(UUID(str(key_id)), *rest) for key_id, *rest in keys)
