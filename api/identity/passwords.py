"""Sign-in with a password. Unknown login, wrong password and locked account: one answer, one work."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from uuid import UUID

from pwdlib import PasswordHash

from api.database import Connection
from api.identity.lockout import counted, rested

LONGEST_PASSWORD = 1024
# Each hash takes 64 MiB while it is worked on.
HASHED_AT_ONCE = 4

_CLAIM = f"""
update operational.principal set {counted("failed_attempts", "locked_until")}
where login = %s and disabled_at is null and password_hash is not null and {rested("locked_until")}
returning principal_id, password_hash"""  # nosec B608: constants
_RESET = """
update operational.principal set failed_attempts = 0, locked_until = null where principal_id = %s"""


@cache
def hasher() -> PasswordHash:
    """Argon2id with the library's recommended cost."""
    return PasswordHash.recommended()


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(HASHED_AT_ONCE, "passwords")


@cache
def _nobodys_hash() -> str:
    return hasher().hash("nobody has this password")


async def verify(connection: Connection, login: str, password: str) -> UUID | None:
    """The principal whose password this is; None for every kind of failure."""
    nobodys = _nobodys_hash()
    claimed = await (await connection.execute(_CLAIM, [login])).fetchone()
    stored = claimed["password_hash"] if claimed else nobodys
    loop = asyncio.get_running_loop()
    fits = await loop.run_in_executor(_workers(), hasher().verify, password[:LONGEST_PASSWORD], stored)
    # Also run for nobody: the same work.
    known = claimed["principal_id"] if claimed and fits else None
    await connection.execute(_RESET, [known])
    return known
