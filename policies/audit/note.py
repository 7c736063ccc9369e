"""Signed notes (C2SP signed-note, Ed25519), and checkpoints: the size and root of a tree as such a note."""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.audit.merkle import HASH_BYTES

ED25519 = b"\x01"  # the signature type of signed-note
LONGEST = 10_000  # characters of a note
KEY_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadNote(ValueError):
    """No such note, or one that is not signed by a known key. The text says why."""


@dataclass(frozen=True)
class Verifier:
    """A public key and the name of the log that signs with it."""

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key as C2SP's signed-note writes it: `name+id+key`.

        Raises:
            BadNote: it is none.
        """
        name, _, rest = text.strip().partition("+")
        said, _, encoded = rest.partition("+")
        key = _decoded(encoded)
        if not KEY_NAME.fullmatch(name) or len(key) != 1 + HASH_BYTES or key[:1] != ED25519:
            raise BadNote("no public key of a log")
        found = cls(name, key[1:])
        if found.key_id.hex() != said:
            raise BadNote("a public key that does not have its own id")
        return found

    @property
    def key_id(self) -> bytes:
        """The four bytes that say which key signed."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.key).decode()}"

    def verifies(self, signature: bytes, text: str) -> bool:
        """Whether this key signed the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A private key and the name of the log that it signs for."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.private.public_key().public_bytes_raw())

    def line(self, text: str) -> str:
        """The signature as a line of a note."""
        signed = self.verifier.key_id + self.private.sign(text.encode())
        return f"\u2014 {self.name} {b64encode(signed).decode()}\n"


@dataclass(frozen=True)
class Checkpoint:
    """A tree at one size; `origin` names the log, `signed_by` are the known keys that signed."""

    origin: str
    size: int
    root: bytes
    signed_by: tuple[Verifier, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    def signed(self, signers: Sequence[Signer]) -> str:
        """The note, signed by each."""
        return sign_note(self.text, signers)


def sign_note(text: str, signers: Sequence[Signer]) -> str:
    """The note of a text that ends in a line break, signed by each."""
    return f"{text}\n{''.join(signer.line(text) for signer in signers)}"


def open_checkpoint(note: str, known: Iterable[Verifier]) -> Checkpoint:
    """The checkpoint of a note that at least one known key signed.

    Raises:
        BadNote: no checkpoint; no known signature, or a known key's that is wrong.
    """
    text, _ = _parts(note)
    origin, size, root = _body(text)
    _, signed_by = open_note(note, known)
    return Checkpoint(origin, size, root, signed_by)


def open_note(note: str, known: Iterable[Verifier]) -> tuple[str, tuple[Verifier, ...]]:
    """The text of a note that at least one known key signed, and which did; signatures of others are passed over.

    Raises:
        BadNote: no note; no known signature, or a known key's that is wrong.
    """
    text, signatures = _parts(note)
    by_id = {(key.name, key.key_id): key for key in known}
    signed_by = []
    for name, signature in signatures:
        key = by_id.get((name, signature[:4]))
        if key is None:
            continue
        if not key.verifies(signature[4:], text):
            raise BadNote(f"the signature of {name} is wrong")
        signed_by.append(key)
    if not signed_by:
        raise BadNote("it is signed by no known key")
    return text, tuple(signed_by)


def _parts(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note and its signatures: each the name of a key, and key id and signature."""
    text, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    if not blank or len(note) > LONGEST or lines.pop() or not lines:
        raise BadNote("no signed note")
    signatures = []
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signature = _decoded(encoded)
        if dash != "\u2014" or not KEY_NAME.fullmatch(name) or len(signature) < 5:
            raise BadNote("a line of the note is no signature")
        signatures.append((name, signature))
    return text + "\n", signatures


def _body(text: str) -> tuple[str, int, bytes]:
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise BadNote("no checkpoint")
    root = _decoded(lines[2])
    if len(root) != HASH_BYTES:
        raise BadNote("the checkpoint has no root")
    return lines[0], int(lines[1]), root


def _decoded(text: str) -> bytes:
    """Base64 in its one canonical form, or nothing."""
    try:
        found = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if b64encode(found).decode() == text else b""
