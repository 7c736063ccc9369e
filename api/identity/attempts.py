"""How many sign-ins one address may try: token buckets in the database, one for all replicas.

An attempt that succeeds gives its token back: a whole clinic behind one address signs in every
morning, and what is to be slow is guessing.
"""

import secrets

from api.database import Connection
from api.limits import TooMany

_FILLED = """least(%(burst)s, b.tokens + %(rate)s
    * greatest(0, extract(epoch from statement_timestamp() - b.refilled_at)::double precision))"""
_TAKE = f"""
insert into operational.sign_in_bucket as b (bucket, tokens, refilled_at)
values (%(bucket)s, %(burst)s - 1, statement_timestamp())
on conflict (bucket) do update set tokens = {_FILLED} - 1, refilled_at = statement_timestamp()
where {_FILLED} >= 1
returning tokens"""  # nosec B608 # constants
_GIVE = """
update operational.sign_in_bucket set tokens = least(%(burst)s, tokens + 1) where bucket = %(bucket)s"""
# A bucket that had time to fill up is as good as none.
_SWEEP = """
delete from operational.sign_in_bucket
where refilled_at < statement_timestamp() - make_interval(secs => %(burst)s / %(rate)s)"""
_SWEPT_ONE_IN = 50


class Attempts:
    """Buckets of `per_minute` tokens that fill up again in a minute; 0 is no limit."""

    def __init__(self, per_minute: float) -> None:
        self._values = {"burst": float(per_minute), "rate": per_minute / 60}

    async def take(self, connection: Connection, address: str) -> None:
        """Count an attempt of an address before anything is looked at.

        Raises:
            TooMany: its bucket is empty.
        """
        if not self._values["rate"]:
            return
        if secrets.randbelow(_SWEPT_ONE_IN) == 0:
            await connection.execute(_SWEEP, self._values)
        taken = await connection.execute(_TAKE, {**self._values, "bucket": address})
        if await taken.fetchone() is None:
            raise TooMany(1 / self._values["rate"])

    async def give(self, connection: Connection, address: str) -> None:
        """Forget an attempt that was no guess."""
        if self._values["rate"]:
            await connection.execute(_GIVE, {**self._values, "bucket": address})
