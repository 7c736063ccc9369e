"""The codec, whatever bytes go in or are changed."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.encryption.codec import DataKey, Place, Undecryptable, decrypt, encrypt

KEY = DataKey(uuid4(), bytes(range(32)))
HERE = Place("operational.profile", "phone", "row-1")


@given(st.binary(max_size=500))
def test_what_goes_in_comes_out(clear: bytes) -> None:
    assert decrypt(KEY, HERE, encrypt(KEY, HERE, clear)) == clear


@given(st.data())
def test_changed_in_any_bit_it_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(encrypt(KEY, HERE, b"secret"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Undecryptable):
        decrypt(KEY, HERE, bytes(sealed))


@given(st.binary(max_size=200), st.tuples(*[st.text(max_size=8)] * 3), st.tuples(*[st.text(max_size=8)] * 3))
def test_it_opens_in_its_own_place_alone(clear: bytes, here: tuple[str, ...], there: tuple[str, ...]) -> None:
    sealed = encrypt(KEY, Place(*here), clear)
    assert decrypt(KEY, Place(*here), sealed) == clear
    if here != there:
        with pytest.raises(Undecryptable):
            decrypt(KEY, Place(*there), sealed)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_ciphertext_are_refused(noise: bytes) -> None:
    with pytest.raises(Undecryptable):
        decrypt(KEY, HERE, noise)
