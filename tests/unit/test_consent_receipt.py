"""A receipt is what was signed, to the letter, or it is refused and the reason said."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.audit_tree.receipt_key import verify_receipt
from infra.errors import CloisterError, InvalidInput, Refused
from policies.audit.note import BadNote, Checkpoint, Signer
from policies.consent_receipt import Outcome, Place, PropagationKind, Receipt

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
SIGNER = Signer("cloister/00ff/receipts", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = Signer("cloister/00ff/receipts", Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
RECEIPT = Receipt(
    clinic="north",
    patient_id=UUID(int=1),
    consent_event_id=UUID(int=2),
    kind=PropagationKind.REVOKED,
    outcome=Outcome.DONE,
    issued_at=AT + timedelta(milliseconds=90),
    places={place: AT + timedelta(milliseconds=10 * index) for index, place in enumerate(Place)},
)
NOTE = RECEIPT.signed(SIGNER)


def test_a_receipt_says_what_was_signed() -> None:
    found = Receipt.open(NOTE, [OTHER.verifier, SIGNER.verifier])
    assert (found, dict(found.places)) == (RECEIPT, dict(RECEIPT.places))
    assert found.lag_ms == 10 * (len(Place) - 1)


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
@settings(max_examples=300)
def test_no_other_letter_anywhere_is_genuine(index: int, letter: str) -> None:
    changed = NOTE[:index] + letter + NOTE[index + 1 :]
    if changed != NOTE:
        with pytest.raises(BadNote):
            Receipt.open(changed, [SIGNER.verifier])


@pytest.mark.parametrize("line", ["{}", "[]", "null", "no JSON", '{"clinic":"north"}'])
def test_what_is_signed_by_the_key_and_no_receipt_is_refused(line: str) -> None:
    text = f"{SIGNER.name}\n{line}\n"
    with pytest.raises(BadNote, match="no receipt"):
        Receipt.open(f"{text}\n{SIGNER.line(text)}", [SIGNER.verifier])


def test_a_file_is_verified_or_said_to_be_changed_of_another_key_or_no_receipt(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{OTHER.verifier}\n{SIGNER.verifier}\n")

    def verified(text: str, *known: str) -> Receipt:
        (tmp_path / "receipt").write_text(text, newline="")
        return verify_receipt(tmp_path / "receipt", known or [str(keys)])

    assert verified(NOTE) == RECEIPT == verified(NOTE, str(SIGNER.verifier))
    checkpoint = Checkpoint(SIGNER.name, 1, bytes(32)).signed([SIGNER])
    for text, known, message in (
        (NOTE.replace("north", "south"), [], "signature"),
        (NOTE, [str(OTHER.verifier)], "no known key"),
        (NOTE.partition("\n\n")[0], [], "no signed note"),
        (checkpoint, [], "no receipt"),
        ("", [], "no signed note"),
    ):
        with pytest.raises(Refused, match=message):
            verified(text, *known)
    with pytest.raises(InvalidInput, match="no public key"):
        verified(NOTE, "cloister+00+" + base64.b64encode(b"x").decode())
    with pytest.raises(CloisterError, match="cannot be read"):
        verify_receipt(tmp_path / "none", [str(keys)])
