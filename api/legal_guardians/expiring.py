"""Forgets where the code of a guardian by law was to go, once it ran out or was taken back and is of no use."""

from api.database import Pool
from api.grants import enter

# Of one clinic; the rest is the next round's.
MOST_A_ROUND = 200
_OVER = """
contact is not null and redeemed_at is null and (revoked_at is not null or expires_at <= statement_timestamp())"""
_CLINICS = "select clinic_id from operational.clinic order by clinic_id"
_FIND = f"""
select invitation_id, dependent_id from operational.guardian_invitation
where clinic_id = %s and basis is not null and {_OVER} order by expires_at limit %s"""  # nosec B608 # a constant
# It may have been confirmed since it was found.
_FORGET = f"""
update operational.guardian_invitation set contact = null
where invitation_id = %s and {_OVER}"""  # nosec B608 # a constant


async def forget_expired(pool: Pool) -> int:
    """Forget the sealed addresses of what ran out or was taken back at every clinic; how many."""
    async with pool.connection() as connection:
        clinics = await (await connection.execute(_CLINICS)).fetchall()
    return sum([await _forget(pool, row["clinic_id"]) for row in clinics])


async def _forget(pool: Pool, clinic_id: int) -> int:
    forgotten = 0
    async with pool.connection() as connection, connection.transaction():
        await enter(connection, {"cloister.clinic_id": str(clinic_id), "cloister.person_id": ""})
        for row in await (await connection.execute(_FIND, [clinic_id, MOST_A_ROUND])).fetchall():
            # It is found at its clinic, and changed in the context of the adult alone.
            await enter(connection, {"cloister.person_id": str(row["dependent_id"])})
            forgotten += (await connection.execute(_FORGET, [row["invitation_id"]])).rowcount
    return forgotten
