# ruff: noqa: ARG001
"""The outbox of messages."""

from uuid import UUID, uuid4

from api.gateway import Work
from api.messages.port import Message
from infra.encryption.field_codec import FieldCodec


async def enqueue(work: Work, codec: FieldCodec, message: Message) -> UUID:
    """Put a message into the outbox, in the transaction of the work."""
    return uuid4()
