"""Segment definitions and counts, as commands keep them; members are the pipeline's to write."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row

from infra import segment_statements as statements
from infra.audit import record_process
from infra.database import Server, clinic_transaction, connect
from infra.errors import InvalidInput
from infra.provisioner import resolve_clinic
from infra.roles import ClinicKind, Login
from policies.segments.compiler import ActiveSegment
from policies.segments.definition import SegmentDefinition
from policies.segments.reconcile import compile_program
from policies.segments.references import profile_dependent
from policies.segments.rule import RuleError, to_json
from policies.segments.sound import beside, readable
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
                connection.execute(statements.ONE_EDITOR, {"clinic": slug})
                for definition in definitions:
                    tally[_put(connection, clinic_id, definition, fires)] += 1
                _settle(connection, slug, {definition.slug for definition in definitions})
    return tally


def _put(connection: psycopg.Connection, clinic_id: int, definition: SegmentDefinition, fires: bool) -> str:
    rule, words = to_json(definition.rule), {"name": definition.name, "description": definition.description}
    known = _known(connection, definition.slug)
    if known is None:
        segment_id, version, outcome = uuid4(), 1, "added"
        connection.execute(statements.ADD, {"segment": segment_id, "slug": definition.slug, "by": None, **words})
    else:
        segment_id, outcome = known["segment_id"], "changed"
        version = known["version"] + (known["archived"] or known["rule"] != rule)
        if version == known["version"] and words.items() <= known.items():
            return "unchanged"
        connection.execute(statements.CHANGE, {"segment": segment_id, "version": version, **words})
    if known is None or version > known["version"]:
        put = {"segment": segment_id, "version": version, "rule": json.dumps(rule), "fires": fires, "by": None}
        connection.execute(statements.ADD_VERSION, put)
    record_process(
        connection, role="operator", action=ProcessAction.SEGMENT_SAVE, resource_type="segment",
        resource_id=str(segment_id), clinic_id=clinic_id,
    )  # fmt: skip
    return outcome


def _known(connection: psycopg.Connection, slug: str) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(f"{statements.KNOWN} where s.slug = %s", [slug]).fetchone()  # nosec B608 # a constant


def _settle(connection: psycopg.Connection, clinic: str, put: set[str]) -> None:
    """See that what was put compiles together with the clinic's sound segments, and note which depend on profiles."""
    rows = connection.execute(_ACTIVE).fetchall()
    try:
        rules = beside({slug: readable(rule) for _, _, rule, slug, _ in rows}, put)
        compile_program([ActiveSegment(key, version, rules[slug], slug) for key, version, _, slug, _ in rows
                         if slug in rules])  # fmt: skip
    except RuleError as error:
        raise InvalidInput(str(error), place=clinic) from None
    # Nobody knows what a broken one asks for: it stays as it was.
    dependent = [slug for _, _, _, slug, was in rows
                 if (profile_dependent(rules[slug], rules) if slug in rules else was)]  # fmt: skip
    connection.execute(statements.DEPEND, {"dependent": dependent})
    connection.execute(statements.DEPEND_VERSION, {"dependent": dependent})


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


_ACTIVE = """
select s.segment_id, s.version, v.rule, s.slug, s.profile_dependent
from segment as s
inner join segment_version as v on v.segment_id = s.segment_id and v.version = s.version
where s.archived_at is null
"""
_COUNTS = """
select s.slug, count(k.patient_id) filter (
    where not d.profile_dependent or (h.patient_id is null and p.patient_id is null))
from segment as s
inner join segment_dependence as d on d.segment_id = s.segment_id
left join segment_member as m on m.segment_id = s.segment_id and m.left_at is null
left join raw_patients as k on k.patient_id = m.patient_id
left join withdrawal as h on h.patient_id = m.patient_id
left join (
    select distinct p.patient_id
    from raw_patients as p
    left join operational.sharing_limit as t on t.clinic_id = %(clinic_id)s and t.patient_id = p.patient_id
        and (t.starts_at > statement_timestamp() or t.ends_at <= statement_timestamp())
    where p.profile_shared and (t.patient_id is not null or p.profile_until <= statement_timestamp())
) as p on p.patient_id = m.patient_id
where s.archived_at is null
group by s.slug
order by s.slug
"""
