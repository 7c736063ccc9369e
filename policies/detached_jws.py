"""Detached JSON Web Signatures (RFC 7515, appendix F): a file beside the one that it signs, with Ed25519 (RFC 8037).

The key's id is its name and short id as public keys are printed: `cloister/…/exports+0a1b2c3d`.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policies.audit.canonical import line_of
from policies.audit.note import Signer, Verifier

ALGORITHM = "EdDSA"
LONGEST = 2_000  # bytes of a signature's file


class BadSignature(ValueError):
    """No detached JWS, or one that none of the known keys made of this content."""


class UnknownKey(BadSignature):
    """A detached JWS, by a key that is none of the known ones."""


def sign(content: bytes, signer: Signer) -> bytes:
    """The compact serialisation without its payload: `header..signature`."""
    header = _encoded(line_of({"alg": ALGORITHM, "kid": key_id(signer.verifier)}))
    signature = signer.private.sign(header + b"." + _encoded(content))
    return header + b".." + _encoded(signature)


def verify(content: bytes, jws: bytes, known: Iterable[Verifier]) -> Verifier:
    """Which of the known keys signed this content.

    Raises:
        UnknownKey: none of them is the one that it names.
        BadSignature: no detached JWS of this kind, or the content is not what was signed.
    """
    header, _, rest = jws.strip().partition(b".")
    payload, _, signature = rest.partition(b".")
    said = _header(header)
    if payload or len(jws) > LONGEST or said.keys() != {"alg", "kid"} or said["alg"] != ALGORITHM:
        raise BadSignature("no detached signature of this kind")
    key = next((each for each in known if key_id(each) == said["kid"]), None)
    if key is None:
        raise UnknownKey("signed by no known key")
    try:
        Ed25519PublicKey.from_public_bytes(key.key).verify(_decoded(signature), header + b"." + _encoded(content))
    except InvalidSignature:
        raise BadSignature("the content is not what was signed") from None
    return key


def key_id(key: Verifier) -> str:
    """The name of a key and its short id."""
    return f"{key.name}+{key.key_id.hex()}"


def _header(encoded: bytes) -> dict[str, Any]:
    try:
        found = json.loads(_decoded(encoded))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadSignature("no detached signature of this kind")
    return found


def _encoded(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    """Base64url without padding, in its one canonical form, or nothing."""
    try:
        found = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
    return found if _encoded(found) == text else b""
