"""Why a patient is in a segment, and for whom it is undecided: the rows, read and recorded in one statement.

A profile that is withheld is not consulted: of a patient who revoked, or whose consent has expired, the statements
take it for not shared, whatever the mart still holds.
"""

from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from api.gateway import Grant
from api.segments.explaining_rules import Rules, too_long
from api.segments.verdict_text import PATIENTS, placed
from infra.errors import Refused
from policies.segments.compiler import ActiveSegment, compile_verdicts
from policies.segments.condition import Condition
from policies.segments.flips import raw_table
from policies.segments.measure import FactTable
from policies.segments.rule import RuleError, parse_rule

# The segment, and every one that it names, directly or not.
_RULES = sql.SQL("""
with recursive named as (
    select s.segment_id, s.slug, s.version, v.rule
    from segment as s
    inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
    where s.segment_id = %(segment)s
    union
    select s.segment_id, s.slug, s.version, v.rule
    from named as n
    cross join lateral jsonb_path_query(n.rule, 'strict $.**.in_segment') as other (slug)
    inner join segment as s on s.slug = other.slug #>> '{}' and s.archived_at is null
    inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
)
select segment_id, slug, version, rule from named""")

_PATIENT = sql.SQL("""
with {patients}
select
    p.*, p.profile_shared and %(uses_profile)s as profiled,
    exists (select from dead_change as dead where dead.patient_id = p.patient_id) as stale,
    (
        select jsonb_build_object('since', m.entered_at, 'version', m.version, 'entered_by', m.entered_by)
        from segment_stay as m
        where
            m.segment_id = %(segment)s and m.patient_id = p.patient_id and m.left_at is null
            and not (p.withheld and (%(uses_profile)s or m.profile_dependent))
    ) as member,
    {facts}
from raw_patients as p
where p.patient_id = %(patient)s""")
_FACTS = sql.SQL("""(
    select coalesce(jsonb_agg(to_jsonb(f) - %(unread)s::text[]), '[]')
    from {table} as f
    where f.patient_id = p.patient_id
) as {table}""")

# Which the mart does not hold: there a form is open until it is brought as expired.
_EXPIRING = sql.SQL("""
select f.patient_id, f.form_id, f.expires_on
from operational.form as f
where
    f.patient_id = %(patient)s and f.status in ('pending', 'in_progress') and f.expires_on >= %(as_of)s
    and f.deleted_at is null""")

# Nothing that says why: whose version it is, and what a patient wrote.
_UNREAD = ["patient_id", "version"]
# Some seconds: what is missing is looked for once in each condition for all patients of equal verdicts.
MOST_VERDICTS = 300_000
# One more than asked for is looked at, to know whether a page follows; it is neither returned nor recorded.
_UNDECIDED = sql.SQL("""
with {patients},
{passes}judged as (
    select raw_patients.patient_id, array_agg(verdict.holds order by verdict.version) as verdicts
    from {source}
    where verdict.version >= 0
    group by raw_patients.patient_id
),
undecided as materialized (
    select p.patient_id, p.name, p.profile_shared, j.verdicts
    from judged as j
    inner join raw_patients as p on p.patient_id = j.patient_id
    where j.verdicts[1] is null
),
counted as (
    select
        case when count(*) <= %(most)s then jsonb_agg(
            jsonb_build_object('shared', profile_shared, 'verdicts', verdicts, 'patients', patients)
        ) end as found
    from (
        select profile_shared, verdicts, count(*) as patients
        from undecided
        group by profile_shared, verdicts
        limit %(most)s + 1
    ) as c
),
page as (
    select *, lead(patient_id) over (order by patient_id) is not null as followed
    from (
        select * from undecided
        where %(after)s::uuid is null or patient_id > %(after)s
        order by patient_id
        limit %(limit)s + 1
    ) as candidate
)
select
    p.patient_id, p.name, p.profile_shared, p.profile_shared and %(uses_profile)s as profiled, p.verdicts, p.followed,
    case when row_number() over (order by p.patient_id) = 1 then (select found from counted) end as counted
from page as p
order by p.patient_id
limit %(limit)s""")


async def rules(grant: Grant) -> Rules:
    """The rule in force of the grant's segment, and of every one that it names.

    Raises:
        Refused: one of them is no rule any more.
    """
    if grant.segment is None:
        raise ValueError("the grant is for no segment")
    rows = {row["slug"]: row for row in await grant.look(_RULES, segment=grant.segment.segment_id)}
    own = rows.pop(grant.segment.slug)
    try:
        named = {slug: parse_rule(row["rule"]) for slug, row in rows.items()}
        return Rules(own["version"], parse_rule(own["rule"]), named)
    except RuleError:
        raise _fails() from None


async def patient(grant: Grant, found: Rules, patient_id: UUID | None) -> dict[str, Any] | None:
    """A patient with what the rules look at: a column of rows for each fact table; None if there is no such patient.

    `profile_shared` is false where the profile is withheld, and then its columns are null.
    """
    tables = sorted({raw_table(condition) for condition in found.conditions} - {FactTable.PATIENTS})
    facts: list[sql.Composable] = [_FACTS.format(table=sql.Identifier(table)) for table in tables]
    rows = await grant.disclose(
        _PATIENT.format(patients=PATIENTS, facts=sql.SQL(", ").join(facts or [sql.SQL("null as nothing")])),
        sql.SQL("patient_id"),
        profiled=True,
        segment=grant.segment and grant.segment.segment_id,
        patient=patient_id,
        uses_profile=found.uses_profile,
        unread=_UNREAD,
    )
    return rows[0] if rows else None


async def expiring(grant: Grant, found: Rules, patient_id: UUID | None, as_of: date) -> dict[UUID, date]:
    """Of a patient's open forms the last day that each can be answered on, if the rules look at forms; by id."""
    if all(raw_table(condition) is not FactTable.FORMS for condition in found.conditions):
        return {}
    async with grant.viewing():
        rows = await grant.candidates(_EXPIRING, patient=patient_id, as_of=as_of)
    return {row["form_id"]: row["expires_on"] for row in rows}


async def undecided(
    grant: Grant, found: Rules, leaves: list[Condition], as_of: date, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Up to `limit` patients after an id, by id, for whom the rule is undecided.

    `verdicts` are those of the rule and of each of `leaves`; the first row has `counted`: of all undecided
    patients how many have which verdicts. `followed` says of the last whether more follow.

    Raises:
        InvalidInput: it takes too long, or too many different things are missing.
        Refused: the rule fails for somebody.
    """
    verdicts = compile_verdicts(_asked(found, leaves))
    try:
        rows = await grant.disclose(
            _UNDECIDED.format(patients=PATIENTS, passes=placed(verdicts.passes), source=placed(verdicts.source)),
            sql.SQL("patient_id"),
            profiled=True,
            as_of=as_of,
            constants=Jsonb(verdicts.parameters),
            uses_profile=found.uses_profile,
            after=after,
            limit=limit,
            most=MOST_VERDICTS // len(found.conditions),
        )
    except psycopg.errors.QueryCanceled:
        raise too_long() from None
    except psycopg.DataError:  # which may quote a value, and so is not told
        raise _fails() from None
    if rows and rows[0]["counted"] is None:
        raise too_long()
    return rows


def _fails() -> Refused:
    return Refused("cannot be evaluated", place="path.segment", rule="not_evaluated")


def _asked(found: Rules, leaves: list[Condition]) -> list[ActiveSegment]:
    """The rule as version 0 and its leaves after it, by names that are no slugs; before it what they name."""
    named = [(-1, rule, slug) for slug, rule in found.segments.items()]
    own = [(version, rule, f"_{version}") for version, rule in enumerate([found.rule, *leaves])]
    return [ActiveSegment(UUID(int=number), *asked) for number, asked in enumerate([*named, *own])]
