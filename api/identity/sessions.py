"""Browser sessions: a random token in a cookie, its hash in the database, ended on the server."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from api.database import Connection
from api.identity.principals import COLUMNS, Principal

COOKIE = "cloister_session"
IDLE_MINUTES = 30
LIFETIME_HOURS = 12

_LIVE = f"""s.revoked_at is null and s.expires_at > statement_timestamp()
    and s.last_seen_at > statement_timestamp() - interval '{IDLE_MINUTES} minutes'"""
_OPEN = f"""
insert into operational.session (session_hash, principal_id, csrf_token, expires_at, second_factor_at, origin, agent)
values (%(hash)s, %(principal)s, %(csrf)s, statement_timestamp() + interval '{LIFETIME_HOURS} hours',
    case when %(second_factor)s then statement_timestamp() end, %(origin)s::inet, %(agent)s)"""  # nosec B608 # constants
_FIND = f"""
select {COLUMNS}, s.session_id, s.csrf_token, s.second_factor_at is not null as second_factor,
    s.last_seen_at < statement_timestamp() - interval '1 minute' as stale
from operational.session as s
inner join operational.principal as p on p.principal_id = s.principal_id
where s.session_hash = %s and p.disabled_at is null and {_LIVE}"""  # nosec B608 # constants
_SEEN = "update operational.session set last_seen_at = statement_timestamp() where session_hash = %s"
_CLOSE = """
update operational.session set revoked_at = statement_timestamp() where session_hash = %s and revoked_at is null"""
_LIST = f"""
select s.session_id, s.created_at, s.last_seen_at, s.expires_at, host(s.origin) as origin, s.agent
from operational.session as s
where s.principal_id = %s and {_LIVE}
order by s.last_seen_at desc, s.session_id"""  # nosec B608 # constants
_END_ONE = f"""
update operational.session as s set revoked_at = statement_timestamp()
where s.principal_id = %s and s.session_id = %s and {_LIVE}
returning 1"""  # nosec B608 # constants
_END_OTHERS = f"""
update operational.session as s set revoked_at = statement_timestamp()
where s.principal_id = %s and s.session_id <> %s and {_LIVE}
returning 1"""  # nosec B608 # constants


@dataclass(frozen=True)
class Session:
    """A live session: who it is, and the token that its forms carry."""

    principal: Principal
    csrf_token: str
    session_id: UUID
    second_factor: bool

    @property
    def complete(self) -> bool:
        """Whether it is signed in: a role given meanwhile may ask for a code first."""
        return self.second_factor or not self.principal.needs_code

    def accepts(self, csrf_token: str) -> bool:
        """Whether a form came from one of this session's own pages."""
        return hmac.compare_digest(self.csrf_token.encode(), csrf_token.encode())


@dataclass(frozen=True)
class Device:
    """Where a session was opened: an address, and the browser in a word."""

    origin: str | None = None
    agent: str | None = None


@dataclass(frozen=True)
class Listed:
    """A live session as its owner sees it listed."""

    session_id: UUID
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    origin: str | None
    agent: str | None


async def start(
    connection: Connection, principal_id: UUID, device: Device = Device(), *, second_factor: bool = False
) -> str:
    """Open a session; return the token for its cookie. Never reuses one: signing in rotates it."""
    token = secrets.token_urlsafe(32)
    values: dict[str, Any] = {
        "hash": _hash(token),
        "principal": principal_id,
        "csrf": secrets.token_urlsafe(32),
        "second_factor": second_factor,
        "origin": device.origin,
        "agent": device.agent,
    }
    await connection.execute(_OPEN, values)
    return token


async def find(connection: Connection, token: str) -> Session | None:
    """The live session of a cookie's token."""
    row = await (await connection.execute(_FIND, [_hash(token)])).fetchone()
    if row is None:
        return None
    if row["stale"]:
        await connection.execute(_SEEN, [_hash(token)])
    principal = Principal.of(row, session_name(token))
    return Session(principal, row["csrf_token"], row["session_id"], row["second_factor"])


async def of_principal(connection: Connection, principal_id: UUID) -> list[Listed]:
    """The live sessions of a principal, the one used last first."""
    found = await connection.execute(_LIST, [principal_id])
    return [Listed(**row) for row in await found.fetchall()]


async def end_one(connection: Connection, principal_id: UUID, session_id: UUID) -> bool:
    """Revoke a session of that principal; False if it has no such live one."""
    return await (await connection.execute(_END_ONE, [principal_id, session_id])).fetchone() is not None


async def end_others(connection: Connection, principal_id: UUID, session_id: UUID) -> int:
    """Revoke all sessions of a principal but this one; return how many."""
    return len(await (await connection.execute(_END_OTHERS, [principal_id, session_id])).fetchall())


async def end(connection: Connection, token: str) -> None:
    """Revoke a session."""
    await connection.execute(_CLOSE, [_hash(token)])


def browser(agent: str) -> str | None:
    """A browser and system in words, out of a User-Agent header: enough to know one's own again."""
    browsers = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrom": "Chrome", "Safari": "Safari"}
    systems = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "macOS",
               "Linux": "Linux"}  # fmt: skip
    name = next((name for part, name in browsers.items() if part in agent), None)
    system = next((name for part, name in systems.items() if part in agent), None)
    return f"{name} on {system}" if name and system else name


def session_name(token: str) -> str:
    """How events name a session: not enough to be one."""
    return f"session:{_hash(token).hex()[:16]}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
