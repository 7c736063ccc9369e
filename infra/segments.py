"""Segment definitions and counts, as commands keep them; members are the pipeline's to write."""

import json
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from infra.audit import record_process
from infra.database import Server, clinic_transaction, connect
from infra.errors import InvalidInput
from infra.provisioner import resolve_clinic
from infra.roles import ClinicKind, Login
from policies.segments.compiler import ActiveSegment
from policies.segments.definition import SegmentDefinition
from policies.segments.reconcile import compile_program
from policies.segments.rule import RuleError, needs_profile, parse_rule, to_json
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


def add_segments(at: Server, clinics: list[str], definitions: list[SegmentDefinition]) -> dict[str, int]:
    """Add these segments to each clinic; a changed rule becomes a new version, an equal one nothing.

    Returns how many were added, changed and left as they were.

    Raises:
        InvalidInput: there is no such clinic.
    """
    tally = {"added": 0, "changed": 0, "unchanged": 0}
    with connect(Login.SERVICE, at=at) as connection:
        for slug in clinics:
            clinic_id, _ = resolve_clinic(connection, slug)
            connection.commit()
            with clinic_transaction(connection, at.roles, slug, ClinicKind.READER):
                connection.execute(_ONE_EDITOR, [slug])
                for definition in definitions:
                    tally[_put(connection, clinic_id, definition)] += 1
                _check_together(connection, slug)
    return tally


def _check_together(connection: psycopg.Connection, slug: str) -> None:
    """Refuse what would compile for each segment alone, but not for the clinic's segments together."""
    rows = connection.execute(
        "select s.segment_id, s.version, v.rule, s.slug from segment as s inner join segment_version as v"
        " on v.segment_id = s.segment_id and v.version = s.version where s.archived_at is null"
    )
    try:
        compile_program([ActiveSegment(key, version, parse_rule(rule), named) for key, version, rule, named in rows])
    except RuleError as error:
        raise InvalidInput(str(error), place=slug) from None


def _put(connection: psycopg.Connection, clinic_id: int, definition: SegmentDefinition) -> str:
    rule, profile = to_json(definition.rule), needs_profile(definition.rule)
    known = connection.execute(
        "select s.segment_id, s.version, v.rule, s.name, s.description, s.archived_at is not null from segment as s"
        " inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version"
        " where s.slug = %s",
        [definition.slug],
    ).fetchone()
    if known is None:
        segment_id, version, outcome = uuid4(), 1, "added"
        connection.execute(
            "insert into segment (segment_id, slug, name, description, profile_dependent, created_at)"
            " values (%s, %s, %s, %s, %s, statement_timestamp())",
            [segment_id, definition.slug, definition.name, definition.description, profile],
        )
    else:
        segment_id, version = known[0], known[1] + 1
        if known[2:] == (rule, definition.name, definition.description, False):
            return "unchanged"
        outcome = "changed"
        connection.execute(
            "update segment set name = %s, description = %s, version = %s, profile_dependent = %s,"
            " archived_at = null where segment_id = %s",
            [definition.name, definition.description, version, profile, segment_id],
        )
    _put_version(connection, segment_id, version, rule)
    record_process(
        connection, role="operator", action=ProcessAction.SEGMENT_SAVE, resource_type="segment",
        resource_id=str(segment_id), clinic_id=clinic_id,
    )  # fmt: skip
    return outcome


def _put_version(connection: psycopg.Connection, segment_id: UUID, version: int, rule: dict[str, object]) -> None:
    connection.execute(
        "insert into segment_version (segment_id, version, rule, created_at)"
        " values (%s, %s, %s, statement_timestamp())",
        [segment_id, version, json.dumps(rule)],
    )


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
