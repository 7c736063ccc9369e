"""API keys made, replaced and revoked on this machine by an operator. Each change is an event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from api.accounts import check_identifier, clinic_id_of, give_role, note, store_principal
from api.identity import api_keys
from infra.database import Server, connect
from infra.errors import InvalidInput, Refused
from infra.roles import Login
from policies.classification import Field, ProfileField
from policies.words import AccountAction, Purpose, Role

# Beside fields, a key's scope may name this: it books, moves and cancels appointments.
BOOKINGS = "bookings"
SCOPES = sorted({*Field, *ProfileField, BOOKINGS})
KEY_DAYS = 365
OVERLAP_DAYS = 7

ADD = """
insert into operational.api_key (principal_id, clinic_id, prefix, key_hash, segments, fields, purpose, expires_at)
values (%(principal)s, %(clinic)s, %(prefix)s, %(hash)s, %(segments)s, %(fields)s, %(purpose)s,
    statement_timestamp() + make_interval(days => %(days)s))
returning key_id"""
# At any clinic, or only at one.
FIND = """
select key_id, principal_id, clinic_id, segments, fields, purpose, replaced_by,
    expires_at > statement_timestamp() as live
from operational.api_key
where
    prefix = %(prefix)s and revoked_at is null and (%(at)s::integer is null or clinic_id = %(at)s)
for update"""
REPLACE = """
update operational.api_key
set
    replaced_by = %(successor)s,
    expires_at = least(expires_at, statement_timestamp() + make_interval(days => %(overlap)s))
where key_id = %(key)s"""
REVOKE = """
update operational.api_key set revoked_at = statement_timestamp()
where prefix = %(prefix)s and revoked_at is null and (%(at)s::integer is null or clinic_id = %(at)s)
returning clinic_id"""
LIST = """
select k.prefix, p.login, c.slug as clinic, k.purpose, k.fields, k.segments, k.expires_at, k.last_used_at,
    case when k.revoked_at is not null then 'revoked' when k.expires_at <= statement_timestamp() then 'expired'
        when k.replaced_by is not null then 'replaced' else 'good' end as state
from operational.api_key as k
inner join operational.principal as p on p.principal_id = k.principal_id
inner join operational.clinic as c on c.clinic_id = k.clinic_id
where %(clinic)s::text is null or c.slug = %(clinic)s
order by c.slug, p.login, k.created_at"""


@dataclass(frozen=True)
class ListedKey:
    """A key without its secret, which nobody has but its owner."""

    prefix: str
    login: str
    clinic: str
    purpose: str
    fields: list[str]
    segments: list[str] | None
    expires_at: datetime
    last_used_at: datetime | None
    state: str


def add_api_key(
    at: Server,
    login: str,
    clinic: str,
    *,
    fields: Sequence[str] = (),
    segments: Sequence[str] | None = None,
    purpose: Purpose = Purpose.OPERATIONS,
    days: int = KEY_DAYS,
) -> str:
    """Make an API key of a system for one clinic; return it: it is never shown again.

    Raises:
        InvalidInput: no such clinic or field, or a login with characters that do not show.
    """
    check_identifier(login, "login")
    if unknown := sorted({*fields} - {*SCOPES}):
        raise InvalidInput(f"no field '{unknown[0]}'", place="field", hint=f"there are {', '.join(SCOPES)}")
    with connect(Login.SERVICE, at=at) as connection:
        principal_id = store_principal(connection, "system", login, login, None)
        clinic_id = clinic_id_of(connection, clinic)
        give_role(connection, principal_id, Role.AUTOMATION_SYSTEM, clinic)
        scope = {
            "principal": principal_id,
            "clinic": clinic_id,
            "segments": list(segments) if segments is not None else None,
            "fields": sorted({Field.PATIENT_ID, *fields}),
            "purpose": purpose,
        }
        fresh, _ = _store(connection, scope, days)
        note(connection, AccountAction.API_KEY_ADD, "api_key", fresh.prefix, clinic_id)
    return fresh.clear


def rotate(at: Server, prefix: str, *, overlap_days: int = OVERLAP_DAYS, days: int = KEY_DAYS) -> str:
    """Make a key of the same scope in place of one, which stays good for the overlap; return the new one.

    Raises:
        InvalidInput: no such key, or a revoked one.
        Refused: it has ended, or was replaced already.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(FIND, {"prefix": prefix, "at": None}).fetchone()
        if row is None:
            raise _no_key()
        key_id, principal_id, clinic_id, segments, fields, purpose, replaced_by, live = row
        if replaced_by is not None or not live:
            raise Refused("that key was replaced or has ended", hint="`cloister api-key list`")
        scope = {"principal": principal_id, "clinic": clinic_id, "segments": segments, "fields": fields}
        fresh, successor = _store(connection, {**scope, "purpose": purpose}, days)
        connection.execute(REPLACE, {"successor": successor, "overlap": overlap_days, "key": key_id})
        note(connection, AccountAction.API_KEY_ROTATE, "api_key", fresh.prefix, clinic_id)
    return fresh.clear


def revoke(at: Server, prefix: str) -> None:
    """End a key at once.

    Raises:
        InvalidInput: no such key, or a revoked one.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(REVOKE, {"prefix": prefix, "at": None}).fetchone()
        if row is None:
            raise _no_key()
        note(connection, AccountAction.API_KEY_REVOKE, "api_key", prefix, row[0])


def list_keys(at: Server, clinic: str | None = None) -> list[ListedKey]:
    """All keys, or one clinic's, ended ones as well."""
    with connect(Login.SERVICE, at=at) as connection, connection.cursor(row_factory=class_row(ListedKey)) as cursor:
        return cursor.execute(LIST, {"clinic": clinic}).fetchall()


def _store(connection: psycopg.Connection, scope: dict[str, Any], days: int) -> tuple[api_keys.FreshKey, UUID]:
    fresh = api_keys.make()
    values = {**scope, "prefix": fresh.prefix, "hash": fresh.key_hash, "days": days}
    row = connection.execute(ADD, values).fetchone()
    if row is None:
        raise LookupError("the key was not stored")
    return fresh, row[0]


def _no_key() -> InvalidInput:
    return InvalidInput("there is no such key", place="prefix", hint="`cloister api-key list`")
