"""Browser sessions: a random token in a cookie, its hash in the database, ended on the server."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from api.database import Connection
from api.identity.principals import COLUMNS, Principal

COOKIE = "cloister_session"
IDLE_MINUTES = 30
LIFETIME_HOURS = 12

_OPEN = f"""
insert into operational.session (session_hash, principal_id, csrf_token, expires_at)
values (%s, %s, %s, statement_timestamp() + interval '{LIFETIME_HOURS} hours')"""  # nosec B608: constants
_FIND = f"""
select {COLUMNS}, s.csrf_token, s.last_seen_at < statement_timestamp() - interval '1 minute' as stale
from operational.session as s
inner join operational.principal as p on p.principal_id = s.principal_id
where s.session_hash = %s and s.revoked_at is null and p.disabled_at is null
    and s.expires_at > statement_timestamp()
    and s.last_seen_at > statement_timestamp() - interval '{IDLE_MINUTES} minutes'
"""  # nosec B608: constants
_SEEN = "update operational.session set last_seen_at = statement_timestamp() where session_hash = %s"
_CLOSE = """
update operational.session set revoked_at = statement_timestamp() where session_hash = %s and revoked_at is null"""


@dataclass(frozen=True)
class Session:
    """A live session: who it is, and the token that its forms carry."""

    principal: Principal
    csrf_token: str

    def accepts(self, csrf_token: str) -> bool:
        """Whether a form came from one of this session's own pages."""
        return hmac.compare_digest(self.csrf_token.encode(), csrf_token.encode())


async def start(connection: Connection, principal_id: UUID) -> str:
    """Open a session; return the token for its cookie. Never reuses one: signing in rotates it."""
    token = secrets.token_urlsafe(32)
    await connection.execute(_OPEN, [_hash(token), principal_id, secrets.token_urlsafe(32)])
    return token


async def find(connection: Connection, token: str) -> Session | None:
    """The live session of a cookie's token."""
    row = await (await connection.execute(_FIND, [_hash(token)])).fetchone()
    if row is None:
        return None
    if row["stale"]:
        await connection.execute(_SEEN, [_hash(token)])
    return Session(Principal.of(row, session_name(token)), row["csrf_token"])


async def end(connection: Connection, token: str) -> None:
    """Revoke a session."""
    await connection.execute(_CLOSE, [_hash(token)])


def session_name(token: str) -> str:
    """How events name a session: not enough to be one."""
    return f"session:{_hash(token).hex()[:16]}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
