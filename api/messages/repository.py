"""A stand-in for the outbox of messages."""

from uuid import UUID, uuid4

from api.gateway import Work
from api.messages.port import Message
from infra.encryption.field_codec import FieldCodec


async def enqueue(work: Work, codec: FieldCodec, message: Message) -> UUID:
    """Queue nothing."""
    _ = (work, codec, message)
    return uuid4()
