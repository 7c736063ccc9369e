"""Checkpoints are signed notes: readable by others, and refused when anything in them was changed."""

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.audit.merkle import EMPTY_ROOT
from policies.audit.note import BadNote, Checkpoint, Signer, Verifier, open_checkpoint

OLD = Signer("cloister/one/access", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
NEW = Signer("cloister/one/access", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
STRANGER = Signer("cloister/one/access", Ed25519PrivateKey.from_private_bytes(bytes(32)))
CHECKPOINT = Checkpoint("cloister/one/access", 17, EMPTY_ROOT)
NOTE = CHECKPOINT.signed([OLD, NEW])
# Out of the documentation of Go's sumdb/note, whose format this is.
GOS_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GOS_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    "\n"
)


def test_a_key_and_a_signature_of_gos_own_example_are_read() -> None:
    key = Verifier.parse(GOS_KEY)
    assert str(key) == GOS_KEY
    text, _, signature = GOS_NOTE.partition("\n\u2014 PeterNeumann ")
    signed = b64decode(signature)
    assert signed[:4] == key.key_id and key.verifies(signed[4:], text)


def test_a_note_opens_with_any_of_its_signers_and_names_them() -> None:
    for known in ([OLD], [NEW], [OLD, NEW]):
        found = open_checkpoint(NOTE, [signer.verifier for signer in (*known, STRANGER)])
        assert (found.origin, found.size, found.root) == (CHECKPOINT.origin, 17, EMPTY_ROOT)
        assert [str(key) for key in found.signed_by] == [str(signer.verifier) for signer in known]


@pytest.mark.check(24)
@pytest.mark.parametrize(
    "broken",
    [
        NOTE.replace("\n17\n", "\n18\n"),
        NOTE.replace("one/access\n", "two/access\n", 1),
        NOTE.replace("47DEQpj8", "48DEQpj8"),
        NOTE.replace("\n\n", "\nmore\n\n"),
    ],
    ids=["size", "origin", "root", "extension"],
)
def test_a_note_that_was_changed_is_refused(broken: str) -> None:
    assert broken != NOTE
    with pytest.raises(BadNote, match="is wrong"):
        open_checkpoint(broken, [OLD.verifier])


@pytest.mark.parametrize(
    "bad",
    ["", "x", NOTE[:-1], NOTE.replace("\n17\n", "\n017\n"), NOTE.replace("\u2014", "-"), CHECKPOINT.text,
     CHECKPOINT.text + "\n", NOTE.replace("=\n\u2014", "\n\u2014"), "a" * 100_000, NOTE.replace("\n17\n", "\n-1\n")],
)  # fmt: skip
def test_what_is_no_note_is_refused(bad: str) -> None:
    with pytest.raises(BadNote):
        open_checkpoint(bad, [OLD.verifier, NEW.verifier])


def test_a_note_of_unknown_keys_is_refused() -> None:
    with pytest.raises(BadNote, match="no known key"):
        open_checkpoint(NOTE, [STRANGER.verifier])


def test_a_key_of_another_name_is_another_key() -> None:
    renamed = Verifier("cloister/two/access", OLD.verifier.key)
    with pytest.raises(BadNote, match="no known key"):
        open_checkpoint(NOTE, [renamed])
    with pytest.raises(BadNote, match="own id"):
        Verifier.parse(str(OLD.verifier).replace("one", "two"))
    for text in ("", "a+b+c", "a b+00000000+" + str(OLD.verifier).split("+")[2]):
        with pytest.raises(BadNote):
            Verifier.parse(text)
