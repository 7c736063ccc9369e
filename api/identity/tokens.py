"""JSON Web Tokens (RFC 7519, RFC 8725): what built-in and external tokens are checked for alike.

The algorithm is the caller's, never the token's; the key is found by `kid` among keys that we
trust, never taken from the token (`jwk`, `jku`, `x5u` are not looked at).
"""

import base64
import binascii
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key

from policies.text import fault_of_text

LONGEST = 8192
LONGEST_TEXT = 255
# What says that more than a password was asked for (RFC 8176).
SECOND_FACTORS = frozenset({"otp", "mfa", "hwk"})


@dataclass(frozen=True)
class Claimed:
    """What a token says of itself, before anything of it is believed: where to look for its key."""

    issuer: str
    key_id: str


def claimed(token: str) -> Claimed | None:
    """Issuer and key id that a token names; None if it is no JWT."""
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3:
        return None
    header, claims = _object(parts[0]), _object(parts[1])
    issuer, key_id = claims.get("iss"), header.get("kid")
    return Claimed(issuer, key_id) if isinstance(issuer, str) and isinstance(key_id, str) else None


def verified(
    token: str, key: Key, algorithm: str, rules: jwt.JWTClaimsRegistry, types: Collection[str | None]
) -> dict[str, Any] | None:
    """The claims of a token that this key signed and that the rules accept; None otherwise.

    `types` are the values of the header `typ` that stand for an access token; None is its absence.
    """
    try:
        decoded = jwt.decode(token, key, algorithms=[algorithm])
        rules.validate(decoded.claims)
    # A deeply nested payload ends json's recursion, not ours.
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if _type(decoded.header.get("typ")) not in types:
        return None
    return decoded.claims


def rules(issuer: str, audience: str, leeway: int, *essential: str) -> jwt.JWTClaimsRegistry:
    """Issuer, audience, times and subject are asked for and checked, whoever issued the token."""
    options: dict[str, jwt.ClaimsOption] = {name: {"essential": True} for name in ("exp", "iat", "sub", *essential)}
    options["iss"] = {"essential": True, "value": issuer}
    options["aud"] = {"essential": True, "value": audience}
    return jwt.JWTClaimsRegistry(None, leeway, **options)


def has_second_factor(claims: dict[str, Any]) -> bool:
    """Whether the token's sign-in asked for more than a password."""
    methods = claims.get("amr")
    return isinstance(methods, list) and any(method in SECOND_FACTORS for method in methods if isinstance(method, str))


def short_text(claims: dict[str, Any], name: str) -> str | None:
    """A claim that is a text of bounded length, and one that the database can keep."""
    found = claims.get(name)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_TEXT or fault_of_text(found):
        return None
    return found


def _type(found: object) -> str | None:
    return found.lower().removeprefix("application/") if isinstance(found, str) else None


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
