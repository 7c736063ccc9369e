"""A stand-in for verifications of accounts."""

from uuid import UUID, uuid4

from api.gateway import Work
from infra.encryption.field_codec import FieldCodec


async def begin(
    work: Work, codec: FieldCodec, *, person_id: UUID, clinic_id: int, email: str | None, phone: str | None
) -> UUID:
    """Begin nothing."""
    _ = (work, codec, person_id, clinic_id, email, phone)
    return uuid4()
