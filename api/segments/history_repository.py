"""Members over time: the feed of who entered and left, and how many there were on each day.

A stay that depends on the profile is neither told nor counted once the patient has withdrawn, or the consent has
expired: the day of entering 'over 65' is a birthday. What is told afterwards is one `forget`. Whom the clinic deleted
is told to have left, and no more.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant
from api.segments import repository
from api.segments.withheld import ALL_WITHHELD, WITHHELD
from policies.classification import Field

_WITHHELD = sql.SQL("(t.profile_dependent and {withheld})").format(
    withheld=WITHHELD.format(patient=sql.SQL("t.patient_id"))
)
# What came after a position in the feed, but for what is not told.
_AFTER = sql.SQL("""
from segment_change as t
left join raw_patients as p on p.patient_id = t.patient_id
where
    t.segment_id = %(segment)s and (t.run, t.patient_id) > (%(run)s::bigint, %(patient)s::uuid)
    and (p.patient_id is not null or t.kind <> 'entered')
    and not {withheld}""").format(withheld=_WITHHELD)
# Times never go back where runs go on, so what comes first is the oldest.
_NEXT = sql.SQL("select t.at {after} order by t.run, t.patient_id limit 1").format(after=_AFTER)
# One more than asked for is looked at, to know whether a page follows; it is neither returned nor recorded.
_CHANGES = sql.SQL("""
select page.*
from (
    select
        t.run, t.kind, t.patient_id, t.at, t.cause, t.version, t.fires, {name},
        lead(t.patient_id) over (order by t.run, t.patient_id) is not null as followed
    {after}
    order by t.run, t.patient_id
    limit %(limit)s + 1
) as page
order by page.run, page.patient_id
limit %(limit)s""")
# The same for people, who read backwards from today: who entered and left, and of whom nothing is left to be told.
_LATEST = sql.SQL("""
select page.*
from (
    select
        t.run, t.kind, t.patient_id, t.at, t.cause, t.version, t.fires, p.name,
        lead(t.patient_id) over (order by t.run desc, t.patient_id desc) is not null as followed
    from segment_change as t
    left join raw_patients as p on p.patient_id = t.patient_id
    where
        t.segment_id = %(segment)s and t.kind <> 'forget' and t.at >= %(since)s
        and (t.run, t.patient_id) < (%(run)s::bigint, %(patient)s::uuid)
        and (p.patient_id is not null or t.kind <> 'entered')
        and not {withheld}
    order by t.run desc, t.patient_id desc
    limit %(limit)s + 1
) as page
order by page.run desc, page.patient_id desc
limit %(limit)s""").format(withheld=_WITHHELD)
CAUSES = ("data", "time", "rule", "consent", "correction")
_DAYS = sql.SQL("""
with withheld as materialized ({withheld}),
moved as materialized (
    select
        (t.entered_at at time zone %(zone)s)::date as entered_on, t.entered_by,
        (t.left_at at time zone %(zone)s)::date as left_on, t.left_by
    from segment_stay as t
    inner join raw_patients as p on p.patient_id = t.patient_id
    where
        t.segment_id = %(segment)s
        and (t.patient_id not in (select patient_id from withheld) or not t.profile_dependent)
),
change as (
    select entered_on as day, 1 as entered, 0 as gone, entered_by as cause from moved
    union all
    select left_on, 0, 1, left_by from moved where left_on is not null
),
before as (select coalesce(sum(entered - gone), 0) as members from change where day < %(first)s::date),
registered as (
    select greatest(registered_on, %(first)s::date) as day, count(*) as patients from raw_patients group by 1
)
select
    d.day::date as day,
    coalesce(sum(m.entered), 0)::bigint as entered,
    coalesce(sum(m.gone), 0)::bigint as "left",
    {entered_by} as entered_by,
    {left_by} as left_by,
    (b.members + sum(coalesce(sum(m.entered - m.gone), 0)) over (order by d.day))::bigint as members,
    sum(coalesce(r.patients, 0)) over (order by d.day)::bigint as patients
from generate_series(%(first)s::date, %(last)s::date, interval '1 day') as d (day)
cross join before as b
left join change as m on m.day = d.day::date
left join registered as r on r.day = d.day::date
group by d.day, b.members, r.patients""")
_BESIDE = sql.SQL(", (select jsonb_agg(to_jsonb(d) order by d.day) from ({days}) as d) as days")
Position = tuple[int, UUID]
START: Position = (0, UUID(int=0))
END: Position = (2**63 - 1, UUID(int=2**128 - 1))


def _by_cause(moved: str) -> sql.Composable:
    """How many moved by each cause, of those `entered` or `gone`."""
    each = "'{0}', count(*) filter (where m.{1} = 1 and m.cause = '{0}')"
    return sql.SQL(f"jsonb_build_object({', '.join(each.format(cause, moved) for cause in CAUSES)})")


async def next_at(grant: Grant, after: Position) -> datetime | None:
    """When the change came to be that follows a position in the feed of the grant's segment, if there is one."""
    rows = await grant.look(_NEXT, **_from(grant, after))
    return rows[0]["at"] if rows else None


async def changes(
    grant: Grant, fields: Sequence[Field], after: Position, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` changes of the grant's segment after a position in its feed, and whether more follow."""
    name = sql.SQL("p.name") if Field.NAME in fields else sql.SQL("null as name")
    rows = await grant.disclose(
        _CHANGES.format(name=name, after=_AFTER), sql.SQL("run, patient_id"), limit=limit, **_from(grant, after)
    )
    return rows, bool(rows and rows[-1]["followed"])


async def latest(
    grant: Grant, before: Position, since: datetime, limit: int
) -> tuple[list[dict[str, Any]], Position | None]:
    """Up to `limit` who entered or left, the newest first, before a position; and that of the last, if more follow."""
    rows = await grant.disclose(
        _LATEST, sql.SQL("run desc, patient_id desc"), limit=limit, since=since, **_from(grant, before)
    )
    return rows, (rows[-1]["run"], rows[-1]["patient_id"]) if rows and rows[-1]["followed"] else None


async def days(grant: Grant, first: date, last: date) -> list[dict[str, Any]]:
    """Of each of the clinic's own days: how many entered and left; at its end, the members and all patients."""
    return await grant.read(_days(), sql.SQL("day"), **_span(grant, first, last))


async def with_days(grant: Grant, first: date, last: date) -> dict[str, Any]:
    """The grant's segment as `repository.segments` has it, with its `days`."""
    beside = _BESIDE.format(days=_days())
    (found,) = await repository.segments(grant, beside=beside, **_span(grant, first, last))
    return found


def _days() -> sql.Composable:
    return _DAYS.format(withheld=ALL_WITHHELD, entered_by=_by_cause("entered"), left_by=_by_cause("gone"))


def _span(grant: Grant, first: date, last: date) -> dict[str, Any]:
    segment = grant.segment.segment_id if grant.segment else None
    return {"segment": segment, "zone": grant.clinic.time_zone if grant.clinic else "UTC", "first": first, "last": last}


def _from(grant: Grant, after: Position) -> dict[str, Any]:
    return {"segment": grant.segment.segment_id if grant.segment else None, "run": after[0], "patient": after[1]}
