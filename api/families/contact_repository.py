"""How a clinic reaches the guardians of a patient who shares with it."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api.families import repository
from api.gateway import Work
from api.profiles.repository import _statement
from infra.encryption.codec import Place
from infra.encryption.columns import ACCOUNT_CONTACT
from infra.encryption.data_keys import KEY_ARRAYS, stored_keys
from infra.encryption.field_codec import FieldCodec
from policies.words import Action

# Asks once more whether it is shared, since the ruling was of a moment before. Ciphertexts and live keys come in one
# statement: a rotation may commit between two.
_CONTACT = sql.SQL(f"""
select c.person_id, c.phone, c.email, {KEY_ARRAYS}
from operational.account_contact as c
inner join operational.data_key as k on k.person_id = c.person_id and k.retired_at is null
where
    c.person_id = %(guardian)s
    and exists (
        select from operational.consent as s
        where
            s.clinic_id = %(clinic)s and s.person_id = %(dependent)s and s.purpose = 'profile_sharing'
            and s.state = 'signed' and s.occurred_at <= statement_timestamp()
            and coalesce(s.expires_at > statement_timestamp(), true)
    )
    and not exists (
        select from operational.profile_tombstone as w
        where w.clinic_id = %(clinic)s and w.patient_id = %(patient)s and w.cleared_at is null
    )
group by c.person_id""")  # nosec B608 # a constant


async def reachable(work: Work, codec: FieldCodec, patient: UUID | None) -> list[dict[str, Any]]:
    """The guardians of a patient by name, each with the `phone` and `email` of their account, if there are.

    Raises:
        NotThere: no such patient of the clinic, or one who does not share with it.
    """
    found = await work.find(_statement(Action.GUARDIAN_CONTACT), patient=patient)
    dependent = {"dependent": found["person_id"], "patient": found["patient_id"], "clinic": work.clinic_id}
    guardians = await repository.guardians_of(work, found["person_id"])
    return [{**row, **await _contact(work, codec, row["guardian_id"], dependent)} for row in guardians]


async def _contact(work: Work, codec: FieldCodec, guardian: UUID, dependent: dict[str, Any]) -> dict[str, str]:
    await work.serve(guardian)
    rows = await work.run(_CONTACT, guardian=guardian, **dependent)

    def _opened(row: dict[str, Any], channel: str) -> str:
        return codec.open(stored_keys(row), Place(ACCOUNT_CONTACT.place, channel, str(guardian)), row[channel]).decode()

    return {each: _opened(row, each) for row in rows for each in ACCOUNT_CONTACT.columns if row[each] is not None}
