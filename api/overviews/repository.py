"""A clinic's counts, in one statement over its mart; recorded as one read of no single patient.

Of whom nothing is shown that depends on profiles (`segments/withheld.py`) is counted as one who shares none. What was
counted while there was nobody of that kind is good until the mart or a segment is written, and kept in memory.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from psycopg import sql

from api.gateway import Grant
from api.overviews.cache import OverviewCache
from api.segments.withheld import ALL_WITHHELD

# What the counts were made of; null while somebody is withheld, which time alone may begin and end.
_STATE = sql.SQL("""
select case when not exists (select from ({withheld}) as w) then (
    select c.writes || ' ' || (
        select coalesce(md5(string_agg(
            row(s.slug, s.name, s.version, s.profile_dependent, s.archived_at)::text, ' ' order by s.segment_id
        )), '')
        from segment as s
    )
    from mart_clock as c
) end as state""").format(withheld=ALL_WITHHELD)
_NOW = sql.SQL(
    "select t.state, (select min(changed_at) from operational.outbox) as waiting_since from ({state}) as t"
).format(state=_STATE)
_UNCHANGED = sql.SQL("select true as unchanged")
_OVERVIEW = sql.SQL("""
with withheld as materialized ({withheld}),
visit as (
    select
        count(*) filter (where not ahead) as past,
        count(*) filter (where not ahead and status = 'fulfilled') as fulfilled,
        count(*) filter (where not ahead and status = 'noshow') as noshow,
        count(*) filter (where not ahead and status = 'cancelled') as cancelled,
        count(*) filter (where ahead and status = 'booked') as upcoming
    from (
        select status, starts_on >= %(as_of)s::date as ahead from raw_appointments
        where starts_on >= %(as_of)s::date - %(days)s::integer and starts_on < %(as_of)s::date + %(days)s::integer
    ) as appointment
),
exercise as (
    select
        sum(done)::double precision / nullif(sum(prescribed), 0) as rate,
        count(distinct patient_id) as followed
    from raw_adherence
    where day > %(as_of)s::date - %(days)s::integer and day <= %(as_of)s::date
),
moved as materialized (
    select t.segment_id, t.entered_at, t.left_at
    from segment_stay as t
    inner join segment as s on s.segment_id = t.segment_id and s.archived_at is null
    inner join raw_patients as p on p.patient_id = t.patient_id
    where t.patient_id not in (select patient_id from withheld) or not t.profile_dependent
),
-- What a segment gained or lost on each day; all that was before the first day stands on the day before it.
step as (
    select segment_id, day, sum(gained) as gained
    from (
        select segment_id, greatest((entered_at at time zone %(zone)s)::date, %(before)s::date) as day, 1 as gained
        from moved
        union all
        select segment_id, greatest((left_at at time zone %(zone)s)::date, %(before)s::date), -1
        from moved where left_at is not null
    ) as change
    group by segment_id, day
),
trend as (
    select segment_id, jsonb_object_agg(day, gained) as steps from step group by segment_id
),
present as (
    select m.segment_id, count(*) as members
    from segment_member as m
    inner join segment_dependence as d on d.segment_id = m.segment_id
    inner join raw_patients as p on p.patient_id = m.patient_id
    where m.left_at is null and (not d.profile_dependent or m.patient_id not in (select patient_id from withheld))
    group by m.segment_id
)
select
    (select count(*) from raw_patients) as patients,
    (
        select count(*) from raw_patients
        where profile_shared and patient_id not in (select patient_id from withheld)
    ) as shared,
    (select to_jsonb(visit) from visit) as visits,
    exercise.rate as adherence,
    exercise.followed,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'slug', s.slug, 'name', s.name, 'profile_dependent', s.profile_dependent,
            'members', coalesce(p.members, 0), 'steps', coalesce(t.steps, '{{}}')
        ) order by s.name, s.slug)
        from segment as s
        left join present as p on p.segment_id = s.segment_id
        left join trend as t on t.segment_id = s.segment_id
        where s.archived_at is null
    ), '[]') as segments,
    ({state}) as state
from exercise""").format(withheld=ALL_WITHHELD, state=_STATE)


async def overview(grant: Grant, kept: OverviewCache, as_of: date, days: int, before: date) -> Mapping[str, Any]:
    """Counts of the grant's clinic; segments with what they gained or lost by day, since the day `before` the first.

    `waiting_since`: since when the oldest change waits that the mart does not have yet.
    """
    clinic_id, zone = (grant.clinic.clinic_id, grant.clinic.time_zone) if grant.clinic else (0, "UTC")
    asked = (as_of, days, before, zone)
    (now,) = await grant.look(_NOW)
    found = kept.find(clinic_id, (now["state"], *asked)) if now["state"] else None
    if found is not None:
        await grant.read(_UNCHANGED, sql.SQL("unchanged"))
        return {**found, "waiting_since": now["waiting_since"]}
    (row,) = await grant.read(_OVERVIEW, sql.SQL("patients"), as_of=as_of, days=days, before=before, zone=zone)
    # As this very statement saw it: what was written since the look is in the counts.
    if row["state"]:
        kept.keep(clinic_id, (row["state"], *asked), row)
    return {**row, "waiting_since": now["waiting_since"]}
