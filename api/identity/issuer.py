"""The built-in issuer of access tokens: JWTs (RFC 9068), signed with Ed25519, good for one hour.

Signing keys lie in `operational.issuer_key`, their private part encrypted. A token says who and how
they signed in; roles are read from the database at each request. A new key is published before it
signs, and an old one is accepted until its last token has ended, so that rotating breaks nothing.
"""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from api.identity import tokens
from api.identity.principals import Acting
from api.identity.sealed import Sealed, codec_of
from infra.audit import record_process
from infra.database import Server, connect
from infra.encryption.field_codec import FieldCodec
from infra.errors import CloisterError
from infra.log import where
from infra.roles import Login
from infra.settings import settings
from policies.words import AccountAction

AUDIENCE = "urn:cloister:api"
ALGORITHM = "Ed25519"  # RFC 9864: the fully specified name of EdDSA on that curve
TYPE = "at+jwt"
LIFETIME_SECONDS = 3600
LONGEST_LIFETIME_SECONDS = 86_400
LEEWAY_SECONDS = 30
PURPOSE = "issuer"
# How long a new key is published before it signs: others may keep our key set for as long.
PUBLISHED_SECONDS = 300
# How long a running service may not know of a rotation; well below the time above.
RELOADED_SECONDS = 60.0
PASSWORD_ONLY = ("pwd",)
REMEMBERED_TOKENS = 10_000
WITH_CODE = ("pwd", "otp", "mfa")
# Beside `act` (RFC 8693, section 4.1): which impersonation lets the actor act.
IMPERSONATION = "impersonation"

log = structlog.get_logger()


@dataclass(frozen=True)
class Claims:
    """What a good token says."""

    principal_id: UUID
    token_id: str
    issued_at: int
    expires_at: int
    second_factor: bool = False
    acting: Acting | None = None


@dataclass(frozen=True)
class SigningKey:
    """A key of the issuer, newest first in lists, and since when it is published."""

    key: OKPKey
    created_at: datetime


class Issuer:
    """Signs with the newest key that was published long enough; accepts every key not retired yet."""

    def __init__(self, at: Server, codec: FieldCodec, name: str, keys: list[SigningKey]) -> None:
        self._at, self._codec = at, codec
        self.name = name
        self._rules = tokens.rules(name, AUDIENCE, LEEWAY_SECONDS, "jti")
        self._read_at = time.monotonic()
        # What verified tokens say, by their digest: their signature is checked once, their end each time.
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()
        self._take(keys)

    def issue(
        self,
        principal_id: UUID,
        *,
        lifetime: int = LIFETIME_SECONDS,
        methods: tuple[str, ...] = PASSWORD_ONLY,
        acting: Acting | None = None,
        since: int = 0,
    ) -> str:
        """A token for a principal, good for `lifetime` seconds; `methods` are how they, or their actor, signed in.

        Issued no earlier than in the second `since`, the first that is good after a reset of the account.
        """
        now = max(int(time.time()), since)
        claims = {
            "iss": self.name,
            "aud": AUDIENCE,
            "sub": str(principal_id),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid4()),
            "amr": list(methods),
            **_said(acting),
        }
        header = {"alg": ALGORITHM, "kid": self._signing.kid or "", "typ": TYPE}
        return jwt.encode(header, claims, self._signing, algorithms=[ALGORITHM])

    def verify(self, token: str) -> Claims | None:
        """The claims of a token; None if it is not ours, not yet or no longer good, or altered.

        Whether the impersonation that it names still lives is the database's to say.
        """
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._verified.get(digest)
        if known is not None:
            return known if time.time() < known.expires_at + LEEWAY_SECONDS else None
        found = self._verify(token)
        if found is not None:
            self._verified[digest] = found
            if len(self._verified) > REMEMBERED_TOKENS:
                self._verified.popitem(last=False)
        return found

    def _verify(self, token: str) -> Claims | None:
        claimed = tokens.claimed(token)
        key = self._accepted.get(claimed.key_id) if claimed else None
        claims = tokens.verified(token, key, ALGORITHM, self._rules, {TYPE}) if key else None
        if claims is None:
            return None
        try:
            second, acting = tokens.has_second_factor(claims), _acting(claims)
            return Claims(
                UUID(claims["sub"]), str(claims["jti"]), int(claims["iat"]), int(claims["exp"]), second, acting
            )
        except ValueError:
            return None

    def public_keys(self) -> dict[str, object]:
        """The JSON Web Key Set that others verify with."""
        return dict(KeySet(list(self._accepted.values())).as_dict(private=False))

    async def reload(self) -> None:
        """Read the keys again if it is time to; a database that is away leaves those we have."""
        if time.monotonic() - self._read_at < RELOADED_SECONDS:
            return
        self._read_at = time.monotonic()
        try:
            self._take(await asyncio.to_thread(_read, self._at, self._codec))
        except (CloisterError, psycopg.Error) as error:
            log.error("issuer keys not reloaded", **where(error))

    def _take(self, keys: list[SigningKey]) -> None:
        published = datetime.now(UTC) - timedelta(seconds=PUBLISHED_SECONDS)
        # The first key of an instance signs at once: nobody kept an older key set.
        self._signing = next((found.key for found in keys if found.created_at <= published), keys[-1].key)
        self._verified.clear()
        self._accepted = {found.key.kid or "": found.key for found in keys}


def _said(acting: Acting | None) -> dict[str, Any]:
    if acting is None:
        return {}
    return {"act": {"sub": str(acting.actor_id)}, IMPERSONATION: str(acting.impersonation_id)}


def _acting(claims: dict[str, Any]) -> Acting | None:
    """Who acts as the subject, if anybody does.

    Raises:
        ValueError: it says so, but not as our own tokens do: no impersonation, a chain of actors.
    """
    if "act" not in claims and IMPERSONATION not in claims:
        return None
    act = claims.get("act")
    if not isinstance(act, dict) or set(act) != {"sub"}:
        raise ValueError("nobody acts like that")
    return Acting(UUID(str(claims.get(IMPERSONATION))), UUID(str(act["sub"])))


def open_issuer(at: Server, codec: FieldCodec | None = None) -> Issuer:
    """The issuer of an instance, with a first key if it has none; `codec` is the process's own, if it has one.

    Raises:
        DatabaseUnavailable: no database, or not set up.
        Misconfigured: the keyring does not open the keys.
    """
    chosen = codec or codec_of(at)
    return Issuer(at, chosen, settings().issuer, _read(at, chosen))


def rotate(at: Server) -> str:
    """Make a new signing key, and retire the others when their last token has ended; return its id."""
    with _locked(at) as connection:
        connection.execute(
            "update operational.issuer_key set retired_at = statement_timestamp() + make_interval(secs => %s)"
            " where retired_at is null",
            [PUBLISHED_SECONDS + RELOADED_SECONDS + LONGEST_LIFETIME_SECONDS + LEEWAY_SECONDS],
        )
        key_id = _make(connection, Sealed.opened(connection, codec_of(at), PURPOSE)).key.kid or ""
        record_process(
            connection,
            role="operator",
            action=AccountAction.ISSUER_KEY_ROTATE,
            resource_type="issuer_key",
            resource_id=key_id,
        )
    return key_id


def _read(at: Server, codec: FieldCodec) -> list[SigningKey]:
    with _locked(at) as connection:
        sealed = Sealed.opened(connection, codec, PURPOSE)
        return _stored(connection, sealed) or [_make(connection, sealed)]


def _locked(at: Server) -> psycopg.Connection:
    connection = connect(Login.SERVICE, at=at)
    connection.execute("select set_config('statement_timeout', %s, true)", [str(settings().statement_timeout_ms)])
    # Two services that start at once make one key.
    connection.execute("select pg_advisory_xact_lock(hashtextextended('cloister.issuer', 0))")
    return connection


def _stored(connection: psycopg.Connection, sealed: Sealed) -> list[SigningKey]:
    rows = connection.execute(
        "select key_id, private_jwk, created_at from operational.issuer_key"
        " where retired_at is null or retired_at > statement_timestamp() order by created_at desc"
    ).fetchall()
    return [SigningKey(_opened(sealed, key_id, bytes(jwk)), created_at) for key_id, jwk, created_at in rows]


def _opened(sealed: Sealed, key_id: str, private: bytes) -> OKPKey:
    return OKPKey.import_key(json.loads(sealed.open("issuer_key", "private_jwk", key_id, private)))


def _make(connection: psycopg.Connection, sealed: Sealed) -> SigningKey:
    fresh = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    key_id = fresh.kid or ""
    private = sealed.seal("issuer_key", "private_jwk", key_id, json.dumps(fresh.as_dict(private=True)).encode())
    row = connection.execute(
        "insert into operational.issuer_key (key_id, algorithm, public_jwk, private_jwk, created_at)"
        " values (%s, %s, %s, %s, statement_timestamp()) returning created_at",
        [key_id, ALGORITHM, json.dumps(fresh.as_dict(private=False)), private],
    ).fetchone()
    return SigningKey(fresh, row[0] if row else datetime.now(UTC))
