"""The accounts of a demo: made once with random secrets, kept in a private file."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from api.account_care import enrol
from api.accounts import add_user, link_specialist
from api.demo_people import give_address, make_own, unlinked_specialist
from api.identity import booking_pages
from api.identity.second_factor import Secret
from api.system_keys import add_api_key
from infra.database import Server, connect
from infra.encryption.provider import key_provider
from infra.errors import InvalidInput, Refused
from infra.roles import Login
from infra.settings import Mode, settings
from policies.words import PERSONAL_ROLES, SECOND_FACTOR_ROLES, Role

MOST_MANAGERS = 10


@dataclass(frozen=True)
class Account:
    """Something to sign in with, as `demo-accounts.json` keeps it: a password or an API key.

    `totp` is what an authenticator app would hold: a demo computes its codes itself.
    """

    login: str
    name: str
    role: str
    clinic: str | None
    secret: str
    totp: str | None = None

    def __repr__(self) -> str:
        return f"Account({self.login})"


def ensure_demo_accounts(at: Server, clinics: Sequence[str]) -> list[Account]:
    """The demo's accounts, made once with random secrets and kept in `demo-accounts.json` (0600).

    Managers of the first clinics; of the first one an auditor, a specialist, staff, a patient, a guardian and an
    API key; a platform auditor and a platform admin. Accounts whose secret is known stay as they are. The
    patient and the guardian have an email, so that what they are told arrives in the mailbox.

    Raises:
        Refused: the instance is not a demo.
    """
    if settings().effective_mode is not Mode.DEMO:
        raise Refused("demo accounts exist in demo mode alone")
    path, there = _path(at), _logins(at)
    known = {account.login: account for account in _read(path) if account.login in there}
    made = [known.get(wanted.login) or _make(at, wanted, clinics) for wanted in _wanted(clinics)]
    accounts = [_enrolled(at, account) for account in made if account]
    _write(path, accounts)
    keys = key_provider(settings(), at.secrets_folder)
    for account in accounts:
        if account.role in PERSONAL_ROLES:
            give_address(at, keys, account.login)
    if clinics and booking_pages.login_of(clinics[0]) not in there:
        booking_pages.open_page(at, clinics[0])
    return accounts


def demo_code(at: Server, login: str) -> str:
    """The code that the authenticator app of a demo's account would show now.

    Raises:
        Refused: the instance is not a demo.
        InvalidInput: no such account, or one that needs no code.
    """
    if settings().effective_mode is not Mode.DEMO:
        raise Refused("codes of others are computed in demo mode alone")
    secret = next((account.totp for account in _read(_path(at)) if account.login == login), None)
    if secret is None:
        raise InvalidInput("no demo account of that login needs a code", place="login")
    return Secret(secret).code()


def _path(at: Server) -> Path:
    return at.secrets_folder.parent / "demo-accounts.json"


def _logins(at: Server) -> set[str]:
    with connect(Login.SERVICE, at=at) as connection:
        return {row[0] for row in connection.execute("select login from operational.principal")}


def _wanted(clinics: Sequence[str]) -> list[Account]:
    def account(login: str, name: str, role: Role, clinic: str | None = None) -> Account:
        return Account(login, name, role.value, clinic, secrets.token_urlsafe(12))

    managed = [account(f"manager.{c}", f"Manager of {c}", Role.CLINIC_MANAGER, c) for c in clinics[:MOST_MANAGERS]]
    of_first = [
        account(f"{word}.{c}", f"{word.capitalize()} of {c}", role, c)
        for c in clinics[:1]
        for word, role in (
            ("auditor", Role.CLINIC_AUDITOR),
            ("automation", Role.AUTOMATION_SYSTEM),
            ("specialist", Role.SPECIALIST),
            ("staff", Role.CLINIC_STAFF),
        )
    ]
    return [
        *managed,
        *of_first,
        *(account(role.value, role.value.capitalize(), role) for role in (Role.PATIENT, Role.GUARDIAN) if clinics),
        account("auditor", "Platform auditor", Role.PLATFORM_AUDITOR),
        account("admin", "Platform admin", Role.PLATFORM_ADMIN),
    ]


def _make(at: Server, wanted: Account, clinics: Sequence[str]) -> Account | None:
    """The account; None of a person, if the first clinic has nobody who could have it."""
    if wanted.role in PERSONAL_ROLES:
        return wanted if make_own(at, clinics[0], Role(wanted.role), wanted.login, wanted.secret) else None
    if wanted.role == Role.AUTOMATION_SYSTEM and wanted.clinic:
        return Account(**{**asdict(wanted), "secret": add_api_key(at, wanted.login, wanted.clinic)})
    add_user(at, wanted.login, wanted.name, Role(wanted.role), wanted.clinic, wanted.secret)
    if wanted.role == Role.SPECIALIST and wanted.clinic and (name := unlinked_specialist(at, wanted.clinic)):
        link_specialist(at, wanted.login, wanted.clinic, name)
    return wanted


def _enrolled(at: Server, account: Account) -> Account:
    if account.totp or account.role not in SECOND_FACTOR_ROLES:
        return account
    secret = Secret.fresh()
    enrol(at, account.login, secret)
    return replace(account, totp=secret.base32)


def _read(path: Path) -> list[Account]:
    return [Account(**row) for row in json.loads(path.read_text())] if path.exists() else []


def _write(path: Path, accounts: list[Account]) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps([asdict(account) for account in accounts], indent=1))
    fresh.replace(path)
