"""Reads of one's own and one's dependents' data, in the context of the person who asks."""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, PersonGrant
from api.me.statements import GUARDED, statement
from api.profiles.columns import columns
from policies.classification import ProfileField
from policies.words import Action

_DEPENDENTS = sql.SQL(
    "select g.guardianship_id as id, p.name, g.relationship, g.starts_on as since, p.person_id as acting_for"
    " from {guarded}"
)
# Two kinds of readers: a clinic's, whom the disclosures name, and guardians, by whom they acted for.
EVENT = "e.event_id, e.occurred_at, e.clinic_id, e.role, e.organisation, e.action, e.purpose, e.categories"
_BEFORE = "(%(before)s::timestamptz is null or (e.occurred_at, e.event_id) < (%(before)s, %(before_id)s::uuid))"
# Who acts as somebody learns nothing of what is confidential, not even that it is there.
_SHOWN = f"{_BEFORE} and not (%(impersonated)s and 'confidential' = any (e.categories))"
# The pipeline copies whatever changed to the clinic's own mart, all day long: one line a clinic and day, at the day's
# first, which stays where it is while pages are turned.
_BATCHES = """
            select
                (array_agg(b.event_id order by b.occurred_at, b.event_id))[1] as event_id,
                min(b.occurred_at) as occurred_at, b.clinic_id, 'pipeline' as role, null as organisation,
                'pipeline.ingest' as action,
                'operations' as purpose, array_agg(distinct b.asset) as categories
            from operational.registration as r
            inner join audit.batch_patient as b on b.clinic_id = r.clinic_id and b.patient_id = r.patient_id
            where r.person_id = p.person_id
            group by b.clinic_id, (b.occurred_at at time zone 'UTC')::date"""
_OF_BATCHES = sql.SQL(f"""
        union all
        select b.* from ({_BATCHES}) as b where {_BEFORE.replace("e.", "b.")}""")  # nosec B608 # constants
# Which chunks are the person's the wall says (`PersonGrant.narrow`); the prefix finds them, if it is worked out before.
_ACCESSES = sql.SQL(f"""
(
    with own as materialized (
        select r.clinic_id, left(r.patient_id::text, 3) as prefix
        from operational.registration as r where r.person_id = p.person_id
    )
    select coalesce(jsonb_agg(
        to_jsonb(a) || jsonb_build_object('impersonation', i.reason) order by a.occurred_at desc, a.event_id desc
    ), '[]')
    from (
        select {EVENT}
        from operational.registration as r
        inner join audit.disclosure as d on d.clinic_id = r.clinic_id and d.patient_id = r.patient_id
        inner join audit.access_event as e on e.event_id = d.event_id and e.occurred_at = d.occurred_at
        where r.person_id = p.person_id and {_SHOWN}
        union
        select {EVENT}
        from own
        inner join audit.disclosure_chunk as c on c.clinic_id = own.clinic_id and c.prefix = own.prefix
        inner join audit.access_event as e on e.event_id = c.event_id and e.occurred_at = c.occurred_at
        where {_SHOWN}
        union
        select {EVENT}
        from audit.access_event as e
        where e.acting_for = p.person_id and e.decision = 'permit' and {_SHOWN}
        {{batches}}
        order by occurred_at desc, event_id desc
        limit %(limit)s::integer + 1
    ) as a
    left join audit.impersonation_event as i on i.event_id = a.event_id and i.occurred_at = a.occurred_at
) as accesses""")  # nosec B608 # constants

OWN = "own"
_IMPERSONATIONS = sql.SQL("""
select i.impersonation_id as id, i.reason, i.starts_at, i.ends_at, i.ended_at
from operational.impersonation as i
where i.person_id = %(me)s""")


async def impersonations(grant: Grant) -> list[dict[str, Any]]:
    """When and why admins acted as the caller, newest first."""
    order = sql.SQL("starts_at desc, id")
    return await grant.read(_IMPERSONATIONS, order, me=grant.caller.principal.person_id)


async def dependents(grant: Grant) -> list[dict[str, Any]]:
    """Whom the caller is a guardian of today, by name; recorded as an event for each of them.

    Who acts as the guardian leaves one, in the guardian's name, who is to see it.
    """
    query = _DEPENDENTS.format(guarded=GUARDED)
    read = grant.each if grant.caller.principal.acting is None else grant.read
    return await read(query, sql.SQL("name, id"), me=grant.caller.principal.person_id)


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
    grant.narrow(str(dependent or OWN))
    row = await grant.disclose(
        _accesses(own), me=me, dependent=dependent, before=occurred_at, before_id=event_id, limit=limit,
        impersonated=grant.caller.principal.acting is not None,
    )  # fmt: skip
    found: list[dict[str, Any]] = row["accesses"]
    return found


@cache
def _profile(own: bool, fields: tuple[ProfileField, ...]) -> str:
    read, keys = columns(fields)
    return statement(Action.PERSON_READ, read, keys, own=own)


@cache
def _accesses(own: bool) -> str:
    # What is confidential may be behind a line of the pipeline: no guardian sees one.
    return statement(Action.ACCESS_LIST, _ACCESSES.format(batches=_OF_BATCHES if own else sql.SQL("")), own=own)
