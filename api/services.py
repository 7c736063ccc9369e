"""What a running application holds, and how a request finds its caller."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.asking import Caller, origin_of, purpose_of, who
from api.cursors import Cursors
from api.database import CONNECTIONS, Pool, make_pool
from api.directory import Directory
from api.gateway import Gateway
from api.idempotency import RequestDigests
from api.identity import api_keys, external, impersonation, principals, second_factor, sessions, tokens
from api.identity.attempts import Attempts
from api.identity.external import ExternalIssuer
from api.identity.issuer import Issuer, open_issuer
from api.identity.principals import Principal
from api.identity.sealed import Seals, codec_of
from api.limits import Buckets, Places, Rates, TooManyFiles
from api.overviews.cache import OverviewCache
from api.problems import CodeNeeded, NotSignedIn
from api.recording import Event, record
from api.segments.signals import Signals
from api.video import Jitsi, VideoProvider
from infra.database import Server, connect
from infra.encryption.data_keys import purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.errors import Misconfigured
from infra.exports.keys import ExportKeys
from infra.roles import Login
from infra.settings import Mode, Settings, settings
from policies.access.decide import InvalidPolicies, load
from policies.access.model import PLATFORM
from policies.words import AccountAction, Decision

WAITS_OF_ONE = 8
UPLOADS, UPLOADS_OF_ONE = 8, 2


@dataclass(frozen=True)
class Services:
    """Everything that lives as long as the application."""

    at: Server
    pool: Pool
    directory: Directory
    gateway: Gateway
    issuer: Issuer
    external: ExternalIssuer | None
    cursors: Cursors
    totp: Seals
    attempts: Attempts
    principals: Buckets
    production: bool
    codec: FieldCodec
    digests: RequestDigests
    video: VideoProvider | None
    signals: Signals
    export_keys: ExportKeys
    overviews: OverviewCache = field(default_factory=OverviewCache)
    # Each pull holds a connection of the pool as long as it is given, and takes three more for moments.
    pulls: Places = field(default_factory=lambda: Places(CONNECTIONS // 5))
    # Of each principal.
    waits: Places = field(default_factory=lambda: Places(WAITS_OF_ONE))
    # Each file that is sent lies in memory, and what it unpacks to as well; nobody keeps all others from sending one.
    uploads: Places = field(default_factory=lambda: Places(UPLOADS, TooManyFiles))
    uploads_of_one: Places = field(default_factory=lambda: Places(UPLOADS_OF_ONE, TooManyFiles))

    @classmethod
    def build(cls, at: Server, rates: Rates | None = None) -> "Services":
        """The services of an instance, their pool not open yet.

        Raises:
            Misconfigured: the policies are invalid, or a secret can be read by others.
            DatabaseUnavailable: no database, or not set up.
        """
        try:
            policies = load()
        except InvalidPolicies as error:
            raise Misconfigured(f"the access policies are invalid: {error}") from None
        chosen = settings()
        rates = rates or Rates.of(chosen)
        pool = make_pool(at, timeout_ms=chosen.statement_timeout_ms)
        directory = Directory(pool)
        codec = codec_of(at)
        return cls(
            at=at,
            pool=pool,
            directory=directory,
            gateway=Gateway(pool, at.roles, policies, directory),
            issuer=open_issuer(at, codec),
            external=ExternalIssuer.of(chosen),
            cursors=Cursors(at),
            codec=codec,
            digests=RequestDigests(at),
            video=Jitsi.of(chosen, at),
            totp=_totp_seals(at, codec),
            signals=Signals(at, directory),
            export_keys=_export_keys(at, chosen),
            attempts=Attempts(rates.sign_ins),
            principals=Buckets(rates.principal),
            production=chosen.effective_mode is Mode.PRODUCTION,
        )

    async def bearer(self, token: str) -> Principal | None:
        """The principal of an API key or an access token.

        Raises:
            CodeNeeded: the principal may not come with a password alone.
            IssuerUnavailable: of an external issuer that does not answer.
        """
        if token.startswith(api_keys.START):
            async with self.pool.connection() as connection:
                return await api_keys.verify(connection, token)
        principal, second = await self._token_bearer(token)
        if principal and principal.needs_code and not second:
            raise CodeNeeded("the token came without a second factor")
        return principal

    async def _token_bearer(self, token: str) -> tuple[Principal | None, bool]:
        """Whose token it is, and whether its sign-in had a second factor."""
        claimed = tokens.claimed(token)
        if claimed and self.external and claimed.issuer == self.external.name:
            said = await self.external.verify(token, claimed.key_id)
            if said is None:
                return None, False
            async with self.pool.connection() as connection:
                linked = await external.principal_of(connection, said)
                known = (
                    await principals.by_id(connection, linked, f"token:{said.token_id}", said.issued_at)
                    if linked
                    else None
                )
            return known, said.second_factor
        await self.issuer.reload()
        claims = self.issuer.verify(token)
        if claims is None:
            return None, False
        async with self.pool.connection() as connection:
            if claims.acting:
                known = await impersonation.principal_of(connection, claims.principal_id, claims.acting)
            else:
                known = await principals.by_id(
                    connection, claims.principal_id, f"token:{claims.token_id}", claims.issued_at
                )
        return known, claims.second_factor

    async def anew(self, caller: Caller, since: float) -> Caller:
        """The caller with what they may do by now, for what takes longer than one read; nothing once that has ended.

        since: when they were let in, in seconds since 1970.
        """
        asked = caller.principal
        async with self.pool.connection() as connection:
            if asked.key is not None:
                found = await api_keys.anew(connection, asked)
            elif asked.acting is not None:
                found = None  # impersonations are too short for it
            else:
                found = await principals.by_id(connection, asked.principal_id, asked.session_id, int(since))
        return replace(caller, principal=found or replace(asked, roles=frozenset(), key=None))

    def cookie(self, name: str) -> str:
        """A cookie's name: in production the browser takes it over TLS from this very host alone."""
        return f"__Host-{name}" if self.production else name

    async def session(self, token: str) -> sessions.Session | None:
        """The live browser session of a cookie."""
        async with self.pool.connection() as connection:
            return await sessions.find(connection, token)

    async def refuse(self, request: Request) -> None:
        """Record that a request came with a credential that is no good."""
        async with self.pool.connection() as connection:
            await record(connection, account_event(request, AccountAction.CREDENTIAL_CHECK, None))

    async def account(self, login: str) -> Principal | None:
        """The human with that login, unless disabled: to be decided about, and told nobody."""
        async with self.pool.connection() as connection:
            return await principals.by_login(connection, login)

    async def account_of(self, principal_id: UUID | None) -> Principal | None:
        """The human with that id, disabled or not: to be decided about, and told nobody."""
        async with self.pool.connection() as connection:
            return await principals.human(connection, principal_id)

    async def opened(self, principal: Principal) -> list[impersonation.Live]:
        """The impersonations that an admin has open."""
        async with self.pool.connection() as connection:
            return await impersonation.of_actor(connection, principal.principal_id)

    async def acted_as(self, actor: Principal, live: impersonation.Live) -> Principal | None:
        """Whom an admin acts as, to see their pages; None once it is over."""
        acting = principals.Acting(live.impersonation_id, actor.principal_id)
        async with self.pool.connection() as connection:
            return await impersonation.principal_of(connection, live.subject_id, acting)

    async def logins(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Logins of principals, for the auditors' lists."""
        if not (wanted := list(ids)):
            return {}
        async with self.pool.connection() as connection:
            return await principals.logins(connection, wanted)

    async def rights(self, clinic_id: int | None) -> list[dict[str, Any]]:
        """Who has which role at a clinic, or anywhere, for the auditors' review."""
        async with self.pool.connection() as connection:
            return await principals.rights(connection, clinic_id)


async def services(request: Request) -> Services:
    """The services of the request's application."""
    found: Services = request.app.state.services
    return found


Serving = Annotated[Services, Depends(services)]
_bearer = HTTPBearer(auto_error=False, description="An access token of `POST /v1/token`, or an API key.")


async def api_caller(
    request: Request,
    serving: Serving,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Who calls the API.

    Raises:
        NotSignedIn: no bearer token or API key, or none that is good.
        TooMany: the principal asks too often.
    """
    principal = await serving.bearer(credentials.credentials) if credentials else None
    if principal is None:
        if credentials:
            await serving.refuse(request)
        raise NotSignedIn("no good credentials")
    serving.principals.take(str(principal.actor_id))
    return caller_of(request, principal)


async def anybody(request: Request) -> Caller:
    """Whoever asks without signing in.

    Raises:
        InvalidInput: the request names a purpose of use that is none.
    """
    return caller_of(request, principals.NOBODY)


def caller_of(request: Request, principal: Principal) -> Caller:
    """A principal with its request.

    Raises:
        InvalidInput: the request names a purpose of use that is none.
    """
    request.state.sender = str(principal.actor_id)
    return Caller(principal, request.state.request_id, origin(request), purpose_of(request.headers))


def account_event(
    request: Request,
    action: AccountAction,
    principal: Principal | None,
    session_id: str | None = None,
    *,
    denied: bool = False,
) -> Event:
    """The event of something that happens to an identity; without a principal it is a failure."""
    return Event(
        **(who(principal) if principal else {"principal_id": None, "principal_kind": "unknown"}),
        role=principal.role_for(PLATFORM) if principal else "none",
        organisation=principal.organisation_for(PLATFORM) if principal else None,
        action=action.value,
        resource_type="session",
        decision=(Decision.DENY if denied or principal is None else Decision.PERMIT).value,
        request_id=request.state.request_id,
        session_id=session_id or None,
        origin=origin(request),
    )


def origin(request: Request) -> str | None:
    """The address that a request came from, if it has one."""
    return origin_of(request.client.host if request.client else None)


def _export_keys(at: Server, chosen: Settings) -> ExportKeys:
    with connect(Login.SERVICE, at=at) as connection:
        return ExportKeys.load(connection, at.secrets_folder, chosen.export_keys_file)


def _totp_seals(at: Server, codec: FieldCodec) -> Seals:
    with connect(Login.SERVICE, at=at) as connection:
        purpose_keys(connection, codec.provider, second_factor.PURPOSE)  # makes the first
    return Seals(codec, second_factor.PURPOSE)


ApiCaller = Annotated[Caller, Depends(api_caller)]
Anybody = Annotated[Caller, Depends(anybody)]
