"""Access tokens of an external OpenID Connect issuer, and whose they are here.

A principal is found by issuer and subject alone, as an operator linked them (`cloister user link`):
an email in a token is a claim of the issuer about itself, and proves nothing here.
"""

from dataclasses import dataclass
from uuid import UUID

from api.database import Connection
from api.identity import tokens
from api.identity.jwks import KeySource, may_be_fetched
from infra.errors import Misconfigured
from infra.settings import Settings

# RFC 9068 names `at+jwt`; many issuers write `JWT`, or nothing.
TYPES: frozenset[str | None] = frozenset({"at+jwt", "jwt", None})

_LINKED = """
select principal_id from operational.external_identity
where issuer = %s and subject = %s and unlinked_at is null"""


@dataclass(frozen=True)
class External:
    """What a good token of the external issuer says."""

    issuer: str
    subject: str
    token_id: str
    second_factor: bool
    issued_at: int


class ExternalIssuer:
    """Judges tokens of one configured issuer."""

    def __init__(self, issuer: str, audience: str, algorithm: str, leeway: int, keys: KeySource) -> None:
        self.name = issuer
        self._algorithm = algorithm
        self._keys = keys
        self._rules = tokens.rules(issuer, audience, leeway)

    @classmethod
    def of(cls, chosen: Settings) -> "ExternalIssuer | None":
        """The issuer that the settings name; None if they name none.

        Raises:
            Misconfigured: an issuer without an audience, or keys over an open wire.
        """
        if not chosen.oidc_issuer:
            return None
        if not chosen.oidc_audience:
            raise Misconfigured("an issuer needs an audience", hint="set CLOISTER_OIDC_AUDIENCE")
        if not may_be_fetched(chosen.oidc_jwks_url or chosen.oidc_issuer):
            raise Misconfigured("the issuer's keys must come over https", hint="set CLOISTER_OIDC_JWKS_URL")
        keys = KeySource(chosen.oidc_issuer, chosen.oidc_jwks_url, chosen.oidc_algorithm)
        return cls(chosen.oidc_issuer, chosen.oidc_audience, chosen.oidc_algorithm, chosen.oidc_leeway_seconds, keys)

    async def verify(self, token: str, key_id: str) -> External | None:
        """What a token says, whose header names that key; None if it is no good.

        Raises:
            IssuerUnavailable: its key is not known, and the issuer does not answer.
        """
        key = await self._keys.find(key_id)
        claims = tokens.verified(token, key, self._algorithm, self._rules, TYPES) if key else None
        subject = tokens.short_text(claims, "sub") if claims else None
        # Acting for somebody is for the built-in issuer to say.
        if claims is None or subject is None or "act" in claims:
            return None
        token_id = tokens.short_text(claims, "jti") or "external"
        return External(self.name, subject, token_id, tokens.has_second_factor(claims), int(claims["iat"]))


async def principal_of(connection: Connection, external: External) -> UUID | None:
    """The principal that an operator linked with that issuer and subject."""
    row = await (await connection.execute(_LINKED, [external.issuer, external.subject])).fetchone()
    return row["principal_id"] if row else None
