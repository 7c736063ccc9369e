"""Key providers: what one is, and the one that keeps its keys in a private file."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.errors import Misconfigured
from infra.private_file import read_private, replace_private, write_once

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
        """Encrypt a data key under the newest key-encryption key, bound to `context`."""

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a data key; Misconfigured if it is not this provider's or was altered."""

    def current(self) -> tuple[str, int]:
        """Id and version of the newest key-encryption key."""

    def renew(self) -> None:
        """Make a new version, where the provider makes its own; older ones still unwrap."""


class FileKeyring:
    """Keys in `<home>/secrets/keyring.json`, mode 0600.

    Other processes may add a version while this one runs: the file is read again when it has changed.
    """

    ID = "file"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._read_at: tuple[int, int] | None = None
        self._load()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a keyring with a first key; one that is there stays as it is."""
        write_once(path, _text(1, {1: secrets.token_bytes(KEY_BYTES)}))
        return cls(path)

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt a data key under the newest key-encryption key."""
        self._load()
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, key, context)
        return WrappedKey(nonce + sealed, self.ID, self._current)

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            Misconfigured: wrapped by another key, or altered.
        """
        if wrapped.kek_version not in self._keys:
            self._load()
        key = self._keys.get(wrapped.kek_version)
        if wrapped.kek_id != self.ID or key is None:
            raise Misconfigured(
                f"the keyring has no key {wrapped.kek_id}/{wrapped.kek_version}",
                hint="restore the keyring that belongs to this database",
            )
        try:
            return AESGCM(key).decrypt(wrapped.wrapped[:NONCE_BYTES], wrapped.wrapped[NONCE_BYTES:], context)
        except InvalidTag:
            raise Misconfigured("a data key does not open with this keyring") from None

    def current(self) -> tuple[str, int]:
        """`file`, and the newest version."""
        self._load()
        return self.ID, self._current

    def renew(self) -> None:
        """Add a version and make it the newest; the caller keeps others from doing so at the same time."""
        self._load()
        newest = max(self._keys) + 1
        replace_private(self.path, _text(newest, {**self._keys, newest: secrets.token_bytes(KEY_BYTES)}))
        self._load()

    def _load(self) -> None:
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                raise Misconfigured(
                    f"the keyring {self.path} is missing",
                    hint="restore it from its backup; `cloister migrate` makes that of a new instance",
                ) from None
            # A new version comes as a new file.
            read_at = (found.st_ino, found.st_mtime_ns)
            if read_at == self._read_at:
                return
            self._current, self._keys = _parsed(read_private(self.path), self.path)
            self._read_at = read_at


def _text(current: int, keys: dict[int, bytes]) -> str:
    return json.dumps({"current": current, "keys": {str(version): key.hex() for version, key in keys.items()}})


def _parsed(text: str, path: Path) -> tuple[int, dict[int, bytes]]:
    try:
        stored = json.loads(text)
        keys = {int(version): bytes.fromhex(key) for version, key in stored["keys"].items()}
        current = int(stored["current"])
        if current not in keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Misconfigured(f"{path} is no keyring", hint="restore it from its backup") from None
    return current, keys
