"""Secrets of identity in the database: encrypted under the data key of a purpose, bound to their row."""

import psycopg

from infra.database import Server
from infra.encryption.codec import DataKey, Place, decrypt, encrypt
from infra.encryption.data_keys import key_for_purpose
from infra.encryption.keyring import FileKeyring


class Sealed:
    """Encrypts and decrypts under one purpose's key."""

    def __init__(self, key: DataKey) -> None:
        self._key = key

    @classmethod
    def opened(cls, connection: psycopg.Connection, at: Server, purpose: str) -> "Sealed":
        """With the purpose's key, made if there is none.

        Raises:
            Misconfigured: the keyring does not open it.
        """
        return cls(key_for_purpose(connection, FileKeyring(at.secrets_folder / "keyring.json"), purpose))

    def seal(self, table: str, column: str, row: object, clear: bytes) -> bytes:
        """The ciphertext of one field."""
        return encrypt(self._key, Place(f"operational.{table}", column, str(row)), clear)

    def open(self, table: str, column: str, row: object, ciphertext: bytes) -> bytes:
        """The field behind a ciphertext.

        Raises:
            Undecryptable: another key, another place, or altered.
        """
        return decrypt(self._key, Place(f"operational.{table}", column, str(row)), ciphertext)
