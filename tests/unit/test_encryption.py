"""The codec: bound to its place and key, whatever is moved or changed."""

import gzip
import json
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.encryption.codec import DataKey, Place, Undecryptable, decrypt, encrypt
from infra.encryption.keyring import FileKeyring, WrappedKey
from infra.errors import Misconfigured

KEY = DataKey(uuid4(), bytes(range(32)))
HERE = Place("operational.profile", "phone", "row-1")


@pytest.mark.check(36)
@pytest.mark.parametrize(
    "elsewhere",
    [
        Place("operational.profile", "phone", "row-2"),
        Place("operational.profile", "email", "row-1"),
        Place("operational.other", "phone", "row-1"),
        Place("operational.profilep", "hone", "row-1"),
    ],
)
def test_moved_to_another_place_it_does_not_open(elsewhere: Place) -> None:
    with pytest.raises(Undecryptable):
        decrypt(KEY, elsewhere, encrypt(KEY, HERE, b"secret"))


def test_a_key_never_shows_itself() -> None:
    assert KEY.key.hex() not in repr(KEY)


def test_a_keyring_wraps_for_itself_and_its_context_alone(tmp_path: Path) -> None:
    ring, other = FileKeyring(tmp_path / "a.json"), FileKeyring(tmp_path / "b.json")
    wrapped = ring.wrap(KEY.key, b"context")
    assert ring.unwrap(wrapped, b"context") == KEY.key
    assert FileKeyring(tmp_path / "a.json").unwrap(wrapped, b"context") == KEY.key
    for provider, kept, context in (
        (ring, wrapped, b"other"),
        (other, wrapped, b"context"),
        (ring, WrappedKey(wrapped.wrapped, "cloud", 1), b"context"),
        (ring, WrappedKey(wrapped.wrapped, "file", 9), b"context"),
    ):
        with pytest.raises(Misconfigured):
            provider.unwrap(kept, context)


def test_digests_are_keyed_by_ring_and_field(tmp_path: Path) -> None:
    ring, other = FileKeyring(tmp_path / "a.json"), FileKeyring(tmp_path / "b.json")
    assert ring.digest("phone", b"1") == ring.digest("phone", b"1")
    assert len({ring.digest("phone", b"1"), ring.digest("email", b"1"), other.digest("phone", b"1")}) == 3


def test_a_keyring_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    FileKeyring(path)
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="read by others"):
        FileKeyring(path)
    path.chmod(0o600)
    path.write_text("{}")
    with pytest.raises(Misconfigured, match="is no keyring"):
        FileKeyring(path)


def test_aes_gcm_answers_as_published(data: Path) -> None:
    with gzip.open(data / "vectors" / "aes_gcm_test.json.gz") as file:
        groups = json.load(file)["testGroups"]
    tried = 0
    for group in groups:
        if group["keySize"] != 256 or group["ivSize"] != 96 or group["tagSize"] != 128:
            continue
        for case in group["tests"]:
            cipher = AESGCM(bytes.fromhex(case["key"]))
            sealed = bytes.fromhex(case["ct"] + case["tag"])
            nonce, aad = bytes.fromhex(case["iv"]), bytes.fromhex(case["aad"])
            if case["result"] == "valid":
                assert cipher.decrypt(nonce, sealed, aad) == bytes.fromhex(case["msg"])
                assert cipher.encrypt(nonce, bytes.fromhex(case["msg"]), aad) == sealed
            else:
                with pytest.raises(InvalidTag):
                    cipher.decrypt(nonce, sealed, aad)
            tried += 1
    assert tried > 50
