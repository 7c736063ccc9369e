"""The public page on which newcomers book: a system of the clinic that has no key, and may book and nothing else.

Nobody can come as it; the page itself acts as it, once an operator has opened it for a clinic.
"""

from api.accounts import clinic_id_of, give_role, note, store_principal
from api.database import Connection
from api.identity.principals import COLUMNS, Principal
from api.system_keys import BOOKINGS
from infra.database import Server, connect
from infra.errors import InvalidInput
from infra.roles import Login
from policies.access.model import KeyScope
from policies.words import AccountAction, Purpose, Role

_OF_PAGES = "booking-page."
_FIND = f"""
select {COLUMNS}
from operational.principal as p
inner join operational.principal_role as held on held.principal_id = p.principal_id and held.revoked_at is null
inner join operational.clinic as c on c.clinic_id = held.clinic_id and c.archived_at is null
where p.login = %s and p.kind = 'system' and p.disabled_at is null and held.role = %s and c.slug = %s"""  # nosec B608 # constants
_CLOSE = """
update operational.principal_role set revoked_at = statement_timestamp()
where clinic_id = %s and revoked_at is null
    and principal_id = (select principal_id from operational.principal where login = %s and kind = 'system')"""


def open_page(at: Server, clinic: str) -> None:
    """Let newcomers book at a clinic on its page.

    Raises:
        InvalidInput: no such clinic.
    """
    with connect(Login.SERVICE, at=at) as connection:
        principal_id = store_principal(connection, "system", login_of(clinic), f"Booking page of {clinic}", None)
        give_role(connection, principal_id, Role.AUTOMATION_SYSTEM, clinic)


def close_page(at: Server, clinic: str) -> None:
    """Let newcomers book no more; what they booked stays.

    Raises:
        InvalidInput: no such clinic.
    """
    with connect(Login.SERVICE, at=at) as connection:
        clinic_id = clinic_id_of(connection, clinic)
        connection.execute(_CLOSE, [clinic_id, login_of(clinic)])
        note(connection, AccountAction.API_KEY_REVOKE, "principal", login_of(clinic), clinic_id)


async def page_of(connection: Connection, clinic: str) -> Principal | None:
    """As whom a clinic's page books; None where it is closed."""
    asked = [login_of(clinic), Role.AUTOMATION_SYSTEM.value, clinic]
    row = await (await connection.execute(_FIND, asked)).fetchone()
    scope = KeyScope(clinic, frozenset({BOOKINGS}), Purpose.OPERATIONS, frozenset())
    return Principal.of(row, "booking-page").with_key(scope) if row else None


def is_page(principal: Principal) -> bool:
    """Whether it is a clinic's page that acts: who books there has proven nothing."""
    return principal.key is not None and principal.login == login_of(principal.key.clinic)


def login_of(clinic: str) -> str:
    """The login of a clinic's page."""
    return f"{_OF_PAGES}{clinic}"


def refuse_page(login: str) -> None:
    """Have no account or key made of a page's login: a page is opened by the operator alone.

    Raises:
        InvalidInput: it is one.
    """
    if login.startswith(_OF_PAGES):
        raise InvalidInput("the login of a page", place="body.login", rule="of_a_page")
