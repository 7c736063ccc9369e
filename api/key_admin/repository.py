"""API keys in the database, those of the work's clinic alone."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api import system_keys
from api.gateway import Work
from api.identity import api_keys
from infra.errors import InvalidInput
from policies.words import Role

# A person's login is never a system's.
_SYSTEM = sql.SQL("""
insert into operational.principal as p (kind, login, display_name) values ('system', %(login)s, %(login)s)
on conflict (login) do update set display_name = p.display_name where p.kind = 'system'
returning principal_id""")
_ROLE = sql.SQL("""
insert into operational.principal_role (principal_id, role, clinic_id) values (%(principal)s, %(role)s, %(clinic)s)
on conflict (principal_id, role, clinic_id) do update set revoked_at = null""")


async def keys(work: Work, clinic: str) -> list[dict[str, Any]]:
    """The clinic's keys by login."""
    return await work.run(sql.SQL(system_keys.LIST), clinic=clinic)


async def system(work: Work, login: str) -> UUID:
    """The system of that login, made if there is none; it may use keys at the work's clinic from now on.

    Raises:
        InvalidInput: a person has the login.
    """
    rows = await work.run(_SYSTEM, login=login)
    if not rows:
        raise InvalidInput("a person and a system cannot share a login", place="body.login", rule="of_a_person")
    found: UUID = rows[0]["principal_id"]
    await work.run(_ROLE, principal=found, role=Role.AUTOMATION_SYSTEM.value, clinic=work.clinic_id)
    return found


async def add(work: Work, fresh: api_keys.FreshKey, scope: dict[str, Any], days: int) -> UUID:
    """Store a new key of that scope; its id."""
    values = {**scope, "clinic": work.clinic_id, "prefix": fresh.prefix, "hash": fresh.key_hash, "days": days}
    (row,) = await work.run(sql.SQL(system_keys.ADD), **values)
    found: UUID = row["key_id"]
    return found


async def held(work: Work, prefix: str) -> dict[str, Any] | None:
    """A key of the clinic that nobody ended, held until the work is done."""
    rows = await work.run(sql.SQL(system_keys.FIND), prefix=prefix, at=work.clinic_id)
    return rows[0] if rows else None


async def replace(work: Work, key_id: UUID, successor: UUID, overlap_days: int) -> None:
    """Have a key end after the overlap, in favour of its successor."""
    await work.run(sql.SQL(system_keys.REPLACE), key=key_id, successor=successor, overlap=overlap_days)


async def end(work: Work, prefix: str) -> bool:
    """End a key of the clinic at once; False if there is none that could be."""
    return bool(await work.run(sql.SQL(system_keys.REVOKE), prefix=prefix, at=work.clinic_id))
