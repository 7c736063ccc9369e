"""Cursors: where a list goes on. Opaque, and good for the one list they were made for."""

import base64
import binascii
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from fastapi import Query

from infra.database import Server, read_secret
from infra.errors import NotThere

NONCE_BYTES = 12
LONGEST = 400

# Of every list that goes on.
Limit = Annotated[int, Query(ge=1, le=1000, description="Longest page.")]
Cursor = Annotated[str | None, Query(max_length=LONGEST, description="`next` of the page before.")]


class Cursors:
    """Seals positions with a key of this instance, bound to who lists what."""

    def __init__(self, at: Server) -> None:
        digest = Hash(SHA256())
        digest.update(read_secret(at.secrets_folder / "cursors").encode())
        self._cipher = AESGCM(digest.finalize())

    def seal(self, position: str, *bound_to: object) -> str:
        """The cursor of a position in the list that `bound_to` names."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, position.encode(), _context(bound_to))
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, cursor: str, *bound_to: object) -> str:
        """The position behind a cursor.

        Raises:
            NotThere: made up, altered, or made for another list; one answer for all three.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor[:LONGEST].encode("ascii") + b"==")
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _context(bound_to)).decode()
        except (ValueError, binascii.Error, InvalidTag):
            raise NotThere("no cursor of this list") from None

    def seal_event(self, row: Mapping[str, Any], *bound_to: object) -> str:
        """The cursor of an event in a list of events; `occurred_at` may be a time or its ISO 8601 text."""
        return self.seal(f"{str(row['occurred_at']).replace(' ', 'T')} {row['event_id']}", *bound_to)

    def open_event(self, cursor: str, *bound_to: object) -> tuple[datetime, UUID]:
        """When the event behind a cursor occurred, and its id.

        Raises:
            NotThere: as for any cursor.
        """
        occurred_at, _, event_id = self.open(cursor, *bound_to).partition(" ")
        try:
            return datetime.fromisoformat(occurred_at), UUID(event_id)
        except ValueError:
            raise NotThere("no cursor of this list") from None


def _context(bound_to: tuple[object, ...]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in (str(item).encode() for item in bound_to))
