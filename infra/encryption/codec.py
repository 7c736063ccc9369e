"""One field's ciphertext: which key, a nonce, and bytes bound to table, column and row.

Layout: format (1 byte) | data key id (16) | nonce (12) | ciphertext and tag. The associated data
names table, column and row, so a ciphertext moved elsewhere fails instead of showing somebody
else's value.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.encryption.keyring import NONCE_BYTES
from infra.errors import Misconfigured

FORMAT = b"\x01"
_KEY_ID = slice(1, 17)
_NONCE = slice(17, 17 + NONCE_BYTES)
_BODY = slice(17 + NONCE_BYTES, None)


class Undecryptable(Misconfigured):
    """The ciphertext was altered, moved, or belongs to another key."""


@dataclass(frozen=True)
class DataKey:
    """An unwrapped data key: 32 bytes that never leave the process."""

    key_id: UUID
    key: bytes

    @cached_property
    def cipher(self) -> AESGCM:
        """The cipher under this key; safe to share between threads."""
        return AESGCM(self.key)

    def __repr__(self) -> str:
        return f"DataKey({self.key_id})"


@dataclass(frozen=True)
class Place:
    """Where a ciphertext stands."""

    table: str
    column: str
    row: str

    def associated_data(self) -> bytes:
        """Unambiguous bytes of the place: each part preceded by its length."""
        parts = [part.encode() for part in (self.table, self.column, self.row)]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def encrypt(key: DataKey, place: Place, clear: bytes) -> bytes:
    """Encrypt a field's bytes for one place."""
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + key.key_id.bytes + nonce + seal_bytes(key, nonce, clear, FORMAT + place.associated_data())


def key_id_of(ciphertext: bytes) -> UUID:
    """Which data key opens a ciphertext.

    Raises:
        Undecryptable: not of this layout.
    """
    if ciphertext[:1] != FORMAT or len(ciphertext) < 1 + 16 + NONCE_BYTES + 16:
        raise Undecryptable("the ciphertext is not of a known format")
    return UUID(bytes=ciphertext[_KEY_ID])


def decrypt(key: DataKey, place: Place, ciphertext: bytes) -> bytes:
    """Decrypt a field's bytes.

    Raises:
        Undecryptable: another key, another place, or altered.
    """
    if key_id_of(ciphertext) != key.key_id:
        raise Undecryptable("the ciphertext belongs to another key")
    return open_bytes(key, ciphertext[_NONCE], ciphertext[_BODY], FORMAT + place.associated_data())


def seal_bytes(key: DataKey, nonce: bytes, clear: bytes, associated: bytes) -> bytes:
    """AES-256-GCM (NIST SP 800-38D): the ciphertext with its tag behind it; a nonce is for one of a key."""
    return key.cipher.encrypt(nonce, clear, associated)


def open_bytes(key: DataKey, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """What `seal_bytes` has sealed.

    Raises:
        Undecryptable: another key, nonce or associated data, or altered.
    """
    try:
        return key.cipher.decrypt(nonce, sealed, associated)
    except InvalidTag:
        raise Undecryptable("the ciphertext does not belong here, or was altered") from None
