"""Signing in and out: what the token route and the sign-in page share. Both outcomes are events."""

from uuid import UUID

from fastapi import Request

from api.gateway import Caller, origin_of
from api.identity import passwords, principals, sessions
from api.identity.principals import Principal
from api.problems import NotSignedIn
from api.recording import Event, record
from api.services import Services
from policies.access.model import PLATFORM
from policies.words import AccountAction, Decision

NOBODY = UUID(int=0)


async def for_token(serving: Services, request: Request, login: str, password: str) -> str:
    """An access token for a login and its password.

    Raises:
        NotSignedIn: whatever of the two is wrong.
    """
    principal = await _check(serving, request, login, password)
    async with serving.pool.connection() as connection:
        await record(connection, _event(request, AccountAction.TOKEN_ISSUE, principal))
    return serving.issuer.issue(principal.principal_id)


async def for_session(serving: Services, request: Request, login: str, password: str) -> str:
    """A browser session's token for a login and its password; an older session of the browser ends.

    Raises:
        NotSignedIn: whatever of the two is wrong.
    """
    principal = await _check(serving, request, login, password)
    async with serving.pool.connection() as connection, connection.transaction():
        if old := request.cookies.get(sessions.COOKIE):
            await sessions.end(connection, old)
        token = await sessions.start(connection, principal.principal_id)
        await record(connection, _event(request, AccountAction.SIGN_IN, principal, sessions.session_name(token)))
    return token


async def out(serving: Services, request: Request, caller: Caller, token: str) -> None:
    """End a browser session."""
    async with serving.pool.connection() as connection, connection.transaction():
        await sessions.end(connection, token)
        event = _event(request, AccountAction.SIGN_OUT, caller.principal, caller.principal.session_id)
        await record(connection, event)


async def _check(serving: Services, request: Request, login: str, password: str) -> Principal:
    async with serving.pool.connection() as connection:
        known = await passwords.verify(connection, login, password)
        principal = await principals.by_id(connection, known or NOBODY, "")
        if principal is None:
            await record(connection, _event(request, AccountAction.SIGN_IN, None))
            raise NotSignedIn("no such login and password")
    return principal


def _event(
    request: Request, action: AccountAction, principal: Principal | None, session_id: str | None = None
) -> Event:
    """The event of a sign-in or sign-out; without a principal it is a failed one."""
    return Event(
        principal_id=principal.principal_id if principal else None,
        principal_kind=principal.kind if principal else "unknown",
        role=principal.role_for(PLATFORM) if principal else "none",
        action=action.value,
        resource_type="session",
        decision=(Decision.PERMIT if principal else Decision.DENY).value,
        request_id=request.state.request_id,
        session_id=session_id,
        origin=origin_of(request.client.host if request.client else None),
    )
