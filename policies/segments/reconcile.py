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

Beside the members it keeps `patient_flip`: of each patient the first day on which time alone could change one of the
memberships, which is when they are next evaluated unless something happens before. A run that does not work these days
out leaves none that could be late: who may have another day now is due on the next one.

Automation may act on a change unless it came by `rule`, with the load that filled an empty clinic, or of nothing but
imports that were not asked to fire. A version saved to fire fires on the first run by it, if those between it and the
last run were as well: what they would change was shown one by one. A patient who leaves as a consent ends always fires.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from policies.segments.compiler import ActiveSegment, Rules, Told, compile_told, rules_of
from policies.segments.references import profile_dependent, reached

RECONCILE_VERSION = 9


@dataclass(frozen=True)
class Program:
    """A clinic's compiled segments; equal fingerprints mean equal statements and parameters."""

    statement: str
    parameters: list[Any]
    fingerprint: str
    # Of a large clinic, to be executed before, with the same parameters: who is in what, as a temporary table.
    verdicts: str | None = None

    @property
    def segments(self) -> list[dict[str, Any]]:
        """Each segment that it evaluates, with its `segment_id` and the `version` that it evaluates it by."""
        listed: list[dict[str, Any]] = self.parameters[-1]
        return listed


def compile_program(
    segments: list[ActiveSegment], *, given: bool = False, flips: bool = False, middle: UUID | None = None
) -> Program:
    """Compile a clinic's active segments into one statement that brings their members up to date.

    Args:
        segments: all that are in force.
        given: for the patients of `$4` alone. That leaves what the run over all patients keeps for itself: which
            rules it went by, and for which day.
        flips: with everybody's flip day, which takes half as long again; of given patients it is always worked out.
        middle: a patient before and after whom there are about as many: it makes two statements, for PostgreSQL runs
            nothing that writes in parallel. The first one reads both halves of the patients, by a process each.

    Raises:
        RuleError: the segments do not compile together.
    """
    told = compile_told(segments, given=given, flips=flips or given, middle=middle)
    ending = _RECONCILE_GIVEN if given else _RECONCILE_FLIPS if flips else _RECONCILE
    if middle:
        kept = replace(told, told="select * from " + _VERDICTS)  # nosec B608 # a constant
        return _program(segments, kept, _changes(kept, given) + ending, _KEEP.format(told=told.told))
    return _program(segments, told, _changes(told, given) + ending)


def compile_noted(segments: list[ActiveSegment]) -> Program:
    """Compile what a run over all patients notes of itself, for one that was made of parts: its rules and its day.

    The parts are runs of `compile_program` with `given`. It returns no row.

    Raises:
        RuleError: the segments do not compile together.
    """
    compile_told(segments, flips=False)
    return _program(segments, Told("", "", []), _NOTED)


def compile_drift(segments: list[ActiveSegment]) -> Program:
    """Compile a query for what a run would change without a cause: segment_id, entering, leaving.

    It takes the as-of date of the last run, for which nothing is left to change: a row it gives is a member that
    was lost or made up. What waits for the next run, as its rule or the patient's data changed, is no drift.

    Raises:
        RuleError: the segments do not compile together.
    """
    told = compile_told(segments, flips=False)
    return _program(segments, told, _changes(told, given=False) + _DRIFT)


def compile_trial(segments: list[ActiveSegment]) -> Program:
    """Compile a query that works out everything about the patients of `$4`, keeps nothing, and counts them.

    Raises:
        RuleError: the segments do not compile together.
    """
    told = compile_told(segments, given=True)
    return _program(segments, told, f"with {told.passes}told as materialized ({told.told}){_TRIAL}")


def _program(segments: list[ActiveSegment], told: Told, text: str, verdicts: str | None = None) -> Program:
    parameters = [*told.parameters, _listed(segments)]
    said = [RECONCILE_VERSION, text, parameters, *([verdicts] if verdicts else [])]
    return Program(text, parameters, hashlib.sha256(json.dumps(said).encode()).hexdigest(), verdicts)


def _listed(segments: list[ActiveSegment]) -> list[dict[str, Any]]:
    """Each segment in the order of the verdicts, with a digest of the versions that it is evaluated by.

    These are its own, and those of all that it names.
    """
    by_slug = {segment.slug: segment for segment in segments}
    return [
        {
            "segment_id": str(by_slug[slug].segment_id),
            "version": by_slug[slug].version,
            "rules": _digest([by_slug[other] for other in others]),
            "profile_dependent": dependent,
            "place": place,
        }
        for place, (slug, others, dependent) in enumerate(_dependence(rules_of(segments)))
    ]


# Clinics share rules: to walk them all anew would take longer than all else of a program.
@lru_cache(maxsize=256)
def _dependence(found: Rules) -> tuple[tuple[str, frozenset[str], bool], ...]:
    """Of each rule its slug, the slugs of all that it is evaluated by, and whether that asks for the profile."""
    rules = {slug: itself.rule for slug, itself in found}
    return tuple(
        (slug, frozenset(reached([slug], rules)), profile_dependent(rule, rules)) for slug, rule in rules.items()
    )


def _digest(segments: list[ActiveSegment]) -> str:
    versions = sorted(f"{segment.segment_id}@{segment.version}" for segment in segments)
    return hashlib.sha256(" ".join(versions).encode()).hexdigest()


def _changes(told: Told, given: bool) -> str:
    """What differs between members as they are kept and as they should be, each with its cause, or null for none.

    One full join, which is hashed or merged whatever the planner believes of the table's size: an anti-join over a
    table that it believes empty becomes a nested loop. It believes that hardly a row comes out of it, so nothing is
    joined behind it: what belongs to a segment or a patient is known on both sides.
    """
    of_given = " where patient_id = any($4::uuid[])" if given else ""
    return f"""with {told.passes}noted as (
    -- Of several causes the first one counts, which is also the first in the alphabet. That a day has come does not say
    -- that more than a silent import changed somebody.
    select patient_id, min(cause) as cause, bool_or(fires) filter (where cause <> 'time') as may_fire
    from changed_patient{of_given} group by patient_id
),
filled as (select count(*) > 0 as anew from changed_patient where patient_id is null),
{_BROKEN},
told as (
    -- Asked for twice it is kept, once it is not; whole in any case: a verdict pulled out of it would be found twice.
    select verdicts.*, noted.cause, noted.may_fire
    from ({told.told}) as verdicts left join noted using (patient_id) offset 0
),
listed as materialized ({_LISTED.format(place=len(told.parameters))}),
segments as (
    -- In the order of the verdicts.
    select array_agg(segment_id order by place) as ids, array_agg(version order by place) as versions,
        array_agg(renewed order by place) as renewed, array_agg(fires order by place) as fires
    from listed
),
held as (
    select placed.patient_id, placed.cause, placed.may_fire, segments.ids[placed.place] as segment_id,
        segments.versions[placed.place] as version, segments.renewed[placed.place] as renewed,
        segments.fires[placed.place] as fires
    from (
        select patient_id, cause, may_fire, unnest(array_positions(holds, true)) as place
        from told where true = any(holds)
    ) as placed
    cross join segments
),
present as (
    -- What is listed no more was last evaluated by the version that its state still has.
    select stay.segment_id, stay.patient_id, stay.entered_run,
        coalesce(listed.version, last.version, stay.version) as version,
        coalesce(listed.renewed, true) as renewed, coalesce(listed.fires, false) as fires, noted.cause,
        noted.may_fire
    from {_STAY_GIVEN if given else _STAY}
    left join listed on listed.segment_id = stay.segment_id
    left join segment_state as last on last.segment_id = stay.segment_id
    left join noted on noted.patient_id = stay.patient_id
    where stay.left_at is null
        and (listed.segment_id is not null or stay.segment_id not in (select segment_id from broken))
),
changed as materialized (
    select segment_id, patient_id, present.entered_run, coalesce(held.version, present.version) as version,
        case when coalesce(held.renewed, present.renewed) then 'rule'
            else coalesce(held.cause, present.cause, case when filled.anew then 'data' end) end as cause,
        case when present.cause = 'consent' then true
            when coalesce(held.renewed, present.renewed) then coalesce(held.fires, present.fires)
            else not filled.anew and coalesce(held.may_fire, present.may_fire, true) end as fires
    from held
    full join present using (segment_id, patient_id)
    cross join filled
    where held.version is null or present.entered_run is null
)"""  # nosec B608 # names from the catalogue only


_VERDICTS = "pg_temp.segment_verdict"
# What is archived is in force no more, whatever is wrong with it.
_BROKEN = """broken as (
    select known.segment_id
    from segment_broken as known inner join segment using (segment_id) where archived_at is null
)"""
_KEEP = "create temporary table segment_verdict on commit drop as {told}"
# `names_quiet_one` is the clinic's own function, and asked of those alone whose own versions fire.
_LISTED = """
    select rule.*, rule.rules is distinct from state.rules as renewed,
        coalesce((
            select bool_and(saved.fires) from segment_version as saved
            where saved.segment_id = rule.segment_id and saved.version <= rule.version
                and saved.version > coalesce(state.version, 0)
        ), false) and not names_quiet_one(rule.segment_id) as fires
    from jsonb_to_recordset($3 -> {place}) as rule (
        segment_id uuid, version integer, rules text, profile_dependent boolean, place integer
    )
    left join segment_state as state on state.segment_id = rule.segment_id
"""
_STAY = "segment_member as stay"
# Through the few segments, so that the index of present members serves each patient.
_STAY_GIVEN = """segment
    inner join segment_member as stay
        on stay.segment_id = segment.segment_id and stay.patient_id = any($4::uuid[]) and stay.left_at is null"""
# Rows that stay as they are are not even locked, as `on conflict do update` would.
_FLIP = """,
flip as (
    select patient_id, told.flips_on, kept.flips_on as kept_on
    from told
    full join {kept} as kept using (patient_id)
    where told.flips_on is distinct from kept.flips_on
),
flip_new as (
    insert into patient_flip (patient_id, flips_on)
    select patient_id, flips_on from flip where kept_on is null order by patient_id
),
flip_moved as (
    update patient_flip as kept set flips_on = flip.flips_on
    from flip where kept.patient_id = flip.patient_id and flip.kept_on is not null and flip.flips_on is not null
),
flip_gone as (
    delete from patient_flip as kept using flip where kept.patient_id = flip.patient_id and flip.flips_on is null
)"""
_FLIP_OF_GIVEN = _FLIP.format(kept="(select * from patient_flip where patient_id = any($4::uuid[]))")
# Without: every day that was known stays, but of those who changed, of those who are due, and under another rule.
_STALE = """,
stale as (
    select filled.anew or as_of is null or as_of > $1 or exists (select from listed where renewed) as everybody
    from filled cross join segment_clock
),
flip_due as (
    insert into patient_flip as kept (patient_id, flips_on)
    select patient_id, $1 + 1
    from raw_patients cross join stale
    where not stale.everybody and (
        patient_id in (select patient_id from noted)
        or patient_id in (select patient_id from patient_flip where flips_on <= $1)
    )
    on conflict (patient_id) do update set flips_on = excluded.flips_on
)"""
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
    -- Who enters has no stay to be looked for.
    where changed.entered_run is not null
        and stay.segment_id = changed.segment_id and stay.entered_run = changed.entered_run
        and stay.patient_id = changed.patient_id
    returning stay.segment_id
)
select (select count(*) from entered) as entered, (select count(*) from gone) as left
"""
_EVALUATED = """,
evaluated as (
    insert into segment_state (segment_id, version, rules, profile_dependent)
    select segment_id, version, rules, profile_dependent from listed where renewed
    on conflict (segment_id) do update set version = excluded.version, rules = excluded.rules,
        profile_dependent = excluded.profile_dependent
),
mended as (
    -- Whoever notes that later would have everybody evaluated once more, and what changed until then told as by a rule.
    delete from segment_broken
    where segment_id in (select segment_id from listed) or segment_id not in (select segment_id from broken)
),
emptied as (
    -- What is archived has nobody, by the version that it was archived at.
    insert into segment_state (segment_id, version, rules, profile_dependent)
    select segment_id, segment.version, '', false
    from segment left join segment_state as known using (segment_id)
    where segment.archived_at is not null and (known.rules, known.version) is distinct from ('', segment.version)
        and not exists (select from listed where listed.segment_id = segment.segment_id)
    on conflict (segment_id) do update set version = excluded.version, rules = excluded.rules,
        profile_dependent = excluded.profile_dependent
)"""
_OF_ALL = """,
this as (
    update segment_clock
    set run = run + found.any_change::integer, as_of = $1, flips_known = {known},
        at = case when found.any_change then greatest(at, $2) else at end
    from (select count(*) > 0 as any_change from changed) as found{source}
    where found.any_change or as_of is distinct from $1 or flips_known <> ({known})
    returning run, at
),
taken as (delete from changed_patient),
solved as (delete from dead_change where entity = 'segment')"""
_OF_GIVEN = """,
this as (
    update segment_clock set run = run + 1, at = greatest(at, $2) where exists (select from changed) returning run, at
),
taken as (delete from changed_patient where patient_id = any($4::uuid[]))"""
_KNOWN_STILL = {"known": "flips_known and not stale.everybody", "source": " cross join stale"}
_RECONCILE = _STALE + _OF_ALL.format(**_KNOWN_STILL) + _EVALUATED + _WRITE
_RECONCILE_FLIPS = _FLIP.format(kept="patient_flip") + _OF_ALL.format(known="true", source="") + _EVALUATED + _WRITE
_RECONCILE_GIVEN = _FLIP_OF_GIVEN + _OF_GIVEN + _WRITE
_NOTED = f"""with listed as materialized ({_LISTED.format(place=0)}),
{_BROKEN},
everybody as (delete from changed_patient where patient_id is null){_EVALUATED}
update segment_clock set as_of = $1, flips_known = true, at = greatest(at, $2)
"""  # nosec B608 # constants
_DRIFT = """
select segment_id, count(*) filter (where entered_run is null) as entering, count(entered_run) as leaving
from changed
-- A program takes the instant of its run, whether it has any use for it or not: this tells its type.
where cause is null and $2::timestamptz is not null
group by segment_id
"""
_TRIAL = """
select count(*) from told where $2::timestamptz is not null
"""
