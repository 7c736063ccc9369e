"""Signing in and out: what the token route and the sign-in pages share. Every outcome is an event."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from fastapi import Request
from psycopg import Rollback

from api.database import Connection
from api.gateway import Caller
from api.identity import contacts, passwords, principals, second_factor, sessions
from api.identity.issuer import PASSWORD_ONLY, WITH_CODE
from api.identity.passwords import Claim
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
    principal, claimed = await _check(serving, request, login, password)
    if principal.needs_code and (not code or not principal.enrolled):
        raise CodeNeeded("a code is needed as well")
    action, methods = AccountAction.TOKEN_ISSUE, WITH_CODE if principal.needs_code else PASSWORD_ONLY
    opened = _by_code(serving, request, principal, code) if principal.needs_code else _transaction(serving)
    async with opened as connection:
        since = await passwords.held(connection, claimed)
        if since is not None:
            await record(connection, account_event(request, action, principal))
            return serving.issuer.issue(principal.principal_id, methods=methods, since=since)
    raise await _refusal(serving, request, action, principal)


async def for_session(serving: Services, request: Request, login: str, password: str) -> str:
    """A browser session's token for a login and its password; an older session of the browser ends.

    The session of somebody who needs a code opens nothing but the page that asks for it.

    Raises:
        NotSignedIn: whatever of the two is wrong.
        TooMany: this address guessed too often.
    """
    principal, claimed = await _check(serving, request, login, password)
    async with _transaction(serving) as connection:
        if await passwords.held(connection, claimed) is not None:
            return await _begin(connection, serving, request, principal, AccountAction.SIGN_IN, with_code=False)
    raise await _refusal(serving, request, AccountAction.SIGN_IN, principal)


async def step_up(serving: Services, request: Request, session: Session, code: str) -> str:
    """The token of a new, complete session for the code of the authenticator app or a recovery code.

    Raises:
        NotSignedIn: wrong or used, or the account rests; or the session has ended meanwhile.
        TooMany: this address guessed too often.
    """
    principal, action = session.principal, AccountAction.SECOND_FACTOR
    async with _by_code(serving, request, principal, code) as connection:
        if await sessions.end_one(connection, principal.principal_id, session.session_id):
            return await _begin(connection, serving, request, principal, action, with_code=True)
    raise await _refusal(serving, request, action, principal)


async def pending_secret(serving: Services, session: Session) -> Secret:
    """The secret that a session may set up."""
    async with serving.pool.connection() as connection:
        return await second_factor.pending(connection, serving.totp, session.session_id)


async def enrol(serving: Services, request: Request, session: Session, code: str) -> tuple[str, list[str]]:
    """Set up codes with the session's pending secret; a new session's token, and recovery codes.

    Raises:
        NotSignedIn: the code is wrong, or the session has ended meanwhile.
    """
    principal, secret = session.principal, await pending_secret(serving, session)
    action, found = AccountAction.SECOND_FACTOR_ENROL, None
    async with serving.pool.connection() as connection, connection.transaction() as transaction:
        codes = await second_factor.enrol(connection, serving.totp, principal.principal_id, secret, code)
        if codes is not None:
            if not await sessions.end_one(connection, principal.principal_id, session.session_id):
                raise Rollback(transaction)
            found = await _begin(connection, serving, request, principal, action, with_code=True), codes
    if found is None:
        raise await _refusal(serving, request, action, principal)
    return found


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


async def _check(serving: Services, request: Request, login: str, password: str) -> tuple[Principal, Claim]:
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
    return principal, claimed


@asynccontextmanager
async def _transaction(serving: Services) -> AsyncIterator[Connection]:
    async with serving.pool.connection() as connection, connection.transaction():
        yield connection


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
        raise await _refusal(serving, request, AccountAction.SECOND_FACTOR, principal)


async def _refusal(serving: Services, request: Request, action: AccountAction, principal: Principal) -> NotSignedIn:
    async with serving.pool.connection() as connection:
        await record(connection, account_event(request, action, principal, principal.session_id, denied=True))
    return NotSignedIn("not good, or not any more")


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
