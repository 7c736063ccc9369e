"""Secrets of identity in the database: encrypted under the data keys of a purpose, bound to their row.

Who writes asks for the keys in the same transaction: that holds them, so that no rotation retires one
meanwhile. Who reads locks the row first and asks for the keys then: what stands under a key keeps it.
"""

from collections.abc import Iterable

import psycopg

from api.database import Connection
from infra.database import Server
from infra.encryption.codec import Place
from infra.encryption.data_keys import LIVE_OF_PURPOSE, StoredKey, purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.provider import key_provider
from infra.settings import settings


class Sealed:
    """Encrypts under the newest key of a purpose, decrypts under any that is live."""

    def __init__(self, codec: FieldCodec, keys: Iterable[StoredKey]) -> None:
        self._codec = codec
        self._keys = list(keys)

    @classmethod
    def opened(cls, connection: psycopg.Connection, codec: FieldCodec, purpose: str) -> "Sealed":
        """With the purpose's live keys, held until the transaction ends; made if there is none."""
        return cls(codec, purpose_keys(connection, codec.provider, purpose))

    def seal(self, table: str, column: str, row: object, clear: bytes) -> bytes:
        """The ciphertext of one field."""
        return self._codec.seal(self._keys[0], Place(f"operational.{table}", column, str(row)), clear)

    def open(self, table: str, column: str, row: object, ciphertext: bytes) -> bytes:
        """The field behind a ciphertext.

        Raises:
            Undecryptable: another key, another place, or altered.
        """
        return self._codec.open(self._keys, Place(f"operational.{table}", column, str(row)), ciphertext)


class Seals:
    """The live keys of one purpose, asked for anew each time: they rotate while the service runs."""

    def __init__(self, codec: FieldCodec, purpose: str) -> None:
        self._codec = codec
        self._purpose = purpose

    async def now(self, connection: Connection) -> Sealed:
        """The keys that are live now, held until the transaction ends."""
        rows = await (await connection.execute(f"{LIVE_OF_PURPOSE} for share", [self._purpose])).fetchall()
        return Sealed(self._codec, [StoredKey(*list(row.values())[:4]) for row in rows])


def codec_of(at: Server) -> FieldCodec:
    """The codec of an instance, under the key provider of the settings.

    Raises:
        Misconfigured: the provider cannot be used as it is set.
    """
    return FieldCodec(key_provider(settings(), at.secrets_folder))
