"""Impersonations in the database; each statement is recorded with what it does."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, Work
from policies.access.model import Subject, Terms

_OPEN = sql.SQL("""
insert into operational.impersonation
    (impersonation_id, actor_id, subject_id, person_id, reason, ticket, starts_at, ends_at)
values (%(impersonation)s, %(actor)s, %(subject)s, %(person)s, %(reason)s, %(ticket)s,
    statement_timestamp(), statement_timestamp() + make_interval(mins => %(minutes)s))
returning impersonation_id as id, starts_at, ends_at""")
_LIVE = sql.SQL("""
select i.impersonation_id as id, s.login as subject, a.login as actor, i.reason, i.ticket, i.starts_at, i.ends_at
from operational.impersonation as i
inner join operational.principal as s on s.principal_id = i.subject_id
inner join operational.principal as a on a.principal_id = i.actor_id
where i.ended_at is null and i.ends_at > statement_timestamp()""")
_END = sql.SQL("""
update operational.impersonation set ended_at = statement_timestamp(), ended_by = %(by)s
where impersonation_id = %(impersonation)s and ended_at is null and ends_at > statement_timestamp()
returning impersonation_id as id, ended_at""")


async def start(work: Work, impersonation_id: UUID, subject: Subject, terms: Terms) -> dict[str, Any]:
    """Store a fresh impersonation; the event names it."""
    rows = await work.run(
        _OPEN,
        impersonation=impersonation_id,
        actor=work.caller.principal.principal_id,
        subject=subject.id,
        person=subject.person,
        reason=terms.reason,
        ticket=terms.ticket,
        minutes=terms.minutes,
    )
    work.name_impersonation(impersonation_id)
    await work.record()
    return rows[0]


async def live(grant: Grant) -> list[dict[str, Any]]:
    """The live impersonations of all admins."""
    return await grant.read(_LIVE, sql.SQL("ends_at, id"))


async def end(grant: Grant, impersonation_id: UUID) -> dict[str, Any] | None:
    """End a live impersonation; None if there is no such one."""
    grant.name_impersonation(impersonation_id)
    by = grant.caller.principal.principal_id
    rows = await grant.read(_END, sql.SQL("id"), impersonation=impersonation_id, by=by)
    return rows[0] if rows else None
