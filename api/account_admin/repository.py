"""Accounts of who works here in the database; whoever has a person is a patient or guardian, and not among them."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api.account_care import CODES_AWAY
from api.gateway import Grant, Work
from api.identity.passwords import END_LINKS, END_SESSIONS
from api.identity.principals import NEXT_SECOND
from infra.errors import Refused
from policies.words import Role

_ACCOUNTS = sql.SQL("""
select
    p.principal_id as id, p.login, p.display_name as name, p.disabled_at,
    p.password_hash is not null as has_password, p.totp_secret is not null as has_codes,
    (select max(s.created_at) from operational.session as s where s.principal_id = p.principal_id) as signed_in_at,
    (
        select coalesce(jsonb_agg(jsonb_build_object('role', r.role, 'clinic', c.slug) order by c.slug, r.role), '[]')
        from operational.principal_role as r
        left join operational.clinic as c on c.clinic_id = r.clinic_id
        where r.principal_id = p.principal_id and r.revoked_at is null
    ) as roles
from operational.principal as p
where
    p.kind = 'human' and p.person_id is null and p.login > %(after)s
    and (%(account)s::uuid is null or p.principal_id = %(account)s)
    and (strpos(lower(p.login), lower(%(sought)s)) > 0 or strpos(lower(p.display_name), lower(%(sought)s)) > 0)
order by p.login limit %(most)s""")
_ADD = sql.SQL("""
insert into operational.principal (kind, login, display_name) values ('human', %(login)s, %(name)s)
returning principal_id""")
_GIVE = sql.SQL("""
insert into operational.principal_role (principal_id, role, clinic_id, given_by)
values (%(account)s, %(role)s, %(clinic)s, %(by)s)
on conflict (principal_id, role, clinic_id) do update
    set revoked_at = null, granted_at = statement_timestamp(), given_by = excluded.given_by
    where principal_role.revoked_at is not null""")
_END = sql.SQL("""
update operational.principal_role set revoked_at = statement_timestamp()
where principal_id = %(account)s and role = %(role)s and clinic_id = %(clinic)s and revoked_at is null
returning role""")
_DISABLE = sql.SQL(f"""
update operational.principal
set disabled_at = statement_timestamp(), tokens_valid_from = {NEXT_SECOND}
where principal_id = %(principal)s and disabled_at is null""")  # nosec B608 # a constant
_ENABLE = sql.SQL("update operational.principal set disabled_at = null where principal_id = %(principal)s")


async def accounts(grant: Grant, sought: str, after: str, most: int) -> list[dict[str, Any]]:
    """Accounts whose login or name holds a text, by login, from one login on."""
    return await grant.read(_ACCOUNTS, sql.SQL("login"), sought=sought, after=after, most=most, account=None)


async def account(grant: Grant, account_id: UUID) -> dict[str, Any] | None:
    """One account; None if there is none of that id among them."""
    rows = await grant.read(_ACCOUNTS, sql.SQL("login"), sought="", after="", most=1, account=account_id)
    return rows[0] if rows else None


async def add(work: Work, login: str, name: str) -> UUID:
    """Store a new account, without a password.

    Raises:
        Refused: somebody has the login.
    """
    taken = Refused("the login is taken", place="body.login", rule="taken")
    (row,) = await work.run(_ADD, conflict=taken, login=login, name=name)
    found: UUID = row["principal_id"]
    return found


async def give_role(work: Work, account_id: UUID, role: Role, clinic_id: int) -> None:
    """Give a role at a clinic, again if it had ended."""
    by = work.caller.principal.principal_id
    await work.run(_GIVE, account=account_id, role=role.value, clinic=clinic_id, by=by)


async def end_role(work: Work, account_id: UUID, role: Role, clinic_id: int) -> bool:
    """Whether a role was there to be ended."""
    return bool(await work.run(_END, account=account_id, role=role.value, clinic=clinic_id))


async def disable(work: Work, account_id: UUID) -> None:
    """Have an account be good for nothing; its sessions, tokens and links for a password end, and stay so."""
    work.later(_DISABLE, principal=account_id)
    work.later(sql.SQL(END_LINKS), principal=account_id)
    await work.run(sql.SQL(END_SESSIONS), principal=account_id)


async def enable(work: Work, account_id: UUID) -> None:
    """Have an account be good again."""
    await work.run(_ENABLE, principal=account_id)


async def reset_codes(work: Work, account_id: UUID) -> None:
    """Take an account's codes away, and end its sessions and tokens."""
    for statement in CODES_AWAY:
        await work.run(sql.SQL(statement), principal=account_id)
