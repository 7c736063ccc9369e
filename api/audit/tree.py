"""Sizes, hashes, signatures and public keys of the sealed log: nothing of it tells of anybody."""

from dataclasses import dataclass
from datetime import datetime

from api.database import Pool
from infra.audit_tree.tree import NODES, Plan
from infra.errors import NotThere
from policies.audit.merkle import Range

_NEWEST = """
select size, note, signed_at from audit.checkpoint where stream = %s order by size desc limit 1
"""
_SIGNERS = """
select verifier from (
    select * from audit.signer union all select * from audit.receipt_signer union all select * from audit.export_signer
) as signer
order by since desc, verifier
"""


@dataclass(frozen=True)
class Signed:
    """A tree as it was signed."""

    size: int
    note: str
    signed_at: datetime


async def newest(pool: Pool, stream: str) -> Signed:
    """The newest signed tree.

    Raises:
        NotThere: nothing is sealed yet.
    """
    async with pool.connection() as connection:
        row = await (await connection.execute(_NEWEST, [stream])).fetchone()
    if row is None:
        raise NotThere("nothing is sealed yet")
    return Signed(**row)


async def signers(pool: Pool) -> list[str]:
    """The public keys that ever signed, newest first."""
    async with pool.connection() as connection:
        return [row["verifier"] for row in await (await connection.execute(_SIGNERS)).fetchall()]


async def roots(pool: Pool, stream: str, ranges: list[Range]) -> list[bytes]:
    """The root of each range of leaves.

    Raises:
        TreeChanged: a hash is missing.
    """
    plan = Plan(tuple(ranges))
    async with pool.connection() as connection:
        rows = await (await connection.execute(NODES, plan.parameters(stream))).fetchall()
    return plan.hashes((row["place"], row["hash"]) for row in rows)
