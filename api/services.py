"""What a running application holds, and how a request finds its caller."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.asking import Caller, origin_of, purpose_of
from api.cursors import Cursors
from api.database import Pool, make_pool
from api.directory import Directory
from api.gateway import Gateway
from api.identity import api_keys, principals, sessions
from api.identity.issuer import Issuer, open_issuer
from api.identity.principals import Principal
from api.problems import NotSignedIn
from api.recording import Event, record
from infra.database import Server
from infra.encryption.field_codec import FieldCodec
from infra.encryption.provider import key_provider
from infra.errors import Misconfigured
from infra.settings import settings
from policies.access.decide import InvalidPolicies, load
from policies.access.model import PLATFORM
from policies.words import AccountAction, Decision


@dataclass(frozen=True)
class Services:
    """Everything that lives as long as the application."""

    pool: Pool
    directory: Directory
    gateway: Gateway
    issuer: Issuer
    cursors: Cursors
    codec: FieldCodec

    @classmethod
    def build(cls, at: Server) -> "Services":
        """The services of an instance, their pool not open yet.

        Raises:
            Misconfigured: the policies are invalid, or a secret can be read by others.
            DatabaseUnavailable: no database, or not set up.
        """
        try:
            policies = load()
        except InvalidPolicies as error:
            raise Misconfigured(f"the access policies are invalid: {error}") from None
        pool = make_pool(at, timeout_ms=settings().statement_timeout_ms)
        directory = Directory(pool)
        gateway = Gateway(pool, at.roles, policies, directory)
        codec = FieldCodec(key_provider(settings(), at.secrets_folder))
        return cls(pool, directory, gateway, open_issuer(at), Cursors(at), codec)

    async def bearer(self, token: str) -> Principal | None:
        """The principal of an API key or an access token."""
        if token.startswith(api_keys.START):
            async with self.pool.connection() as connection:
                return await api_keys.verify(connection, token)
        claims = self.issuer.verify(token)
        if claims is None:
            return None
        async with self.pool.connection() as connection:
            return await principals.by_id(connection, claims.principal_id, f"token:{claims.token_id}")

    async def session(self, token: str) -> sessions.Session | None:
        """The live browser session of a cookie."""
        async with self.pool.connection() as connection:
            return await sessions.find(connection, token)

    async def refuse(self, request: Request) -> None:
        """Record that a request came with a credential that is no good."""
        async with self.pool.connection() as connection:
            await record(connection, account_event(request, AccountAction.CREDENTIAL_CHECK, None))

    async def logins(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        """Logins of principals, for the auditors' lists."""
        async with self.pool.connection() as connection:
            return await principals.logins(connection, list(ids))


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
    """
    principal = await serving.bearer(credentials.credentials) if credentials else None
    if principal is None:
        if credentials:
            await serving.refuse(request)
        raise NotSignedIn("no good credentials")
    return caller_of(request, principal)


def caller_of(request: Request, principal: Principal) -> Caller:
    """A principal with its request.

    Raises:
        InvalidInput: the request names a purpose of use that is none.
    """
    return Caller(principal, request.state.request_id, _origin(request), purpose_of(request.headers))


def account_event(
    request: Request, action: AccountAction, principal: Principal | None, session_id: str | None = None
) -> Event:
    """The event of something that happens to an identity; without a principal it is a failure."""
    return Event(
        principal_id=principal.principal_id if principal else None,
        principal_kind=principal.kind if principal else "unknown",
        role=principal.role_for(PLATFORM) if principal else "none",
        action=action.value,
        resource_type="session",
        decision=(Decision.PERMIT if principal else Decision.DENY).value,
        request_id=request.state.request_id,
        session_id=session_id,
        origin=_origin(request),
    )


def _origin(request: Request) -> str | None:
    return origin_of(request.client.host if request.client else None)


ApiCaller = Annotated[Caller, Depends(api_caller)]
