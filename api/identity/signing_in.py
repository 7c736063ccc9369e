"""Signing in and out: what the token route and the sign-in page share. Both outcomes are events."""

from uuid import UUID

from fastapi import Request

from api.gateway import Caller
from api.identity import passwords, principals, sessions
from api.identity.principals import Principal
from api.problems import NotSignedIn
from api.recording import record
from api.services import Services, account_event
from policies.words import AccountAction

NOBODY = UUID(int=0)


async def for_token(serving: Services, request: Request, login: str, password: str) -> str:
    """An access token for a login and its password.

    Raises:
        NotSignedIn: whatever of the two is wrong.
    """
    principal = await _check(serving, request, login, password)
    async with serving.pool.connection() as connection:
        await record(connection, account_event(request, AccountAction.TOKEN_ISSUE, principal))
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
        await record(connection, account_event(request, AccountAction.SIGN_IN, principal, sessions.session_name(token)))
    return token


async def out(serving: Services, request: Request, caller: Caller, token: str) -> None:
    """End a browser session."""
    async with serving.pool.connection() as connection, connection.transaction():
        await sessions.end(connection, token)
        event = account_event(request, AccountAction.SIGN_OUT, caller.principal, caller.principal.session_id)
        await record(connection, event)


async def _check(serving: Services, request: Request, login: str, password: str) -> Principal:
    async with serving.pool.connection() as connection:
        # A NUL is in nobody's login, and no text for PostgreSQL.
        known = await passwords.verify(connection, login.replace("\x00", "?"), password)
        principal = await principals.by_id(connection, known or NOBODY, "")
        if principal is None:
            await record(connection, account_event(request, AccountAction.SIGN_IN, None))
            raise NotSignedIn("no such login and password")
    return principal
