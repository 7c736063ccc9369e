"""Signing in and out: what the token route and the sign-in pages share. Every outcome is an event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn
from uuid import UUID

from fastapi import Request

from api.database import Connection
from api.gateway import Caller
from api.identity import contacts, passwords, principals, second_factor, sessions
from api.identity.issuer import PASSWORD_ONLY, WITH_CODE
from api.identity.principals import Principal
from api.identity.second_factor import Secret
from api.identity.sessions import Device, Listed, Session
from api.limits import address_name
from api.problems import CodeNeeded, NotSignedIn
from api.recording import record
from api.services import Services, account_event, origin
from infra.errors import NotThere
from policies.words import AccountAction

NOBODY = UUID(int=0)


async def for_token(serving: Services, request: Request, login: str, password: str, code: str) -> str:
    """An access token for a login, its password and, where one is needed, a code.

    Raises:
        NotSignedIn: whatever of them is wrong.
        CodeNeeded: the password is right, and a code was not given or is not set up yet.
        TooMany: this address guessed too often.
    """
    principal = await _check(serving, request, login, password)
    if principal.needs_code and (not code or not principal.enrolled):
        raise CodeNeeded("a code is needed as well")
    opened = _by_code(serving, request, principal, code) if principal.needs_code else serving.pool.connection()
    async with opened as connection:
        await record(connection, account_event(request, AccountAction.TOKEN_ISSUE, principal))
    return serving.issuer.issue(principal.principal_id, methods=WITH_CODE if principal.needs_code else PASSWORD_ONLY)


async def for_session(serving: Services, request: Request, login: str, password: str) -> str:
    """A browser session's token for a login and its password; an older session of the browser ends.

    The session of somebody who needs a code opens nothing but the page that asks for it.

    Raises:
        NotSignedIn: whatever of the two is wrong.
        TooMany: this address guessed too often.
    """
    principal = await _check(serving, request, login, password)
    async with serving.pool.connection() as connection, connection.transaction():
        return await _begin(connection, serving, request, principal, AccountAction.SIGN_IN, with_code=False)


async def step_up(serving: Services, request: Request, session: Session, code: str) -> str:
    """The token of a new, complete session for the code of the authenticator app or a recovery code.

    Raises:
        NotSignedIn: wrong or used, or the account rests.
        TooMany: this address guessed too often.
    """
    principal = session.principal
    async with _by_code(serving, request, principal, code) as connection:
        return await _begin(connection, serving, request, principal, AccountAction.SECOND_FACTOR, with_code=True)


async def pending_secret(serving: Services, session: Session) -> Secret:
    """The secret that a session may set up."""
    async with serving.pool.connection() as connection:
        return await second_factor.pending(connection, serving.totp, session.session_id)


async def enrol(serving: Services, request: Request, session: Session, code: str) -> tuple[str, list[str]]:
    """Set up codes with the session's pending secret; a new session's token, and recovery codes.

    Raises:
        NotSignedIn: the code is wrong.
    """
    principal, secret = session.principal, await pending_secret(serving, session)
    action = AccountAction.SECOND_FACTOR_ENROL
    async with serving.pool.connection() as connection, connection.transaction():
        codes = await second_factor.enrol(connection, serving.totp, principal.principal_id, secret, code)
        if codes is not None:
            token = await _begin(connection, serving, request, principal, action, with_code=True)
    if codes is None:
        await _refuse(serving, request, action, principal)
    return token, codes


async def out(serving: Services, request: Request, caller: Caller, token: str) -> None:
    """End a browser session."""
    async with serving.pool.connection() as connection, connection.transaction():
        await sessions.end(connection, token)
        event = account_event(request, AccountAction.SIGN_OUT, caller.principal, caller.principal.session_id)
        await record(connection, event)


async def own_sessions(serving: Services, session: Session) -> list[Listed]:
    """The live sessions of whoever's session this is."""
    async with serving.pool.connection() as connection:
        return await sessions.of_principal(connection, session.principal.principal_id)


async def end_session(serving: Services, request: Request, session: Session, ended: UUID | None) -> None:
    """End another session of one's own, or, with None, all others.

    Raises:
        NotThere: no live session of this principal.
    """
    principal = session.principal
    async with serving.pool.connection() as connection, connection.transaction():
        if ended is None:
            await sessions.end_others(connection, principal.principal_id, session.session_id)
        elif not await sessions.end_one(connection, principal.principal_id, ended):
            raise NotThere("no such session")
        await record(connection, account_event(request, AccountAction.SESSION_END, principal, principal.session_id))


async def _check(serving: Services, request: Request, login: str, password: str) -> Principal:
    address = address_name(origin(request))
    passwords.refuse_if_full()
    async with serving.pool.connection() as connection:
        await serving.attempts.take(connection, address)
        claimed = await passwords.claim(connection, login, await contacts.account_of(connection, serving.codec, login))
    right = await passwords.fits(claimed, password)
    async with serving.pool.connection() as connection:
        known = await passwords.settle(connection, claimed, right=right)
        principal = await principals.by_id(connection, known or NOBODY, "")
        if principal is None:
            await record(connection, account_event(request, AccountAction.SIGN_IN, None))
            raise NotSignedIn("no such login and password")
        await serving.attempts.give(connection, address)
    return principal


@asynccontextmanager
async def _by_code(serving: Services, request: Request, principal: Principal, code: str) -> AsyncIterator[Connection]:
    """A transaction for what a code opens: a good code is used up with that, recorded, or not at all."""
    address = address_name(origin(request))
    async with serving.pool.connection() as connection:
        await serving.attempts.take(connection, address)
        async with connection.transaction():
            found = await second_factor.verify(connection, serving.totp, principal.principal_id, code)
            if found == "recovery":
                await record(connection, account_event(request, AccountAction.RECOVERY_CODE_USE, principal))
            if found is not None:
                yield connection
        if found is not None:
            await serving.attempts.give(connection, address)
    if found is None:
        await _refuse(serving, request, AccountAction.SECOND_FACTOR, principal)


async def _refuse(serving: Services, request: Request, action: AccountAction, principal: Principal) -> NoReturn:
    async with serving.pool.connection() as connection:
        await record(connection, account_event(request, action, principal, principal.session_id, denied=True))
    raise NotSignedIn("no such code")


async def _begin(
    connection: Connection,
    serving: Services,
    request: Request,
    principal: Principal,
    action: AccountAction,
    *,
    with_code: bool,
) -> str:
    """A new session in place of the browser's old one: what was known of that one is worth nothing.

    The caller's transaction makes it stand.
    """
    device = Device(origin(request), sessions.browser(request.headers.get("user-agent", "")))
    if old := request.cookies.get(serving.cookie(sessions.COOKIE)):
        await sessions.end(connection, old)
    token = await sessions.start(connection, principal.principal_id, device, second_factor=with_code)
    await record(connection, account_event(request, action, principal, sessions.session_name(token)))
    return token
