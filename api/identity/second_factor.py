"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and recovery codes instead.

The secret lies encrypted with its principal. A code is good in its own half minute and the ones
beside it, and once: the step it was accepted for is kept. Failures rest the account as wrong
passwords do, on a count of their own, which a right password does not forget.
"""

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from uuid import UUID

import pyotp

from api.database import Connection
from api.identity.lockout import counted, rested
from api.identity.sealed import Sealed, Seals

PURPOSE = "totp"
STEP_SECONDS = 30
STEPS_BESIDE = 1
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits each: no slow hash is needed
ISSUER_NAME = "Cloister"

_CLAIM = f"""
update operational.principal set {counted("totp_failures", "totp_locked_until")}
where principal_id = %s and totp_secret is not null and disabled_at is null and {rested("totp_locked_until")}
returning totp_secret"""  # nosec B608 # constants
# Also decides between two who come with one code at once.
_ACCEPT = """
update operational.principal set totp_last_step = %(step)s, totp_failures = 0, totp_locked_until = null
where principal_id = %(principal)s and coalesce(totp_last_step, -1) < %(step)s
returning 1"""
_FORGET = """
update operational.principal set totp_failures = 0, totp_locked_until = null where principal_id = %s"""
_ENROL = """
update operational.principal
set totp_secret = %(secret)s, totp_last_step = %(step)s, totp_failures = 0, totp_locked_until = null
where principal_id = %(principal)s and totp_secret is null
returning 1"""
_PENDING = """
update operational.session set totp_pending = coalesce(totp_pending, %s) where session_id = %s
returning totp_pending"""
_USE_RECOVERY = """
update operational.recovery_code set used_at = statement_timestamp()
where principal_id = %s and code_hash = %s and used_at is null and replaced_at is null
returning 1"""
_REPLACE_RECOVERY = """
update operational.recovery_code set replaced_at = statement_timestamp()
where principal_id = %s and replaced_at is null"""
_ADD_RECOVERY = """
insert into operational.recovery_code (principal_id, code_hash) select %s, unnest(%s::bytea[])"""


@dataclass(frozen=True)
class Secret:
    """A TOTP secret in base32, as authenticator apps take it."""

    base32: str

    def __repr__(self) -> str:
        return "Secret(…)"

    @classmethod
    def fresh(cls) -> "Secret":
        """160 random bits (RFC 4226, section 4)."""
        return cls(pyotp.random_base32(32))

    def uri(self, login: str) -> str:
        """What the app scans."""
        return pyotp.TOTP(self.base32).provisioning_uri(name=login, issuer_name=ISSUER_NAME)

    def code(self, step: int | None = None) -> str:
        """The code of a step; of the present one if none is given."""
        return pyotp.TOTP(self.base32).at((current_step() if step is None else step) * STEP_SECONDS)

    def step_of(self, code: str) -> int | None:
        """The step around now that a code belongs to, if it belongs to any."""
        now = current_step()
        steps = range(now - STEPS_BESIDE, now + STEPS_BESIDE + 1)
        fitting = [step for step in steps if hmac.compare_digest(self.code(step).encode(), code.encode())]
        return fitting[0] if fitting else None


def current_step() -> int:
    """The number of the present half minute."""
    return int(time.time()) // STEP_SECONDS


async def pending(connection: Connection, seals: Seals, session_id: UUID) -> Secret:
    """The secret that this session may set up: shown to it alone, the same until it is confirmed."""
    async with connection.transaction():
        sealed = await seals.now(connection)
        fresh = sealed.seal("session", "totp_pending", session_id, Secret.fresh().base32.encode())
        row = await (await connection.execute(_PENDING, [fresh, session_id])).fetchone()
        if row is None:
            raise LookupError("no such session")
        sealed = await seals.now(connection)
        return Secret(sealed.open("session", "totp_pending", session_id, bytes(row["totp_pending"])).decode())


async def enrol(
    connection: Connection, seals: Seals, principal_id: UUID, secret: Secret, code: str
) -> list[str] | None:
    """Set up a secret that a code proves; return the recovery codes. None: wrong code, or set up already.

    The caller's transaction makes it stand.
    """
    step = secret.step_of(tidy(code))
    if step is None:
        return None
    sealed = await seals.now(connection)
    values = {"secret": seal(sealed, principal_id, secret), "step": step, "principal": principal_id}
    if await (await connection.execute(_ENROL, values)).fetchone() is None:
        return None
    codes = [recovery_code() for _ in range(RECOVERY_CODES)]
    await connection.execute(_REPLACE_RECOVERY, [principal_id])
    await connection.execute(_ADD_RECOVERY, [principal_id, [_hash(code) for code in codes]])
    return codes


async def verify(connection: Connection, seals: Seals, principal_id: UUID, code: str) -> str | None:
    """What a good code was, `code` or `recovery`; None if it is wrong or used, or the account rests."""
    async with connection.transaction():
        return await _verify(connection, seals, principal_id, code)


async def _verify(connection: Connection, seals: Seals, principal_id: UUID, code: str) -> str | None:
    claimed = await (await connection.execute(_CLAIM, [principal_id])).fetchone()
    if claimed is None:
        return None
    given = tidy(code)
    sealed = await seals.now(connection)
    stored = sealed.open("principal", "totp_secret", principal_id, bytes(claimed["totp_secret"]))
    step = Secret(stored.decode()).step_of(given)
    if step is not None:
        accepted = await connection.execute(_ACCEPT, {"step": step, "principal": principal_id})
        return "code" if await accepted.fetchone() else None
    used = await connection.execute(_USE_RECOVERY, [principal_id, _hash(given)])
    if await used.fetchone() is None:
        return None
    await connection.execute(_FORGET, [principal_id])
    return "recovery"


def seal(sealed: Sealed, principal_id: UUID, secret: Secret) -> bytes:
    """A secret as its principal's row keeps it."""
    return sealed.seal("principal", "totp_secret", principal_id, secret.base32.encode())


def recovery_code() -> str:
    """A random recovery code: sixteen of a-z and 2-7, in fours."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def tidy(code: str) -> str:
    """A code without the blanks and dashes that people and apps put into it."""
    return "".join(character for character in code.lower() if character.isalnum())


def _hash(code: str) -> bytes:
    return hashlib.sha256(tidy(code).encode()).digest()
