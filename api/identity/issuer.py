"""The built-in issuer: access tokens as JWTs (RFC 9068), signed with Ed25519, good for one hour.

Signing keys lie in `operational.issuer_key`, their private part encrypted under the data key of the
purpose 'issuer'. A token says who; roles are read from the database at each request.
"""

import json
import time
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from infra.database import Server, connect
from infra.encryption.codec import Place
from infra.encryption.data_keys import StoredKey, purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.provider import key_provider
from infra.roles import Login
from infra.settings import settings

ISSUER = "urn:cloister:issuer"
AUDIENCE = "urn:cloister:api"
ALGORITHM = "Ed25519"  # RFC 9864: the fully specified name of EdDSA on that curve
LIFETIME_SECONDS = 3600
LEEWAY_SECONDS = 30
PURPOSE = "issuer"


@dataclass(frozen=True)
class Claims:
    """What a good token says."""

    principal_id: UUID
    token_id: str


class Issuer:
    """Signs tokens with the newest key, and accepts those of every key that is not retired."""

    def __init__(self, keys: list[OKPKey]) -> None:
        self._signing = keys[0]
        self._accepted = KeySet(list(keys))
        self._registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            jti={"essential": True},
        )

    def issue(self, principal_id: UUID, *, lifetime: int = LIFETIME_SECONDS) -> str:
        """A token for a principal, good for `lifetime` seconds."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(principal_id),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid4()),
        }
        header = {"alg": ALGORITHM, "kid": self._signing.kid or "", "typ": "at+jwt"}
        return jwt.encode(header, claims, self._signing, algorithms=[ALGORITHM])

    def verify(self, token: str) -> Claims | None:
        """The claims of a token; None if it is not ours, not yet or no longer good, or altered."""
        try:
            decoded = jwt.decode(token, self._accepted, algorithms=[ALGORITHM])
            self._registry.validate(decoded.claims)
            if decoded.header.get("typ") != "at+jwt":
                return None
            return Claims(UUID(decoded.claims["sub"]), str(decoded.claims["jti"]))
        except (JoseError, ValueError, TypeError, KeyError):
            return None

    def public_keys(self) -> dict[str, object]:
        """The JSON Web Key Set that others verify with."""
        return dict(self._accepted.as_dict(private=False))


def open_issuer(at: Server) -> Issuer:
    """The issuer of an instance, with a first key if it has none.

    Raises:
        DatabaseUnavailable: no database, or not set up.
        Misconfigured: the keyring does not open the keys.
    """
    with connect(Login.SERVICE, at=at) as connection:
        # Two services that start at once make one key.
        connection.execute("select pg_advisory_xact_lock(hashtextextended('cloister.issuer', 0))")
        codec = FieldCodec(key_provider(settings(), at.secrets_folder))
        # Locked until the end of this transaction: a rotation does not retire them meanwhile.
        data_keys = purpose_keys(connection, codec.provider, PURPOSE)
        keys = _stored(connection, codec, data_keys)
        return Issuer(keys or [_make(connection, codec, data_keys[0])])


def _place(key_id: str) -> Place:
    return Place("operational.issuer_key", "private_jwk", key_id)


def _stored(connection: psycopg.Connection, codec: FieldCodec, data_keys: list[StoredKey]) -> list[OKPKey]:
    rows = connection.execute(
        "select key_id, private_jwk from operational.issuer_key where retired_at is null order by created_at desc"
    ).fetchall()
    return [OKPKey.import_key(json.loads(codec.open(data_keys, _place(key_id), jwk))) for key_id, jwk in rows]


def _make(connection: psycopg.Connection, codec: FieldCodec, data_key: StoredKey) -> OKPKey:
    fresh = OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    key_id = fresh.kid or ""
    private = codec.seal(data_key, _place(key_id), json.dumps(fresh.as_dict(private=True)).encode())
    connection.execute(
        "insert into operational.issuer_key (key_id, algorithm, public_jwk, private_jwk) values (%s, %s, %s, %s)",
        [key_id, ALGORITHM, json.dumps(fresh.as_dict(private=False)), private],
    )
    return fresh
