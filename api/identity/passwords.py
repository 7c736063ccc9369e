"""Sign-in with a password. Unknown login, wrong password and locked account: one answer, one work."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from pwdlib import PasswordHash

from api.database import Connection
from api.identity.lockout import counted, rested
from api.limits import TooMany

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1024
# Each hash takes 64 MiB while it is worked on.
HASHED_AT_ONCE = 4
# At some 0.1 s each: who would have to wait longer than a few seconds may come again.
AT_MOST = 64
RETRY_SECONDS = 5
END_SESSIONS = """
update operational.session set revoked_at = statement_timestamp()
where principal_id = %(principal)s and revoked_at is null"""
END_LINKS = """
update operational.password_link set used_at = statement_timestamp()
where principal_id = %(principal)s and used_at is null"""
# What ends with the old password of an account beside its tokens: sessions, links that would set another one, and codes
# for another contact that somebody asked for with a session, to which such a link would be sent.
ENDED_WITH_PASSWORD = (
    END_SESSIONS,
    END_LINKS,
    """
update operational.verification set answered_at = statement_timestamp()
where clinic_id is null and answered_at is null
    and person_id = (select person_id from operational.principal where principal_id = %(principal)s)""",
)

_CLAIM = f"""
update operational.principal set {counted("failed_attempts", "locked_until")}
where principal_id = coalesce((select principal_id from operational.principal where login = %(login)s), %(found)s)
    and disabled_at is null and password_hash is not null and {rested("locked_until")}
returning principal_id, password_hash"""  # nosec B608 # constants
_RESET = """
update operational.principal set failed_attempts = 0, locked_until = null where principal_id = %s"""
_HELD = """
select coalesce(extract(epoch from tokens_valid_from), 0)::bigint as since
from operational.principal
where principal_id = %s and password_hash = %s and disabled_at is null for share"""


@cache
def hasher() -> PasswordHash:
    """Argon2id with the library's recommended cost."""
    return PasswordHash.recommended()


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(HASHED_AT_ONCE, "passwords")


@cache
def _seats() -> asyncio.Semaphore:
    """For those whose password is being looked at, or waits for it."""
    return asyncio.Semaphore(AT_MOST)


@cache
def _nobodys_hash() -> str:
    return hasher().hash("nobody has this password")


@dataclass(frozen=True)
class Claim:
    """An attempt that counts as failed until it is settled; nobody's where the login may not try."""

    principal_id: UUID | None
    password_hash: str

    def __repr__(self) -> str:
        return "Claim(…)"


def refuse_if_full() -> None:
    """To be asked before an attempt is counted.

    Raises:
        TooMany: too many others wait for their password to be looked at.
    """
    if _seats().locked():
        raise TooMany(RETRY_SECONDS)


async def claim(connection: Connection, login: str, found: UUID | None) -> Claim:
    """Count an attempt on this login before the password is looked at; of no login, on the account `found` by it."""
    nobodys = _nobodys_hash()
    row = await (await connection.execute(_CLAIM, {"login": login, "found": found})).fetchone()
    return Claim(row["principal_id"], row["password_hash"]) if row else Claim(None, nobodys)


async def fits(claimed: Claim, password: str) -> bool:
    """Whether the password is right; nobody's is never, after the same work. Hold no connection meanwhile.

    Raises:
        TooMany: too many others wait for theirs.
    """
    refuse_if_full()
    async with _seats():
        loop = asyncio.get_running_loop()
        asked = password[:LONGEST_PASSWORD]
        right = await loop.run_in_executor(_workers(), hasher().verify, asked, claimed.password_hash)
    return right and claimed.principal_id is not None


async def hashed(password: str) -> str:
    """The hash of a new password. Hold no connection meanwhile.

    Raises:
        TooMany: too many others wait for theirs.
    """
    refuse_if_full()
    async with _seats():
        return await asyncio.get_running_loop().run_in_executor(_workers(), hasher().hash, password)


async def settle(connection: Connection, claimed: Claim, *, right: bool) -> UUID | None:
    """The principal whose password it was; None for every kind of failure."""
    # Also run for nobody: the same work.
    known = claimed.principal_id if right else None
    await connection.execute(_RESET, [known])
    return known


async def held(connection: Connection, claimed: Claim) -> int | None:
    """From which second on tokens of the account are good, if its password is still the one that was looked at.

    None if it is not. What ends everything of an account waits until the caller's transaction has ended.
    """
    row = await (await connection.execute(_HELD, [claimed.principal_id, claimed.password_hash])).fetchone()
    return row["since"] if row else None
