"""Accounts made on this machine by an operator. Each one is an event.

Nothing here is reachable over the network; the caller holds the instance's secrets folder.
"""

from uuid import UUID

import psycopg

from api.identity.passwords import ENDED_WITH_PASSWORD, SHORTEST_PASSWORD, hasher
from api.identity.principals import NEXT_SECOND
from infra.audit import record_process
from infra.database import Server, connect, set_context
from infra.errors import InvalidInput
from infra.roles import Login
from policies.text import fault_of_identifier, fault_of_name
from policies.words import CLINIC_ROLES, PLATFORM_ROLES, AccountAction, Role

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
_STORE = f"""
insert into operational.principal (kind, login, display_name, password_hash) values (%s, %s, %s, %s)
on conflict (login) do update set failed_attempts = 0, locked_until = null,
    password_hash = coalesce(excluded.password_hash, principal.password_hash),
    tokens_valid_from = case
        when excluded.password_hash is null then principal.tokens_valid_from else {NEXT_SECOND}
    end
    where principal.kind = excluded.kind
returning principal_id"""  # nosec B608 # constants


def add_user(at: Server, login: str, name: str, role: Role, clinic: str | None, password: str | None) -> UUID:
    """Make an account with one role, or give an existing one another role; return its id.

    Without a password the account is for another issuer's tokens. A new password ends its sessions, tokens and links.

    Raises:
        InvalidInput: the role needs a clinic, or has none; no such clinic; the password is too short;
            the login or name holds characters that do not show.
    """
    check_identifier(login, "login")
    check_name(name, "name")
    if role not in CLINIC_ROLES | PLATFORM_ROLES:
        raise InvalidInput(f"'{role.value}' is not a role that an operator gives", place="role")
    if (role in CLINIC_ROLES) != (clinic is not None):
        needs = "needs a clinic" if role in CLINIC_ROLES else "is the platform's"
        raise InvalidInput(f"the role {role.value} {needs}", place="clinic")
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise InvalidInput(f"a password has at least {SHORTEST_PASSWORD} characters", place="password")
    with connect(Login.SERVICE, at=at) as connection:
        password_hash = hasher().hash(password) if password is not None else None
        principal_id = store_principal(connection, "human", login, name, password_hash)
        give_role(connection, principal_id, role, clinic)
        return principal_id


def link_specialist(at: Server, login: str, clinic: str, name: str) -> None:
    """Say whom a clinic's records mean by the name of a specialist; a name linked before moves to this account.

    Raises:
        InvalidInput: no such clinic, or the login is no specialist of it.
    """
    with connect(Login.SERVICE, at=at) as connection:
        clinic_id = clinic_id_of(connection, clinic)
        row = connection.execute(_SPECIALIST, [login, Role.SPECIALIST.value, clinic_id]).fetchone()
        if row is None:
            raise InvalidInput("the login is no specialist of this clinic", place="login")
        set_context(connection, clinic_id=clinic_id)
        connection.execute(_LINK, [clinic_id, name, row[0]])
        note(connection, AccountAction.SPECIALIST_LINK, "principal", str(row[0]), clinic_id)


def find_principal(at: Server, login: str) -> tuple[UUID, int]:
    """Id of the account with that login, and from which second on tokens of its are good.

    Raises:
        InvalidInput: there is none, or it is disabled.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(
            "select principal_id, coalesce(extract(epoch from tokens_valid_from), 0)::bigint"
            " from operational.principal where login = %s and disabled_at is null",
            [login],
        ).fetchone()
        if row is None:
            raise InvalidInput("there is no such login", place="login", hint="`cloister user add`")
        note(connection, AccountAction.TOKEN_ISSUE, "principal", str(row[0]), None)
    return row[0], row[1]


def check_identifier(text: str, place: str) -> None:
    """Make sure that a login people compare by eye holds nothing that does not show.

    Raises:
        InvalidInput: it does, or is empty.
    """
    _check(text, place, fault_of_identifier(text))


def check_name(text: str, place: str) -> None:
    """The same of a name, which may hold joiners.

    Raises:
        InvalidInput: it holds what does not show, or is empty.
    """
    _check(text, place, fault_of_name(text))


def _check(text: str, place: str, fault: str | None) -> None:
    if not text.strip() or fault:
        raise InvalidInput("empty, too long, or with characters that do not show", place=place)


def store_principal(
    connection: psycopg.Connection, kind: str, login: str, name: str, password_hash: str | None
) -> UUID:
    """Insert a principal, or set an existing one's password; return its id.

    Raises:
        InvalidInput: the login is a system's and this is a person's, or the other way round.
    """
    row = connection.execute(_STORE, [kind, login, name, password_hash]).fetchone()
    if row is None:
        raise InvalidInput("a person and a system cannot share a login", place="login")
    if password_hash is not None:
        for statement in ENDED_WITH_PASSWORD:
            connection.execute(statement, {"principal": row[0]})
    note(connection, AccountAction.PRINCIPAL_ADD, "principal", str(row[0]), None)
    found: UUID = row[0]
    return found


def give_role(connection: psycopg.Connection, principal_id: UUID, role: Role, clinic: str | None) -> None:
    """Give a role, again if it was taken away."""
    clinic_id = clinic_id_of(connection, clinic) if clinic else None
    connection.execute(
        "insert into operational.principal_role (principal_id, role, clinic_id) values (%s, %s, %s)"
        " on conflict (principal_id, role, clinic_id) do update set revoked_at = null",
        [principal_id, role.value, clinic_id],
    )
    note(connection, AccountAction.ROLE_GRANT, role.value, str(principal_id), clinic_id)


def clinic_id_of(connection: psycopg.Connection, slug: str) -> int:
    """Id of a clinic.

    Raises:
        InvalidInput: there is none of that slug.
    """
    row = connection.execute("select clinic_id from operational.clinic where slug = %s", [slug]).fetchone()
    if row is None:
        raise InvalidInput("there is no such clinic", place="clinic", hint="`cloister clinic add`")
    found: int = row[0]
    return found


def note(
    connection: psycopg.Connection, action: AccountAction, kind: str, resource_id: str, clinic_id: int | None
) -> None:
    """Record what an operator did, in the transaction that does it."""
    record_process(
        connection,
        role="operator",
        action=action,
        resource_type=kind,
        resource_id=resource_id,
        clinic_id=clinic_id,
    )
