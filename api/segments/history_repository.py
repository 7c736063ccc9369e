"""Members over time: the feed of who entered and left, and how many there were on each day.

A stay that depends on the profile is neither told nor counted once the patient has withdrawn, or the consent has
expired: the day of entering 'over 65' is a birthday. Whom the clinic deleted is told to have left, and no more.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant
from policies.classification import Field

_WITHHELD = sql.SQL("""(
    t.profile_dependent and (
        exists (
            select from operational.profile_tombstone as w
            where w.patient_id = t.patient_id and w.cleared_at is null
        )
        or coalesce(p.profile_until <= statement_timestamp(), false)
    )
)""")
# One more than asked for is looked at, to know whether a page follows; it is neither returned nor recorded.
_CHANGES = sql.SQL("""
select page.*
from (
    select
        t.run, t.kind, t.patient_id, t.at, t.cause, t.version, t.fires, {name},
        lead(t.patient_id) over (order by t.run, t.patient_id) is not null as followed
    from segment_change as t
    left join raw_patients as p on p.patient_id = t.patient_id
    where
        t.segment_id = %(segment)s and (t.run, t.patient_id) > (%(run)s::bigint, %(patient)s::uuid)
        and (p.patient_id is not null or t.kind = 'left')
        and not {withheld}
    order by t.run, t.patient_id
    limit %(limit)s + 1
) as page
order by page.run, page.patient_id
limit %(limit)s""")
_DAYS = sql.SQL("""
with moved as materialized (
    select (t.entered_at at time zone %(zone)s)::date as day, 1 as entered, 0 as gone
    from segment_stay as t
    left join raw_patients as p on p.patient_id = t.patient_id
    where t.segment_id = %(segment)s and not {withheld}
    union all
    select (t.left_at at time zone %(zone)s)::date, 0, 1
    from segment_stay as t
    left join raw_patients as p on p.patient_id = t.patient_id
    where t.segment_id = %(segment)s and t.left_at is not null and not {withheld}
),
before as (select coalesce(sum(entered - gone), 0) as members from moved where day < %(first)s::date)
select
    d.day::date as day,
    coalesce(sum(m.entered), 0)::bigint as entered,
    coalesce(sum(m.gone), 0)::bigint as "left",
    (b.members + sum(coalesce(sum(m.entered - m.gone), 0)) over (order by d.day))::bigint as members
from generate_series(%(first)s::date, %(last)s::date, interval '1 day') as d (day)
cross join before as b
left join moved as m on m.day = d.day::date
group by d.day, b.members""")
START = (0, UUID(int=0))


async def changes(
    grant: Grant, fields: Sequence[Field], after: tuple[int, UUID], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` changes of the grant's segment after a position in its feed, and whether more follow."""
    name = sql.SQL("p.name") if Field.NAME in fields else sql.SQL("null as name")
    rows = await grant.disclose(
        _CHANGES.format(name=name, withheld=_WITHHELD),
        sql.SQL("run, patient_id"),
        segment=grant.segment.segment_id if grant.segment else None,
        run=after[0],
        patient=after[1],
        limit=limit,
    )
    return rows, bool(rows and rows[-1]["followed"])


async def days(grant: Grant, first: date, last: date) -> list[dict[str, Any]]:
    """Of each of the clinic's own days: how many entered and left, and the members at its end."""
    return await grant.read(
        _DAYS.format(withheld=_WITHHELD),
        sql.SQL("day"),
        segment=grant.segment.segment_id if grant.segment else None,
        zone=grant.clinic.time_zone if grant.clinic else "UTC",
        first=first,
        last=last,
    )
