"""The file key provider: key-encryption keys and index keys in one private file."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from infra.errors import Misconfigured
from infra.private_file import read_private, write_once

KEY_BYTES = 32
NONCE_BYTES = 12  # 96 bits: NIST SP 800-38D, 5.2.1.1


@dataclass(frozen=True)
class WrappedKey:
    """A data key as it is stored: readable only to the provider of that id and version."""

    wrapped: bytes
    kek_id: str
    kek_version: int


class KeyProvider(Protocol):
    """Holds the key-encryption keys: a file, or a cloud's key service."""

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt a data key, bound to `context`."""

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a data key; Misconfigured if it is not this provider's or was altered."""

    def digest(self, field: str, value: bytes) -> bytes:
        """Keyed hash of a field's value, equal for equal values of that field (32 bytes)."""


class FileKeyring:
    """Keys in `<home>/secrets/keyring.json`, mode 0600."""

    ID = "file"

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            self._create()
        text = read_private(path)
        try:
            stored = json.loads(text)
            self._current = int(stored["current"])
            self._keys = {int(version): bytes.fromhex(key) for version, key in stored["keys"].items()}
            self._index_key = bytes.fromhex(stored["index_key"])
        except (ValueError, KeyError, TypeError):
            raise Misconfigured(f"{path} is no keyring", hint="restore it from a backup") from None

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt a data key under the newest key-encryption key."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, key, context)
        return WrappedKey(nonce + sealed, self.ID, self._current)

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            Misconfigured: wrapped by another key, or altered.
        """
        key = self._keys.get(wrapped.kek_version)
        if wrapped.kek_id != self.ID or key is None:
            raise Misconfigured(f"the keyring has no key {wrapped.kek_id}/{wrapped.kek_version}")
        try:
            return AESGCM(key).decrypt(wrapped.wrapped[:NONCE_BYTES], wrapped.wrapped[NONCE_BYTES:], context)
        except InvalidTag:
            raise Misconfigured("a data key does not open with this keyring") from None

    def digest(self, field: str, value: bytes) -> bytes:
        """HMAC-SHA-256 under a key of that field alone."""
        mac = HMAC(_hmac(self._index_key, field.encode()), SHA256())
        mac.update(value)
        return mac.finalize()

    def _create(self) -> None:
        keys = {"1": secrets.token_hex(KEY_BYTES)}
        fresh = {"current": 1, "keys": keys, "index_key": secrets.token_hex(KEY_BYTES)}
        write_once(self.path, json.dumps(fresh))


def _hmac(key: bytes, message: bytes) -> bytes:
    mac = HMAC(key, SHA256())
    mac.update(message)
    return mac.finalize()
