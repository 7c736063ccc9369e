"""Sign-in with a password. Unknown login, wrong password and locked account: one answer, one work."""

import asyncio
from functools import cache
from uuid import UUID

from pwdlib import PasswordHash

from api.database import Connection

ATTEMPTS = 5
LOCKED_MINUTES = 15
LONGEST_PASSWORD = 1024

# An attempt is counted before the password is looked at, so that attempts at once count as well.
_CLAIM = f"""
update operational.principal
set
    failed_attempts = case when failed_attempts >= {ATTEMPTS} then 1 else failed_attempts + 1 end,
    locked_until = case
        when failed_attempts + 1 = {ATTEMPTS} then statement_timestamp() + interval '{LOCKED_MINUTES} minutes'
    end
where login = %s and disabled_at is null and password_hash is not null
    and (locked_until is null or locked_until <= statement_timestamp())
returning principal_id, password_hash"""  # nosec B608: constants
_RESET = """
update operational.principal set failed_attempts = 0, locked_until = null where principal_id = %s"""


@cache
def hasher() -> PasswordHash:
    """Argon2id with the library's recommended cost."""
    return PasswordHash.recommended()


@cache
def _nobodys_hash() -> str:
    return hasher().hash("nobody has this password")


async def verify(connection: Connection, login: str, password: str) -> UUID | None:
    """The principal whose password this is; None for every kind of failure."""
    claimed = await (await connection.execute(_CLAIM, [login])).fetchone()
    stored = claimed["password_hash"] if claimed else _nobodys_hash()
    fits = await asyncio.to_thread(hasher().verify, password[:LONGEST_PASSWORD], stored)
    # Also run for nobody: the same work.
    known = claimed["principal_id"] if claimed and fits else None
    await connection.execute(_RESET, [known])
    return known
