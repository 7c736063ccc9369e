"""Reads over the whole access log: counts, last events, pairs of actors and patients."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.audit.repository import narrowed
from api.audit.review_schemas import By
from api.audit.schemas import Filters
from api.gateway import Grant, Work
from policies.words import PERSONAL_ROLES

MOST = 1_000

_COUNTED = """
    count(*) as events, count(*) filter (where e.decision = 'deny') as denied, sum(e.patients) as patients,
    max(e.occurred_at) as last_at"""
_COUNTS = {
    By.DAY: sql.SQL(f"""
select (e.occurred_at at time zone 'UTC')::date as day, {_COUNTED}
from audit.access_event as e where {{conditions}}
group by 1 order by 1 desc limit {MOST}"""),  # nosec B608 # constants
    By.ACTOR: sql.SQL(f"""
select e.principal_id, e.role, {_COUNTED}
from audit.access_event as e where {{conditions}} and not (%(of_one_clinic)s and e.role = any(%(personal)s))
group by 1, 2 order by events desc, e.principal_id, e.role limit {MOST}"""),  # nosec B608 # constants
}
_ORDERS = {By.DAY: sql.SQL("day desc"), By.ACTOR: sql.SQL("events desc, principal_id, role")}
_LAST = sql.SQL("""
select a.principal_id, a.role, a.clinic_id, e.occurred_at as last_event_at
from unnest(%(principals)s::uuid[], %(roles)s::text[], %(clinics)s::integer[]) as a (principal_id, role, clinic_id)
cross join lateral (
    select e.occurred_at from audit.access_event as e
    where e.principal_id = a.principal_id and e.role = a.role and e.clinic_id is not distinct from a.clinic_id
    order by e.occurred_at desc limit 1
) as e""")
# What people do for themselves and those they are guardians of is theirs to do, at any hour.
_SEEN = """
    select e.principal_id, d.patient_id, e.event_id, e.occurred_at
    from audit.access_event as e
    cross join lateral (
        select d.patient_id from audit.disclosure as d where d.event_id = e.event_id and d.occurred_at = e.occurred_at
        union all
        select unnest(c.patients) from audit.disclosure_chunk as c
        where c.event_id = e.event_id and c.occurred_at = e.occurred_at
    ) as d
    where
        e.clinic_id = %(clinic)s and e.decision = 'permit' and e.principal_kind = 'human'
        and e.role <> all(%(personal)s) and e.occurred_at >= {} and e.occurred_at < {}"""
_PAIRS = sql.SQL(f"""
with seen as materialized ({_SEEN.format("%(since)s", "%(until)s")}),
before as ({_SEEN.format("%(since)s - %(look_back)s::interval", "%(since)s")}),
pairs as (
    select
        principal_id, patient_id, count(distinct event_id) as events, 1 as patients, min(occurred_at) as first_at,
        max(occurred_at) as last_at,
        count(distinct event_id) filter (
            where extract(hour from occurred_at at time zone %(zone)s) >= %(night_from)s
                or extract(hour from occurred_at at time zone %(zone)s) < %(night_until)s
        ) as at_night
    from seen group by principal_id, patient_id
)
select 'pair' as kind, p.*, not exists (
        select from before as b
        where b.principal_id = p.principal_id and b.patient_id = p.patient_id
            and b.occurred_at >= p.first_at - %(look_back)s::interval
    ) as is_first
from pairs as p
union all
select
    'hour', principal_id, null, count(distinct event_id), count(distinct patient_id), min(occurred_at),
    max(occurred_at), 0, false
from seen
group by principal_id, date_trunc('hour', occurred_at)
having count(distinct patient_id) >= %(bulk)s""")  # nosec B608 # constants
# The last word of a name without a case, accents or joiners: good enough for a list that people look through.
_FAMILY = r"lower(regexp_replace(normalize(trim({}), nfd), '^.*\s|[\u0300-\u036f\u200c\u200d]', '', 'g'))"
_SAME_NAME = sql.SQL(f"""
select a.principal_id, a.patient_id
from unnest(%(principals)s::uuid[], %(patients)s::uuid[]) as a (principal_id, patient_id)
inner join operational.principal as u on u.principal_id = a.principal_id
inner join operational.registration as r on r.clinic_id = %(clinic)s and r.patient_id = a.patient_id
inner join operational.person as p on p.person_id = r.person_id
where {_FAMILY.format("u.display_name")} = {_FAMILY.format("p.name")}""")  # nosec B608 # constants


async def counts(grant: Grant, filters: Filters, by: By) -> list[dict[str, Any]]:
    """Counts of the events that filters leave, by day or by actor and role; a thousand at most."""
    conditions, values = narrowed(grant, filters)
    return await grant.read(_COUNTS[by].format(conditions=conditions), _ORDERS[by], **values)


async def last_events(
    grant: Grant, held: list[tuple[UUID, str, int | None]]
) -> dict[tuple[UUID, str, int | None], datetime]:
    """When each principal last did anything in a role at a clinic."""
    principals, roles, clinics = ([each[part] for each in held] for part in range(3))
    order = sql.SQL("principal_id, role, clinic_id")
    rows = await grant.read(_LAST, order, principals=principals, roles=roles, clinics=clinics)
    return {(row["principal_id"], row["role"], row["clinic_id"]): row["last_event_at"] for row in rows}


async def pairs(grant: Grant, **values: Any) -> list[dict[str, Any]]:
    """Who saw whom in a time, how often, how often at night and whether for the first time; and hours of many."""
    personal = sorted(PERSONAL_ROLES)
    return await grant.read(
        _PAIRS, sql.SQL("kind, last_at desc, principal_id, patient_id"), personal=personal, **values
    )


async def of_same_name(work: Work, found: list[dict[str, Any]]) -> set[tuple[UUID, UUID]]:
    """Which of these actors and patients of the clinic share a family name; no name leaves the database."""
    rows = await work.run(
        _SAME_NAME,
        principals=[row["principal_id"] for row in found],
        patients=[row["patient_id"] for row in found],
        clinic=work.clinic_id,
    )
    return {(row["principal_id"], row["patient_id"]) for row in rows}
