"""The queue of messages as the gateway's work fills it, and a demo's mail."""

import json
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Grant, Work
from api.messages.port import Message
from api.sealing import purpose_keys
from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS, StoredKey
from infra.encryption.field_codec import FieldCodec
from infra.errors import NotThere, Refused

PURPOSE = "message"
TABLE = "operational.message"
MAIL_TABLE = "operational.demo_mail"
_ENQUEUE = sql.SQL("""
insert into operational.message
    (message_id, kind, clinic_id, patient_id, person_id, about_id, confidential, content, address)
values (%(message_id)s, %(kind)s, %(clinic_id)s, %(patient_id)s, %(person_id)s, %(about_id)s, %(confidential)s,
    %(content)s, %(address)s)""")
# Locked, so that of two reminders at once the second finds the first.
_TO_COME = sql.SQL("""
select a.patient_id, r.person_id, a.confidential,
    a.status = 'booked' and coalesce(
        a.starts_at > statement_timestamp(), a.starts_on >= (statement_timestamp() at time zone 'UTC')::date
    ) as to_come,
    exists (
        select from operational.message as m
        where m.clinic_id = a.clinic_id and m.about_id = a.appointment_id and m.kind = 'appointment_reminder'
            and m.created_at > statement_timestamp() - interval '12 hours'
    ) as reminded
from operational.appointment as a
inner join operational.registration as r
    on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id and r.deleted_at is null
where a.clinic_id = %(clinic)s and a.appointment_id = %(appointment)s and a.deleted_at is null
for update of a""")
_MAIL = sql.SQL(f"""
select d.message_id as id, d.content, d.arrived_at, k.key_ids, k.wrapped, k.kek_ids, k.kek_versions
from operational.demo_mail as d
inner join lateral (
    select {KEY_ARRAYS} from operational.data_key where purpose = '{PURPOSE}' and retired_at is null
) as k on true
order by d.arrived_at desc limit %(limit)s""")  # nosec B608: constants


async def enqueue(work: Work, codec: FieldCodec, message: Message) -> UUID:
    """Queue a message in the work that it is about: both happen, or neither."""
    newest = (await purpose_keys(work, codec, PURPOSE))[0]
    message_id = uuid4()
    work.later(
        _ENQUEUE,
        message_id=message_id,
        kind=message.kind.value,
        clinic_id=message.clinic_id,
        patient_id=message.patient_id,
        person_id=message.person_id,
        about_id=message.about_id,
        confidential=message.confidential,
        content=_sealed(codec, newest, message_id, "content", _content(message)),
        address=_sealed(codec, newest, message_id, "address", message.address) if message.address else None,
    )
    return message_id


def _sealed(codec: FieldCodec, key: StoredKey, message_id: UUID, column: str, clear: str) -> bytes:
    return codec.seal(key, Place(TABLE, column, str(message_id)), clear.encode())


def _content(message: Message) -> str:
    """What of a message is sealed, as JSON."""
    return json.dumps({"link": message.link, "code": message.code, "calendar": message.calendar})


async def next_appointment(work: Work, appointment: UUID | None) -> dict[str, Any]:
    """The patient, person and confidentiality of an appointment that is still to come, held until the work ends.

    Raises:
        NotThere: no such appointment of the clinic.
        Refused: it is over or cancelled, or was reminded of a short while ago.
    """
    rows = await work.run(_TO_COME, clinic=work.clinic_id, appointment=appointment)
    if not rows:
        raise NotThere("no such appointment")
    if not rows[0].pop("to_come"):
        raise Refused("the appointment is over or cancelled", place="appointment", rule="not_to_come")
    if rows[0].pop("reminded"):
        raise Refused("reminded already", place="appointment", rule="reminded_already")
    return rows[0]


async def demo_mail(grant: Grant, limit: int) -> list[dict[str, Any]]:
    """The newest mail of a demo, sealed, with the keys that open it."""
    return await grant.read(sql.SQL("select * from ({}) as m").format(_MAIL), sql.SQL("arrived_at desc"), limit=limit)
