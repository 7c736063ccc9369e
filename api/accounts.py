"""Accounts made on this machine: by an operator, or for a demo. Each one is an event.

Nothing here is reachable over the network; the caller holds the instance's secrets folder.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import psycopg

from api.identity import api_keys
from api.identity.passwords import hasher
from infra.audit import record_process
from infra.database import Server, connect, set_context
from infra.errors import InvalidInput, Refused
from infra.roles import Login
from infra.settings import Mode, settings
from policies.classification import Field, ProfileField
from policies.words import CLINIC_ROLES, PLATFORM_ROLES, AccountAction, Purpose, Role

SHORTEST_PASSWORD = 10
MOST_MANAGERS = 10
KEY_DAYS = 365

_SPECIALIST = """
select p.principal_id
from operational.principal as p
inner join operational.principal_role as r on r.principal_id = p.principal_id and r.revoked_at is null
where p.login = %s and p.disabled_at is null and r.role = %s and r.clinic_id = %s"""
_LINK = """
insert into operational.specialist_name as s (clinic_id, name, principal_id) values (%s, %s, %s)
on conflict (clinic_id, name) do update
    set principal_id = excluded.principal_id, linked_at = excluded.linked_at, unlinked_at = null
    where s.principal_id <> excluded.principal_id or s.unlinked_at is not null"""


@dataclass(frozen=True)
class Account:
    """Something to sign in with, as `demo-accounts.json` keeps it: a password or an API key."""

    login: str
    name: str
    role: str
    clinic: str | None
    secret: str

    def __repr__(self) -> str:
        return f"Account({self.login})"


def add_user(at: Server, login: str, name: str, role: Role, clinic: str | None, password: str) -> UUID:
    """Make an account with one role, or give an existing one another role; return its id.

    Raises:
        InvalidInput: the role needs a clinic, or has none; no such clinic; the password is too short.
    """
    if role not in CLINIC_ROLES | PLATFORM_ROLES:
        raise InvalidInput(f"'{role.value}' is not a role that an operator gives", place="role")
    if (role in CLINIC_ROLES) != (clinic is not None):
        needs = "needs a clinic" if role in CLINIC_ROLES else "is the platform's"
        raise InvalidInput(f"the role {role.value} {needs}", place="clinic")
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidInput(f"a password has at least {SHORTEST_PASSWORD} characters", place="password")
    with connect(Login.SERVICE, at=at) as connection:
        principal_id = _principal(connection, "human", login, name, hasher().hash(password))
        _give(connection, principal_id, role, clinic)
        return principal_id


def link_specialist(at: Server, login: str, clinic: str, name: str) -> None:
    """Say whom a clinic's records mean by the name of a specialist; a name linked before moves to this account.

    Raises:
        InvalidInput: no such clinic, or the login is no specialist of it.
    """
    with connect(Login.SERVICE, at=at) as connection:
        clinic_id = _clinic_id(connection, clinic)
        row = connection.execute(_SPECIALIST, [login, Role.SPECIALIST.value, clinic_id]).fetchone()
        if row is None:
            raise InvalidInput("the login is no specialist of this clinic", place="login")
        set_context(connection, clinic_id=clinic_id)
        connection.execute(_LINK, [clinic_id, name, row[0]])
        _note(connection, AccountAction.SPECIALIST_LINK, "principal", str(row[0]), clinic_id)


def add_api_key(
    at: Server,
    login: str,
    clinic: str,
    *,
    fields: Sequence[Field | ProfileField] = (Field.PATIENT_ID,),
    segments: Sequence[str] | None = None,
    purpose: Purpose = Purpose.OPERATIONS,
    days: int = KEY_DAYS,
) -> str:
    """Make an API key of a system for one clinic; return it: it is never shown again.

    Raises:
        InvalidInput: no such clinic.
    """
    fresh = api_keys.make()
    with connect(Login.SERVICE, at=at) as connection:
        principal_id = _principal(connection, "system", login, login, None)
        clinic_id = _clinic_id(connection, clinic)
        _give(connection, principal_id, Role.AUTOMATION_SYSTEM, clinic)
        connection.execute(
            "insert into operational.api_key"
            " (principal_id, clinic_id, prefix, key_hash, segments, fields, purpose, expires_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, statement_timestamp() + make_interval(days => %s))",
            [
                principal_id,
                clinic_id,
                fresh.prefix,
                fresh.key_hash,
                list(segments) if segments is not None else None,
                sorted({Field.PATIENT_ID.value, *(field.value for field in fields)}),
                purpose,
                days,
            ],
        )
        _note(connection, AccountAction.API_KEY_ADD, "api_key", fresh.prefix, clinic_id)
    return fresh.clear


def find_principal(at: Server, login: str) -> UUID:
    """Id of the account with that login.

    Raises:
        InvalidInput: there is none, or it is disabled.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(
            "select principal_id from operational.principal where login = %s and disabled_at is null", [login]
        ).fetchone()
        if row is None:
            raise InvalidInput("there is no such login", place="login", hint="`cloister user add`")
        _note(connection, AccountAction.TOKEN_ISSUE, "principal", str(row[0]), None)
    found: UUID = row[0]
    return found


def ensure_demo_accounts(at: Server, clinics: Sequence[str]) -> list[Account]:
    """The demo's accounts, made once with random secrets and kept in `demo-accounts.json` (0600).

    Managers of the first clinics, an auditor of the first one, a platform auditor, a platform
    admin, and an API key of the first clinic. Accounts whose secret is known stay as they are.

    Raises:
        Refused: the instance is not a demo.
    """
    if settings().effective_mode is not Mode.DEMO:
        raise Refused("demo accounts exist in demo mode alone")
    path = at.secrets_folder.parent / "demo-accounts.json"
    there = _logins(at)
    known = {account.login: account for account in _read(path) if account.login in there}
    accounts = [known.get(wanted.login) or _make(at, wanted) for wanted in _wanted(clinics)]
    _write(path, accounts)
    return accounts


def _logins(at: Server) -> set[str]:
    with connect(Login.SERVICE, at=at) as connection:
        return {row[0] for row in connection.execute("select login from operational.principal")}


def _wanted(clinics: Sequence[str]) -> list[Account]:
    def account(login: str, name: str, role: Role, clinic: str | None = None) -> Account:
        return Account(login, name, role.value, clinic, secrets.token_urlsafe(12))

    managed = [account(f"manager.{c}", f"Manager of {c}", Role.CLINIC_MANAGER, c) for c in clinics[:MOST_MANAGERS]]
    of_first = [account(f"auditor.{c}", f"Auditor of {c}", Role.CLINIC_AUDITOR, c) for c in clinics[:1]] + [
        account(f"automation.{c}", f"Automation of {c}", Role.AUTOMATION_SYSTEM, c) for c in clinics[:1]
    ]
    return [
        *managed,
        *of_first,
        account("auditor", "Platform auditor", Role.PLATFORM_AUDITOR),
        account("admin", "Platform admin", Role.PLATFORM_ADMIN),
    ]


def _make(at: Server, wanted: Account) -> Account:
    if wanted.role == Role.AUTOMATION_SYSTEM and wanted.clinic:
        return Account(**{**asdict(wanted), "secret": add_api_key(at, wanted.login, wanted.clinic)})
    add_user(at, wanted.login, wanted.name, Role(wanted.role), wanted.clinic, wanted.secret)
    return wanted


def _read(path: Path) -> list[Account]:
    return [Account(**row) for row in json.loads(path.read_text())] if path.exists() else []


def _write(path: Path, accounts: list[Account]) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps([asdict(account) for account in accounts], indent=1))
    fresh.replace(path)


def _principal(connection: psycopg.Connection, kind: str, login: str, name: str, password_hash: str | None) -> UUID:
    row = connection.execute(
        "insert into operational.principal (kind, login, display_name, password_hash) values (%s, %s, %s, %s)"
        " on conflict (login) do update set password_hash = excluded.password_hash, failed_attempts = 0,"
        " locked_until = null returning principal_id",
        [kind, login, name, password_hash],
    ).fetchone()
    if row is None:
        raise LookupError("the account was not stored")
    _note(connection, AccountAction.PRINCIPAL_ADD, "principal", str(row[0]), None)
    found: UUID = row[0]
    return found


def _give(connection: psycopg.Connection, principal_id: UUID, role: Role, clinic: str | None) -> None:
    clinic_id = _clinic_id(connection, clinic) if clinic else None
    connection.execute(
        "insert into operational.principal_role (principal_id, role, clinic_id) values (%s, %s, %s)"
        " on conflict (principal_id, role, clinic_id) do update set revoked_at = null",
        [principal_id, role.value, clinic_id],
    )
    _note(connection, AccountAction.ROLE_GRANT, role.value, str(principal_id), clinic_id)


def _clinic_id(connection: psycopg.Connection, slug: str) -> int:
    row = connection.execute("select clinic_id from operational.clinic where slug = %s", [slug]).fetchone()
    if row is None:
        raise InvalidInput("there is no such clinic", place="clinic", hint="`cloister clinic add`")
    found: int = row[0]
    return found


def _note(
    connection: psycopg.Connection, action: AccountAction, kind: str, resource_id: str, clinic_id: int | None
) -> None:
    record_process(
        connection,
        role="operator",
        action=action,
        resource_type=kind,
        resource_id=resource_id,
        clinic_id=clinic_id,
    )
