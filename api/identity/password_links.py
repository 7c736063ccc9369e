"""Setting a password with the link of a message: a random token, stored hashed, good once."""

import hashlib

from fastapi import Request

from api.database import Connection
from api.identity import passwords, principals
from api.identity.principals import NEXT_SECOND
from api.limits import address_name
from api.recording import record
from api.services import Services, account_event, origin
from infra.errors import InvalidInput
from policies.words import AccountAction

_LIVE = """used_at is null and expires_at > statement_timestamp()"""
_LOGIN = f"""
select p.login
from operational.password_link as l
inner join operational.principal as p on p.principal_id = l.principal_id and p.disabled_at is null
where l.token_hash = %s and {_LIVE}"""  # nosec B608 # a constant
# Before any of its links: of two that are used at once each would wait to end the other.
_HOLD = """
select from operational.principal
where principal_id = (select principal_id from operational.password_link where token_hash = %s) for no key update"""
_USE = f"""
update operational.password_link set used_at = statement_timestamp() where token_hash = %s and {_LIVE}
returning principal_id"""  # nosec B608 # a constant
_SET = f"""
update operational.principal set password_hash = %s, failed_attempts = 0, locked_until = null,
    tokens_valid_from = {NEXT_SECOND}
where principal_id = %s and disabled_at is null
returning principal_id"""  # nosec B608 # a constant


async def login_of(serving: Services, token: str) -> str | None:
    """The login of the account that the link was made for, or None if it is not good any more."""
    async with serving.pool.connection() as connection:
        return await _login_of(connection, token)


async def set_password(serving: Services, request: Request, token: str, password: str) -> str:
    """Set the password of the account that the link was made for, and say by which login it signs in.

    Its sessions, tokens and other links end, and codes for another contact.

    Raises:
        InvalidInput: the password is too short or too long; the link is unknown, used or too old; names the field.
        TooMany: this address tried too often.
    """
    _check(password)
    async with serving.pool.connection() as connection:
        await serving.attempts.take(connection, address_name(origin(request)))
        login = await _login_of(connection, token)
    # Nobody has work done for a link that is none.
    new = await passwords.hashed(password) if login else ""
    async with serving.pool.connection() as connection:
        if not login or not await _set(connection, request, _hashed(token), new):
            await record(connection, account_event(request, AccountAction.PASSWORD_SET, None))
            raise InvalidInput("the link is not good, or not any more", place="token", rule="not_good")
        await serving.attempts.give(connection, address_name(origin(request)))
    return login


async def _login_of(connection: Connection, token: str) -> str | None:
    found = await (await connection.execute(_LOGIN, [_hashed(token)])).fetchone()
    return found["login"] if found else None


async def _set(connection: Connection, request: Request, hashed_token: bytes, new: str) -> bool:
    """Whether the link was good still; of two at once, one."""
    async with connection.transaction():
        await connection.execute(_HOLD, [hashed_token])
        used = await (await connection.execute(_USE, [hashed_token])).fetchone()
        if used is None:
            return False
        principal_id = used["principal_id"]
        if await (await connection.execute(_SET, [new, principal_id])).fetchone() is None:
            return False
        for statement in passwords.ENDED_WITH_PASSWORD:
            await connection.execute(statement, {"principal": principal_id})
        known = await principals.by_id(connection, principal_id, "")
        await record(connection, account_event(request, AccountAction.PASSWORD_SET, known))
    return True


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _check(password: str) -> None:
    if len(password) < passwords.SHORTEST_PASSWORD:
        raise InvalidInput("a password is longer", place="password", rule="too_short")
    if len(password) > passwords.LONGEST_PASSWORD:
        raise InvalidInput("a password is shorter", place="password", rule="too_long")
