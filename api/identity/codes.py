"""One-time codes that prove a contact: six digits, ten minutes, five tries, each counted before it is looked at."""

import secrets
from uuid import UUID

from api.asking import Caller
from api.limits import address_name
from api.services import Services

DIGITS = 6
MINUTES = 10
TRIES = 5

_COUNT = """
update operational.verification set tries = tries + 1
where verification_id = %s and answered_at is null and tries < %s and expires_at > statement_timestamp()
returning 1"""


def new_code() -> str:
    """A code that nobody can foresee."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


async def count_try(serving: Services, caller: Caller, verification_id: UUID | None) -> bool:
    """Count a try, whatever comes of it; whether the code may be looked at.

    Raises:
        TooMany: this address tried too often.
    """
    async with serving.pool.connection() as connection:
        await serving.attempts.take(connection, address_name(caller.origin))
        counted = await connection.execute(_COUNT, [verification_id, TRIES])
        return await counted.fetchone() is not None


async def take_attempt(serving: Services, caller: Caller) -> None:
    """Count what an address asks for without having signed in.

    Raises:
        TooMany: it asked too often.
    """
    async with serving.pool.connection() as connection:
        await serving.attempts.take(connection, address_name(caller.origin))


async def give_back(serving: Services, caller: Caller) -> None:
    """Forget an attempt that was no guess."""
    async with serving.pool.connection() as connection:
        await serving.attempts.give(connection, address_name(caller.origin))
