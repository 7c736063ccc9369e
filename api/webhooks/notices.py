"""Managers are told of an endpoint that was given up: by a message, those who have an account of a person."""

from uuid import UUID

from api.database import Connection
from api.messages.port import Message, MessageKind
from api.messages.queueing import ENQUEUE, PURPOSE, queued_row
from infra.database import Server, connect
from infra.encryption.data_keys import LIVE_OF_PURPOSE, StoredKey, purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.roles import Login

# No link names the clinic: its name can tell what it treats.
LINK = "clinics"
_MANAGERS = """
select distinct p.person_id
from operational.principal_role as r
inner join operational.principal as p on p.principal_id = r.principal_id
where
    r.role = 'clinic_manager' and r.clinic_id = %s and r.revoked_at is null
    and p.disabled_at is null and p.person_id is not null"""


def ensure_key(at: Server, codec: FieldCodec) -> None:
    """Make the key of messages, if there is none yet."""
    with connect(Login.COURIER, at=at) as connection:
        purpose_keys(connection, codec.provider, PURPOSE)


async def tell_managers(connection: Connection, codec: FieldCodec, clinic_id: int, endpoint: UUID) -> int:
    """Queue a message to each manager of a clinic, in the transaction that disables the endpoint; to how many."""
    people = await (await connection.execute(_MANAGERS, [clinic_id])).fetchall()
    newest, *_ = await (await connection.execute(f"{LIVE_OF_PURPOSE} for share", [PURPOSE])).fetchall()
    key = StoredKey(*list(newest.values())[:4])
    for row in people:
        message = Message(MessageKind.WEBHOOK_NOTICE, row["person_id"], clinic_id, LINK, about_id=endpoint)
        await connection.execute(ENQUEUE, queued_row(codec, key, message))
    return len(people)
