"""To whom a message goes: an address it brings, the person's own account, or for want of one their guardians.

An address that nobody verified counts only while the person has no account yet: it is what they booked with. A
campaign may also use the email of the profile, which the patient shares with the clinic. `reach` says the same.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.database import Connection
from api.me.statements import STANDS
from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS, StoredKey, stored_keys
from infra.encryption.field_codec import FieldCodec

CONTACTS = "operational.account_contact"
PROFILES = "operational.profile"
_KEYS = f"""
select {KEY_ARRAYS} from operational.data_key where retired_at is null"""  # nosec B608 # a constant
MESSAGE_KEYS = f"{_KEYS} and purpose = 'message'"
_QUEUED = f"""
select m.message_id, m.kind, m.clinic_id, m.patient_id, m.person_id, m.about_id, m.confidential, m.content, m.address,
    m.attempts, m.created_at, m.copied_from, k.*
from operational.message as m
inner join lateral ({MESSAGE_KEYS}) as k on true
where m.message_id = %s and m.state = 'pending'"""  # nosec B608 # constants
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
    )"""  # nosec B608 # constants
_SHARED = f"""
select q.email, k.*
from operational.profile as q
inner join operational.person as p on p.person_id = q.person_id and p.deleted_at is null
inner join lateral ({_KEYS} and person_id = q.person_id) as k on true
where q.person_id = %(person)s and q.email is not null"""  # nosec B608 # constants
# Whoever has an account is told there or not at all.
_GUARDIANS = f"""
select g.guardian_id
from operational.guardianship as g
inner join operational.person as p on p.person_id = g.dependent_id and p.deleted_at is null
inner join operational.person as o on o.person_id = g.guardian_id and o.deleted_at is null
inner join operational.profile as q on q.person_id = g.dependent_id
where
    g.dependent_id = %(person)s and {STANDS}
    and not exists (select from operational.principal as o where o.person_id = g.dependent_id)
order by g.guardian_id"""  # nosec B608 # a constant


def told_for(dependent: str, guardian: str) -> str:
    """SQL: that somebody is a guardian today of a person whom messages reach so, each named by its column."""
    return f"""exists (
    select
    from operational.guardianship as g
    inner join operational.profile as q on q.person_id = g.dependent_id
    where g.dependent_id = {dependent} and g.guardian_id = {guardian} and {STANDS}
        and not exists (select from operational.principal as o where o.person_id = g.dependent_id)
)"""  # nosec B608 # columns of ours


_COPY = f"""
select {told_for("o.person_id", "m.person_id")} as stands
from operational.message as m
inner join operational.message as o on o.message_id = m.copied_from
where m.message_id = %s"""  # nosec B608 # constants


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
    return Queued(row, stored_keys(row))


async def own_address(connection: Connection, codec: FieldCodec, person: UUID) -> str | None:
    """The email of a person's account."""
    row = await (await connection.execute(_OWN, {"person": person})).fetchone()
    if row is None:
        return None
    return codec.open(stored_keys(row), Place(CONTACTS, "email", str(person)), row["email"]).decode()


async def shared_address(connection: Connection, codec: FieldCodec, person: UUID) -> str | None:
    """The email of a person's profile, unless guardians are told in their place."""
    row = await (await connection.execute(_SHARED, {"person": person})).fetchone()
    if row is None or await guardians(connection, person):
        return None
    return codec.open(stored_keys(row), Place(PROFILES, "email", str(person)), row["email"]).decode()


async def guardians(connection: Connection, person: UUID) -> list[UUID]:
    """Who is told in the place of a person without an account."""
    found = await connection.execute(_GUARDIANS, {"person": person})
    return [row["guardian_id"] for row in await found.fetchall()]


async def still_told(connection: Connection, found: Queued) -> bool:
    """Whether a guardian's copy is still theirs to get; whatever is no copy is."""
    if found.row["copied_from"] is None:
        return True
    row = await (await connection.execute(_COPY, [found.message_id])).fetchone()
    return row is not None and bool(row["stands"])
