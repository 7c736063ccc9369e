"""API keys: `clk_<prefix>_<secret>`, shown once; the prefix finds the row, a hash proves the secret."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Any

from api.database import Connection
from api.identity.principals import COLUMNS, Principal
from policies.access.model import KeyScope
from policies.words import Purpose

START = "clk_"
PREFIX = re.compile(r"[0-9a-f]{12}")
_SESSION = "key:"

_FIND = f"""
select {COLUMNS}, k.key_id, k.key_hash, k.segments, k.fields, k.purpose, c.slug as clinic,
    coalesce(k.last_used_at < statement_timestamp() - interval '1 minute', true) as unnoted
from operational.api_key as k
inner join operational.principal as p on p.principal_id = k.principal_id
inner join operational.clinic as c on c.clinic_id = k.clinic_id
where {{}} = %s and k.revoked_at is null and k.expires_at > statement_timestamp() and p.disabled_at is null
    and exists (
        select from operational.principal_role as held
        where
            held.principal_id = k.principal_id and held.clinic_id = k.clinic_id
            and held.role = 'automation_system' and held.revoked_at is null
    )
"""  # nosec B608 # constants
_BY_PREFIX, _BY_ID = _FIND.format("k.prefix"), _FIND.format("k.key_id")
# Once a minute is enough to see that a key is in use.
_USED = """
update operational.api_key set last_used_at = statement_timestamp()
where key_id = %s and (last_used_at is null or last_used_at < statement_timestamp() - interval '1 minute')"""


@dataclass(frozen=True)
class FreshKey:
    """A new key: what its owner keeps, and what is stored."""

    clear: str
    prefix: str
    key_hash: bytes

    def __repr__(self) -> str:
        return f"FreshKey({self.prefix})"


def make() -> FreshKey:
    """A random key."""
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return FreshKey(f"{START}{prefix}_{secret}", prefix, _hash(secret))


async def verify(connection: Connection, clear: str) -> Principal | None:
    """The principal and scope of a key; None if it is unknown, wrong, expired or revoked."""
    prefix, _, secret = clear.removeprefix(START).partition("_")
    if not PREFIX.fullmatch(prefix):
        return None
    row = await (await connection.execute(_BY_PREFIX, [prefix])).fetchone()
    if row is None or not hmac.compare_digest(bytes(row["key_hash"]), _hash(secret)):
        return None
    if row["unnoted"]:
        await connection.execute(_USED, [row["key_id"]])
    return _principal(row)


async def anew(connection: Connection, principal: Principal) -> Principal | None:
    """The principal that came with a key, with what the key reaches by now; None if it is expired or revoked."""
    row = await (await connection.execute(_BY_ID, [principal.session_id.removeprefix(_SESSION)])).fetchone()
    return _principal(row) if row else None


def _principal(row: dict[str, Any]) -> Principal:
    segments = frozenset(row["segments"]) if row["segments"] is not None else None
    scope = KeyScope(row["clinic"], frozenset(row["fields"]), Purpose(row["purpose"]), segments)
    return Principal.of(row, f"{_SESSION}{row['key_id']}").with_key(scope)


def _hash(secret: str) -> bytes:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).digest()
