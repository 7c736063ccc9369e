"""Segment definitions and counts, as commands keep them; members are the pipeline's to write."""

import json
from dataclasses import dataclass
from uuid import uuid4

import psycopg

from infra.audit import record_process
from infra.database import Server, clinic_transaction, connect
from infra.errors import InvalidInput
from infra.provisioner import resolve_clinic
from infra.roles import ClinicKind, Login
from policies.segments.compiler import ActiveSegment
from policies.segments.definition import SegmentDefinition
from policies.segments.reconcile import compile_program
from policies.segments.references import profile_dependent
from policies.segments.rule import RuleError, parse_rule, to_json
from policies.words import ProcessAction


@dataclass(frozen=True)
class Count:
    """How many patients are in a segment now."""

    clinic: str
    segment: str
    members: int


def all_clinics(at: Server) -> list[str]:
    """Slugs of the clinics that are not archived, in order."""
    with connect(Login.SERVICE, at=at) as connection:
        rows = connection.execute("select slug from operational.clinic where archived_at is null order by slug")
        return [row[0] for row in rows]


def add_segments(
    at: Server, clinics: list[str], definitions: list[SegmentDefinition], *, fires: bool = False
) -> dict[str, int]:
    """Add these segments to each clinic; a changed rule becomes a new version, an equal one none.

    What is archived comes back as a new version. `fires` says whether automation may act on whom the new versions
    bring in and out.

    Returns how many were added, changed and left as they were.

    Raises:
        InvalidInput: there is no such clinic; or its segments do not fit together, such as one that names another
            which is not there, or itself.
    """
    tally = {"added": 0, "changed": 0, "unchanged": 0}
    with connect(Login.SERVICE, at=at) as connection:
        for slug in clinics:
            clinic_id, _ = resolve_clinic(connection, slug)
            connection.commit()
            with clinic_transaction(connection, at.roles, slug, ClinicKind.READER):
                connection.execute(_ONE_EDITOR, [slug])
                for definition in definitions:
                    tally[_put(connection, clinic_id, definition, fires)] += 1
                _settle(connection, slug)
    return tally


def _put(connection: psycopg.Connection, clinic_id: int, definition: SegmentDefinition, fires: bool) -> str:
    rule = to_json(definition.rule)
    known = connection.execute(_KNOWN, [definition.slug]).fetchone()
    words = [definition.name, definition.description]
    if known is None:
        segment_id, version, outcome = uuid4(), 1, "added"
        connection.execute(_ADD, [segment_id, definition.slug, *words])
    else:
        segment_id, present, same_rule, same_words = known[0], known[1], known[2] == rule, [*known[3:5]] == words
        if same_rule and same_words and not known[5]:
            return "unchanged"
        version, outcome = (present if same_rule and not known[5] else present + 1), "changed"
        connection.execute(_CHANGE, [*words, version, segment_id])
    if known is None or version > known[1]:
        connection.execute(_ADD_VERSION, [segment_id, version, json.dumps(rule), fires])
    record_process(
        connection, role="operator", action=ProcessAction.SEGMENT_SAVE, resource_type="segment",
        resource_id=str(segment_id), clinic_id=clinic_id,
    )  # fmt: skip
    return outcome


def _settle(connection: psycopg.Connection, clinic: str) -> None:
    """See that the clinic's segments compile together, and note which of them depend on profiles by now."""
    rows = connection.execute(_ACTIVE).fetchall()
    try:
        segments = [ActiveSegment(key, version, parse_rule(rule), slug) for key, version, rule, slug in rows]
        compile_program(segments)
    except RuleError as error:
        raise InvalidInput(str(error), place=clinic) from None
    rules = {segment.slug: segment.rule for segment in segments}
    dependent = [slug for slug, rule in rules.items() if profile_dependent(rule, rules)]
    connection.execute(_DEPEND, {"dependent": dependent})
    connection.execute(_DEPEND_VERSION, {"dependent": dependent})


def count_members(at: Server, clinics: list[str]) -> list[Count]:
    """Present members of each active segment of these clinics, revoked and expired profiles left out."""
    found: list[Count] = []
    with connect(Login.SERVICE, at=at) as connection:
        for slug in clinics:
            clinic_id, _ = resolve_clinic(connection, slug)
            connection.commit()
            with clinic_transaction(connection, at.roles, slug, ClinicKind.READER):
                rows = connection.execute(_COUNTS, {"clinic_id": clinic_id}).fetchall()
                record_process(
                    connection, role="operator", action=ProcessAction.SEGMENT_COUNTS, resource_type="segment",
                    clinic_id=clinic_id,
                )  # fmt: skip
            found += [Count(slug, segment, members) for segment, members in rows]
    return found


# Not the clinic's writer lock: saving a rule does not wait for a build.
_ONE_EDITOR = "select pg_advisory_xact_lock(hashtextextended('cloister.segments.' || %s, 0))"
_KNOWN = """
select s.segment_id, s.version, v.rule, s.name, s.description, s.archived_at is not null
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.slug = %s
"""
_ACTIVE = """
select s.segment_id, s.version, v.rule, s.slug
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.archived_at is null
"""
_ADD = """
insert into segment (segment_id, slug, name, description, profile_dependent, created_at)
values (%s, %s, %s, %s, false, statement_timestamp())
"""
_CHANGE = "update segment set name = %s, description = %s, version = %s, archived_at = null where segment_id = %s"
_ADD_VERSION = """
insert into segment_version (segment_id, version, rule, fires, profile_dependent, created_at)
values (%s, %s, %s, %s, false, statement_timestamp())
"""
_DEPEND = """
update segment set profile_dependent = slug = any(%(dependent)s::text[])
where archived_at is null and profile_dependent <> (slug = any(%(dependent)s::text[]))
"""
# Of a version for good: what it once told of a profile, it has told.
_DEPEND_VERSION = """
update segment_version as v set profile_dependent = true
from segment as s
where s.segment_id = v.segment_id and s.version = v.version and s.archived_at is null
    and not v.profile_dependent and s.slug = any(%(dependent)s::text[])
"""
_COUNTS = """
select s.slug, count(m.patient_id) filter (
    where not s.profile_dependent or (t.patient_id is null and p.patient_id is null))
from segment as s
left join segment_member as m on m.segment_id = s.segment_id and m.left_at is null
left join operational.profile_tombstone as t
    on t.clinic_id = %(clinic_id)s and t.patient_id = m.patient_id and t.cleared_at is null
left join raw_patients as p
    on p.patient_id = m.patient_id and p.profile_until <= statement_timestamp()
where s.archived_at is null
group by s.slug
order by s.slug
"""
