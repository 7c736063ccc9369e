"""The codec: bound to its place and key, whatever is moved or changed."""

import gzip
import json
from pathlib import Path
from uuid import uuid4

import pytest

from infra.encryption import field_codec
from infra.encryption.codec import DataKey, Place, Undecryptable, decrypt, encrypt, open_bytes, seal_bytes
from infra.encryption.data_keys import StoredKey, fresh_key
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import WrappedKey

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


class Counting:
    """A provider that counts what it opens; it wraps nothing at all."""

    def __init__(self) -> None:
        self.opened = 0

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        return WrappedKey(key, "plain", 1)

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        self.opened += 1
        return wrapped.wrapped

    def current(self) -> tuple[str, int]:
        return "plain", 1

    def renew(self) -> None: ...


def test_the_codec_picks_the_key_that_the_ciphertext_names() -> None:
    codec = FieldCodec(Counting())
    old, new, foreign = (fresh_key(codec.provider) for _ in range(3))
    sealed = codec.seal(old, HERE, b"secret")
    assert codec.open([new, old], HERE, sealed) == codec.open([old, new], HERE, sealed) == b"secret"
    for keys in ([], [new], [new, foreign]):
        with pytest.raises(Undecryptable, match="none of its owner's keys"):
            codec.open(keys, HERE, sealed)


@pytest.mark.check(36)
def test_through_the_codec_too_it_opens_in_its_place_alone() -> None:
    codec = FieldCodec(Counting())
    key = fresh_key(codec.provider)
    with pytest.raises(Undecryptable):
        codec.open([key], Place("operational.profile", "phone", "row-2"), codec.seal(key, HERE, b"secret"))


def test_a_key_is_unwrapped_once_and_the_oldest_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_codec, "CACHED_KEYS", 2)
    provider = Counting()
    codec = FieldCodec(provider)
    first, second, third = (fresh_key(provider) for _ in range(3))
    for key in (first, second, first, first, third, first):
        codec.seal(key, HERE, b"")
    assert provider.opened == 3
    codec.seal(second, HERE, b"")
    assert provider.opened == 4


def test_hmac_answers_as_published(data: Path) -> None:
    with gzip.open(data / "vectors" / "hmac_sha256_test.json.gz") as file:
        groups = json.load(file)["testGroups"]
    tried = 0
    for group in groups:
        if group["tagSize"] != 256:
            continue
        for case in group["tests"]:
            codec = FieldCodec(Counting())
            key = StoredKey(uuid4(), bytes.fromhex(case["key"]), "plain", 1)
            same = codec.digest(key, bytes.fromhex(case["msg"])) == bytes.fromhex(case["tag"])
            assert same is (case["result"] == "valid"), case["tcId"]
            tried += 1
    assert tried > 50


def test_aes_gcm_answers_as_published(data: Path) -> None:
    with gzip.open(data / "vectors" / "aes_gcm_test.json.gz") as file:
        groups = json.load(file)["testGroups"]
    tried = 0
    for group in groups:
        if group["keySize"] != 256 or group["ivSize"] != 96 or group["tagSize"] != 128:
            continue
        for case in group["tests"]:
            key = DataKey(uuid4(), bytes.fromhex(case["key"]))
            sealed = bytes.fromhex(case["ct"] + case["tag"])
            nonce, aad = bytes.fromhex(case["iv"]), bytes.fromhex(case["aad"])
            if case["result"] == "valid":
                assert open_bytes(key, nonce, sealed, aad) == bytes.fromhex(case["msg"])
                assert seal_bytes(key, nonce, bytes.fromhex(case["msg"]), aad) == sealed
            else:
                with pytest.raises(Undecryptable):
                    open_bytes(key, nonce, sealed, aad)
            tried += 1
    assert tried > 50
