"""The one codec of every repository: fields in and out, data keys unwrapped through a bounded cache.

It knows no SQL, so that the API (async) and the importer (sync) share it. Whoever reads fetches a
ciphertext and its owner's live keys in one statement: a rotation may commit between two.
"""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from infra.encryption.codec import DataKey, Place, Undecryptable, decrypt, encrypt, key_id_of
from infra.encryption.data_keys import StoredKey, unwrapped
from infra.encryption.keyring import KeyProvider

CACHED_KEYS = 10_000


class FieldCodec:
    """Seals and opens fields; keeps the keys of the last `CACHED_KEYS` owners in memory. Thread-safe."""

    def __init__(self, provider: KeyProvider) -> None:
        self.provider = provider
        self._cache: OrderedDict[UUID, DataKey] = OrderedDict()
        self._lock = Lock()

    def open(self, keys: Iterable[StoredKey], place: Place, ciphertext: bytes) -> bytes:
        """The clear bytes of one field; `keys` are its owner's live keys, in any order.

        Raises:
            Undecryptable: of none of these keys, of another place, or altered.
            Misconfigured: the provider does not open the key.
        """
        key_id = key_id_of(ciphertext)
        for stored in keys:
            if stored.data_key_id == key_id:
                return decrypt(self.data_key(stored), place, ciphertext)
        raise Undecryptable("the ciphertext belongs to none of its owner's keys")

    def seal(self, key: StoredKey, place: Place, clear: bytes) -> bytes:
        """Encrypt a field's bytes for one place; `key` is its owner's newest.

        Raises:
            Misconfigured: the provider does not open the key.
        """
        return encrypt(self.data_key(key), place, clear)

    def digest(self, key: StoredKey, value: bytes) -> bytes:
        """HMAC-SHA-256 (FIPS 198-1) of a value under an index key, 32 bytes.

        Raises:
            Misconfigured: the provider does not open the key.
        """
        mac = HMAC(self.data_key(key).key, SHA256())
        mac.update(value)
        return mac.finalize()

    def data_key(self, stored: StoredKey) -> DataKey:
        """The unwrapped key, from the cache or the provider."""
        with self._lock:
            found = self._cache.get(stored.data_key_id)
            if found is not None:
                self._cache.move_to_end(stored.data_key_id)
                return found
        opened = unwrapped(self.provider, stored)
        with self._lock:
            self._cache[stored.data_key_id] = opened
            if len(self._cache) > CACHED_KEYS:
                self._cache.popitem(last=False)
        return opened
