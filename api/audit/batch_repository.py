"""Batches of the access log, under the auditor's role; the reading itself is an event."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api.audit.batch_schemas import ACTIONS, Kind
from api.audit.repository import NEWEST_FIRST, Position, narrowed
from api.audit.schemas import Filters
from api.gateway import Grant

Row = dict[str, Any]
_STEPS = """
    select
        min(g.first_at) as first_at, max(g.last_at) as last_at,
        jsonb_agg(jsonb_build_object('action', g.action, 'what', g.what, 'events', g.events, 'patients', g.patients)
                  order by g.first_at, g.action, g.what) as steps
    from (
        select
            b.action, coalesce(b.resource_id, b.resource_type) as what, count(*) as events, sum(b.patients) as patients,
            min(b.occurred_at) as first_at, max(b.occurred_at) as last_at
        from {} as b where {}
        group by 1, 2
    ) as g"""
_SAME = "{0}.batch_id = e.batch_id and {0}.clinic_id is not distinct from e.clinic_id"
# A batch stands where its last event at the clinic does.
_BATCHES = sql.SQL(f"""
select e.batch_id, e.clinic_id, e.occurred_at, e.event_id, s.*
from audit.access_event as e
cross join lateral ({_STEPS.format("audit.access_event", _SAME.format("b"))}) as s
where
    {{conditions}} and e.batch_id is not null and not exists (
        select from audit.access_event as l
        where {_SAME.format("l")} and (l.occurred_at, l.event_id) > (e.occurred_at, e.event_id)
    )
order by e.occurred_at desc, e.event_id desc
limit %(limit)s + 1""")  # nosec B608 # constants
# One row where the batch is there, though it moved nobody.
_PATIENTS = sql.SQL(f"""
with events as materialized (
    select e.* from audit.access_event as e
    where {{conditions}} and e.batch_id = %(batch)s
),
moved as materialized (
    select p.patient_id
    from events as e
    inner join audit.batch_patient as p on p.event_id = e.event_id and p.occurred_at = e.occurred_at
    group by p.patient_id
),
page as materialized (
    select m.patient_id from moved as m
    where %(after)s::uuid is null or m.patient_id > %(after)s
    order by m.patient_id limit %(limit)s + 1
)
select s.*, c.*, n.moved, p.patient_id, array(
        select distinct b.asset from audit.batch_patient as b
        inner join events as e on e.event_id = b.event_id and e.occurred_at = b.occurred_at
        where b.patient_id = p.patient_id
        order by b.asset
    ) as assets
from ({_STEPS.format("events", "true")}) as s
cross join (select min(clinic_id) as clinic_id, count(distinct clinic_id) as clinics from events) as c
cross join (select count(*) as moved from moved) as n
left join page as p on true
where s.steps is not null""")  # nosec B608 # constants


async def batches(
    grant: Grant, filters: Filters, kind: Kind | None, before: Position | None, limit: int
) -> tuple[list[Row], bool]:
    """Up to `limit` batches whose last event is before a position, newest first, and whether more follow."""
    conditions, values = narrowed(grant, filters, before)
    if kind is not None:
        conditions = sql.SQL("{} and e.action = any(%(actions)s)").format(conditions)
        values["actions"] = [action.value for action in ACTIONS[kind]]
    rows = await grant.read(_BATCHES.format(conditions=conditions), NEWEST_FIRST, limit=limit, **values)
    return rows[:limit], len(rows) > limit


async def patients(grant: Grant, batch: UUID, after: UUID | None, limit: int) -> tuple[list[Row], bool]:
    """Up to `limit` rows of a batch and a patient, by ids, of those with one above `after`; and whether more follow.

    One row without a patient where there is none; no row where there is no such batch.
    """
    conditions, values = narrowed(grant, Filters())
    statement = _PATIENTS.format(conditions=conditions)
    rows = await grant.read(statement, sql.SQL("patient_id"), batch=batch, after=after, limit=limit, **values)
    return rows[:limit], len(rows) > limit
