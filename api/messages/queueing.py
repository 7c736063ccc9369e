"""A message as the queue keeps it, for whoever queues one: what it says is sealed."""

import json
from typing import Any
from uuid import uuid4

from api.messages.port import Message
from infra.encryption.codec import Place
from infra.encryption.data_keys import StoredKey
from infra.encryption.field_codec import FieldCodec

PURPOSE = "message"
TABLE = "operational.message"
ENQUEUE = """
insert into operational.message
    (message_id, kind, clinic_id, patient_id, person_id, about_id, confidential, content, address)
values (%(message_id)s, %(kind)s, %(clinic_id)s, %(patient_id)s, %(person_id)s, %(about_id)s, %(confidential)s,
    %(content)s, %(address)s)"""


def queued_row(codec: FieldCodec, key: StoredKey, message: Message) -> dict[str, Any]:
    """The parameters of `ENQUEUE` for a message; `key` is the newest of the purpose `message`, and held."""
    message_id = uuid4()
    content = json.dumps({"link": message.link, "code": message.code, "calendar": message.calendar})

    def sealed(column: str, clear: str) -> bytes:
        return codec.seal(key, Place(TABLE, column, str(message_id)), clear.encode())

    return {
        "message_id": message_id,
        "kind": message.kind.value,
        "clinic_id": message.clinic_id,
        "patient_id": message.patient_id,
        "person_id": message.person_id,
        "about_id": message.about_id,
        "confidential": message.confidential,
        "content": sealed("content", content),
        "address": sealed("address", message.address) if message.address else None,
    }
