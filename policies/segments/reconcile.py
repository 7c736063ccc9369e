"""The statement that brings the members of a clinic's segments up to date, and says why each one changed.

Its parameters: `$1` the as-of date, `$2` the instant of the run, `$3` a jsonb array with every constant of the
rules, and, if patients are given, `$4` their ids as uuid[]. It runs with `search_path` set to the clinic's schema,
under the clinic's lock, and returns one row: entered, left.

A run that changes a member takes the clinic's next number; one that changes none takes no number. Causes, of which
the first that applies is the one:

- `rule`: the segment's rule, or one it names, is not that of the last run; so is the first run, and archiving;
- `consent`: the patient began or ceased to share the profile;
- `correction`: facts about the patient were taken back;
- `data`: facts about the patient were added or changed;
- `time`: none of these.

Automation may act on a change unless it came by `rule`, or with the load that filled an empty clinic. A version
saved to fire fires on the first run by it, and a patient who leaves as a consent ends always fires.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from policies.segments.compiler import ActiveSegment, Verdicts, compile_verdicts
from policies.segments.references import named

RECONCILE_VERSION = 2


@dataclass(frozen=True)
class Program:
    """A clinic's compiled segments; equal fingerprints mean equal statements and parameters."""

    statement: str
    parameters: list[Any]
    fingerprint: str


def compile_program(segments: list[ActiveSegment], *, given: bool = False) -> Program:
    """Compile a clinic's active segments into one statement that brings their members up to date.

    Args:
        segments: all that are in force.
        given: for the patients of `$4` alone. That leaves what the run over all patients keeps for itself: which
            rules it went by, and for which day.

    Raises:
        RuleError: the segments do not compile together.
    """
    return _program(segments, _RECONCILE_GIVEN if given else _RECONCILE, given=given)


def compile_drift(segments: list[ActiveSegment]) -> Program:
    """Compile a query for what a run would change without a cause: segment_id, entering, leaving.

    It takes the as-of date of the last run, for which nothing is left to change: a row it gives is a member that
    was lost or made up. What waits for the next run, as its rule or the patient's data changed, is no drift.

    Raises:
        RuleError: the segments do not compile together.
    """
    return _program(segments, _DRIFT, given=False)


def _program(segments: list[ActiveSegment], ending: str, *, given: bool) -> Program:
    verdicts = compile_verdicts(segments, given=given)
    parameters = [*verdicts.parameters, _listed(segments)]
    text = _changes(verdicts, given) + ending
    digest = hashlib.sha256(json.dumps([RECONCILE_VERSION, text, parameters]).encode()).hexdigest()
    return Program(text, parameters, digest)


def _listed(segments: list[ActiveSegment]) -> list[dict[str, Any]]:
    """Each segment with a digest of the versions that it is evaluated by: its own, and of all that it names."""
    by_slug = {segment.slug: segment for segment in segments}
    return [
        {"segment_id": str(segment.segment_id), "version": segment.version, "rules": _digest(segment, by_slug)}
        for segment in sorted(segments, key=lambda segment: segment.segment_id)
    ]


def _digest(segment: ActiveSegment, by_slug: dict[str, ActiveSegment]) -> str:
    todo, found = {segment.slug}, set[str]()
    while todo:
        found |= todo
        todo = set[str]().union(*(named(by_slug[slug].rule) for slug in todo)) - found
    versions = sorted(f"{by_slug[slug].segment_id}@{by_slug[slug].version}" for slug in found)
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()


def _changes(verdicts: Verdicts, given: bool) -> str:
    """What differs between members as they are kept and as they should be, each with its cause, or null for none.

    One full join, which is hashed or merged whatever the planner believes of the table's size: an anti-join over a
    table that it believes empty becomes a nested loop.
    """
    present, only = (_PRESENT_GIVEN, " where patient_id = any($4::uuid[])") if given else (_PRESENT, "")
    return f"""with {verdicts.passes}held as (
    {verdicts.holding}
),
listed as (
    select rule.*, coalesce(saved.fires and saved.version is distinct from state.version, false) as fires,
        rule.rules is distinct from state.rules as renewed
    from jsonb_to_recordset($3 -> {len(verdicts.parameters)}) as rule (segment_id uuid, version integer, rules text)
    left join segment_version as saved on saved.segment_id = rule.segment_id and saved.version = rule.version
    left join segment_state as state on state.segment_id = rule.segment_id
),
present as ({present}),
noted as (
    -- Of several causes the first one counts, which is also the first in the alphabet.
    select patient_id, min(cause) as cause from changed_patient{only} group by patient_id
),
filled as (select count(*) > 0 as anew from changed_patient where patient_id is null),
changed as materialized (
    select segment_id, patient_id, present.entered_run, coalesce(listed.version, present.version) as version,
        case when coalesce(listed.renewed, true) then 'rule'
            else coalesce(noted.cause, case when filled.anew then 'data' end) end as cause,
        case when present.entered_run is not null and noted.cause = 'consent' then true
            when coalesce(listed.renewed, true) then coalesce(listed.fires, false)
            else not filled.anew end as fires
    from held
    full join present using (segment_id, patient_id)
    left join listed using (segment_id)
    left join noted using (patient_id)
    cross join filled
    where held.version is null or present.entered_run is null
)"""  # nosec B608: names from the catalogue only


_PRESENT = """
    select segment_id, patient_id, entered_run, version from segment_member where left_at is null
"""
# Through the few segments, so that the index of present members serves each patient.
_PRESENT_GIVEN = """
    select stay.segment_id, stay.patient_id, stay.entered_run, stay.version
    from segment
    inner join segment_member as stay on stay.segment_id = segment.segment_id
    where stay.left_at is null and stay.patient_id = any($4::uuid[])
"""
# Data-modifying CTEs and no MERGE: that form gives its changes back and also runs on Citus. New members come in the
# order of both indexes that take them.
_WRITE = """,
entered as (
    insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)
    select segment_id, patient_id, this.at, this.run, version, coalesce(cause, 'time'), fires
    from changed cross join this
    where entered_run is null
    order by segment_id, patient_id
    returning segment_id
),
gone as (
    update segment_member as stay
    set left_at = this.at, left_run = this.run, left_version = changed.version,
        left_by = coalesce(changed.cause, 'time'), fires_out = changed.fires
    from changed cross join this
    where stay.segment_id = changed.segment_id and stay.entered_run = changed.entered_run
        and stay.patient_id = changed.patient_id
    returning stay.segment_id
)
select (select count(*) from entered) as entered, (select count(*) from gone) as left
"""
_RECONCILE = (
    """,
this as (
    update segment_clock
    set run = run + found.any_change::integer, as_of = $1,
        at = case when found.any_change then greatest(at, $2) else at end
    from (select count(*) > 0 as any_change from changed) as found
    where found.any_change or as_of is distinct from $1
    returning run, at
),
taken as (delete from changed_patient),
evaluated as (
    insert into segment_state (segment_id, version, rules)
    select segment_id, version, rules from listed where renewed
    on conflict (segment_id) do update set version = excluded.version, rules = excluded.rules
),
dropped as (
    delete from segment_state where not exists (select from listed where listed.segment_id = segment_state.segment_id)
)"""
    + _WRITE  # nosec B608: constants
)
_RECONCILE_GIVEN = (
    """,
this as (
    update segment_clock set run = run + 1, at = greatest(at, $2) where exists (select from changed) returning run, at
),
taken as (delete from changed_patient where patient_id = any($4::uuid[]))"""
    + _WRITE  # nosec B608: constants
)
_DRIFT = """
select segment_id, count(*) filter (where entered_run is null) as entering, count(entered_run) as leaving
from changed
-- A program takes the instant of its run, whether it has any use for it or not: this tells its type.
where cause is null and $2::timestamptz is not null
group by segment_id
"""
