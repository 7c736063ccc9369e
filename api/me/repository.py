"""Reads of one's own and one's dependents' data, in the context of the person who asks."""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, PersonGrant
from api.profiles.columns import columns
from api.recording import recorded_by_state
from policies.access.states import FACTS
from policies.classification import ProfileField
from policies.words import Action

# The rule of policies/guardianship.py, for a guardianship `g` and a profile `q`.
_GUARDED = sql.SQL("""
operational.guardianship as g
inner join operational.person as p on p.person_id = g.dependent_id and p.deleted_at is null
inner join operational.person as me on me.person_id = g.guardian_id and me.deleted_at is null
inner join operational.profile as q on q.person_id = g.dependent_id
inner join (select (statement_timestamp() at time zone 'UTC')::date as today) as x
    on g.guardian_id = %(me)s and g.starts_on <= x.today and (g.ends_on is null or x.today < g.ends_on)
    and (
        q.birth_date is null or x.today < (q.birth_date + interval '18 years')::date
        or g.starts_on >= (q.birth_date + interval '18 years')::date
    )""")
_DEPENDENTS = sql.SQL("select g.guardianship_id as id, p.name, g.relationship, g.starts_on as since from {guarded}")
_OWN = sql.SQL("""
select p.person_id, p.name, null::uuid as acting_for, null::uuid as consent_event_id, false as guarded, {columns}
from operational.person as p
left join operational.profile as q on q.person_id = p.person_id{keys}
where p.person_id = %(me)s and p.deleted_at is null""")
_DEPENDENT = sql.SQL("""
select p.person_id, p.name, p.person_id as acting_for, null::uuid as consent_event_id, true as guarded, {columns}
from {guarded}{keys}
where g.guardianship_id = %(dependent)s""")
# Whose records a statement is about, by whether they are one's own: oneself, or a dependent of today.
WHOSE = {
    True: sql.SQL("""(
    select p.person_id, null::uuid as acting_for, null::uuid as consent_event_id, false as guarded
    from operational.person as p where p.person_id = %(me)s and p.deleted_at is null
)"""),
    False: sql.SQL("""(
    select p.person_id, p.person_id as acting_for, null::uuid as consent_event_id, true as guarded
    from {guarded} where g.guardianship_id = %(dependent)s
)""").format(guarded=_GUARDED),
}
# Two kinds of readers: a clinic's, whom the disclosures name, and guardians, by whom they acted for.
_EVENT = "e.event_id, e.occurred_at, e.clinic_id, e.role, e.action, e.purpose, e.categories"
_BEFORE = "(%(before)s::timestamptz is null or (e.occurred_at, e.event_id) < (%(before)s, %(before_id)s::uuid))"
_ACCESSES = sql.SQL(f"""
(
    select coalesce(jsonb_agg(
        to_jsonb(a) || jsonb_build_object('impersonation', i.reason) order by a.occurred_at desc, a.event_id desc
    ), '[]')
    from (
        select {_EVENT}
        from operational.registration as r
        inner join audit.disclosure as d on d.clinic_id = r.clinic_id and d.patient_id = r.patient_id
        inner join audit.access_event as e on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where r.person_id = p.person_id and {_BEFORE}
        union
        select {_EVENT}
        from audit.access_event as e
        where e.acting_for = p.person_id and e.decision = 'permit' and {_BEFORE}
        order by occurred_at desc, event_id desc
        limit %(limit)s::integer + 1
    ) as a
    left join audit.impersonation_event as i on i.event_id = a.event_id and i.occurred_at = a.occurred_at
) as accesses""")  # nosec B608: constants

_IMPERSONATIONS = sql.SQL("""
select i.impersonation_id as id, i.reason, i.starts_at, i.ends_at, i.ended_at
from operational.impersonation as i
where i.person_id = %(me)s""")


async def impersonations(grant: Grant) -> list[dict[str, Any]]:
    """When and why admins acted as the caller, newest first."""
    order = sql.SQL("starts_at desc, id")
    return await grant.read(_IMPERSONATIONS, order, me=grant.caller.principal.person_id)


async def dependents(grant: Grant) -> list[dict[str, Any]]:
    """Whom the caller is a guardian of today, by name."""
    query = _DEPENDENTS.format(guarded=_GUARDED)
    return await grant.read(query, sql.SQL("name, id"), me=grant.caller.principal.person_id)


async def profile(
    grant: PersonGrant, dependent: UUID | None, fields: tuple[ProfileField, ...], *, own: bool
) -> dict[str, Any]:
    """The row of the caller's own profile or of a dependent's, with the columns of these fields.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    return await grant.disclose(_profile(own, fields), me=me, dependent=dependent)


async def accesses(
    grant: PersonGrant, dependent: UUID | None, before: tuple[datetime, UUID] | None, limit: int, *, own: bool
) -> list[dict[str, Any]]:
    """Who read the caller or a dependent: up to `limit` + 1 events before a position, newest first.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    occurred_at, event_id = before or (None, None)
    me = grant.caller.principal.person_id
    row = await grant.disclose(
        _accesses(own), me=me, dependent=dependent, before=occurred_at, before_id=event_id, limit=limit
    )
    found: list[dict[str, Any]] = row["accesses"]
    return found


@cache
def _profile(own: bool, fields: tuple[ProfileField, ...]) -> str:
    return _statement(own, Action.PERSON_READ, *columns(fields))


@cache
def _accesses(own: bool) -> str:
    return _statement(own, Action.ACCESS_LIST, _ACCESSES, sql.SQL(""))


def _statement(own: bool, action: Action, read: sql.Composable, keys: sql.Composable) -> str:
    query = (_OWN if own else _DEPENDENT).format(columns=read, keys=keys, guarded=_GUARDED)
    return recorded_by_state(query, FACTS[action], in_clinic=False)
