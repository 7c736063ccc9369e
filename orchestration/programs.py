"""A clinic's active segments as a program: compiled, stored where dbt runs it, or executed."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from infra.database import Server, clinic_transaction, connect, lock_clinic
from infra.roles import ClinicKind, Login
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import Program, compile_program
from policies.segments.rule import Rule, RuleError, parse_rule
from policies.segments.sound import compiling, without

# From so many patients on, a second process saves more time than a table between two statements takes.
LARGE = 50_000


def write_program(at: Server, slug: str) -> bool:
    """Store the program of a clinic's active segments; False if it is the one stored already.

    Raises:
        RuleError: a stored rule is none; names the place in it.
    """
    with (
        connect(Login.PIPELINE, at=at) as connection,
        clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER),
    ):
        lock_clinic(connection, slug)
        return store_program(connection, compile_program(active_segments(connection), middle=middle(connection)))


def middle(connection: psycopg.Connection) -> UUID | None:
    """The patient in the middle of the clinic whose schema the transaction is in, if it is large.

    By the planner's count of them: a wrong one makes one half larger, and no member wrong.
    """
    (patients,) = connection.execute(_COUNTED).fetchone() or (0,)
    if patients < LARGE:
        return None
    row = connection.execute(_MIDDLE, [patients // 2]).fetchone()
    return row[0] if row else None


def evaluate(connection: psycopg.Connection, program: Program, as_of: date, at: datetime) -> tuple[int, int]:
    """Bring everybody's memberships up to date, in the running transaction; how many entered and left.

    The transaction is the clinic's builder's and holds the clinic's lock. Once a transaction: of a large clinic
    it leaves a table until its end.
    """
    given, cursor = [as_of, at, Jsonb(program.parameters)], psycopg.RawCursor(connection)
    if program.verdicts:
        # The planner counts no leader among those who share work: with one worker it would see no gain.
        connection.execute("set local max_parallel_workers_per_gather = 2")
        cursor.execute(program.verdicts, given, prepare=False)
    # Clinics share its text: prepared, after some of them it would get a plan without the rules' constants, which works
    # each of them out anew for each row.
    row = cursor.execute(program.statement, given, prepare=False).fetchone()
    return row or (0, 0)


def active_segments(connection: psycopg.Connection) -> list[ActiveSegment]:
    """The segments in force of the clinic whose schema the transaction is in, but for those that fail.

    Raises:
        RuleError: a stored rule is none; names the place in it.
    """
    rows = _rows(connection)
    segments = [ActiveSegment(segment_id, version, _parsed(rule), slug) for segment_id, version, rule, slug, _ in rows]
    return without(segments, {segment_id for segment_id, *_, fails in rows if fails})


def sound_segments(connection: psycopg.Connection) -> list[ActiveSegment]:
    """Those of them that compile."""
    found = []
    for segment_id, version, rule, slug, fails in _rows(connection):
        with suppress(RuleError):
            if not fails:
                found.append(ActiveSegment(segment_id, version, _parsed(rule), slug))
    return compiling(found)


def note_broken(connection: psycopg.Connection, sound: list[ActiveSegment]) -> bool:
    """Note which segments in force are not among the sound ones, until they are; whether there are such."""
    row = connection.execute(_BROKEN, {"sound": [segment.segment_id for segment in sound]}).fetchone()
    return row == (True,)


def note_failing(connection: psycopg.Connection, segments: Sequence[UUID], sqlstate: str) -> None:
    """Note segments that cannot be evaluated: they are left out until their rules change or they are tried again."""
    connection.execute(_FAILING, {"segments": list(segments), "sqlstate": sqlstate})
    note_broken(connection, sound_segments(connection))


def try_failing_again(connection: psycopg.Connection) -> None:
    """Have segments that fail tried again, by everybody, though their rules have not changed."""
    connection.execute("update segment_broken set sqlstate = null where sqlstate is not null")
    note_broken(connection, sound_segments(connection))


def _rows(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select segment.segment_id, segment.version, version.rule::text, segment.slug, exists ("
        " select from segment_broken as broken where broken.segment_id = segment.segment_id"
        " and broken.version = segment.version and broken.sqlstate is not null)"
        " from segment inner join segment_version as version using (segment_id, version)"
        " where segment.archived_at is null"
    ).fetchall()


# Clinics share templates, and rules seldom change.
@lru_cache(maxsize=10_000)
def _parsed(rule: str) -> Rule:
    return parse_rule(json.loads(rule))


_COUNTED = "select reltuples::bigint from pg_class where oid = 'raw_patients'::regclass"
_MIDDLE = "select patient_id from raw_patients order by patient_id offset greatest(%s, 0) limit 1"
# Meanwhile the patients changed: by one that is mended under the same version, everybody is evaluated anew.
_BROKEN = """
with broken as (
    select segment_id, version from segment where archived_at is null and segment_id <> all(%(sound)s::uuid[])
),
mended as (
    delete from segment_broken where segment_id not in (select segment_id from broken) returning segment_id, version
),
again as (
    update segment_state as evaluated set rules = 'again' from mended
    where evaluated.segment_id = mended.segment_id and evaluated.version = mended.version
        and mended.segment_id = any(%(sound)s::uuid[])
),
noted as (
    insert into segment_broken as known (segment_id, version)
    select segment_id, version from broken
    on conflict (segment_id) do update set version = excluded.version, sqlstate = null
    where known.version <> excluded.version
)
select exists (select from broken)
"""
_FAILING = """
insert into segment_broken (segment_id, version, sqlstate)
select segment_id, version, %(sqlstate)s from segment where segment_id = any(%(segments)s::uuid[])
on conflict (segment_id) do update set version = excluded.version, sqlstate = excluded.sqlstate
"""


def store_program(connection: psycopg.Connection, program: Program) -> bool:
    """Store the program that the running transaction's clinic is evaluated by; False if it is stored already."""
    stored = connection.execute(
        "insert into segment_program as held (verdicts, statement, parameters, fingerprint) values (%s, %s, %s, %s)"
        " on conflict (singleton) do update set verdicts = excluded.verdicts, statement = excluded.statement,"
        " parameters = excluded.parameters, fingerprint = excluded.fingerprint"
        " where held.fingerprint <> excluded.fingerprint",
        [program.verdicts, program.statement, Jsonb(program.parameters), program.fingerprint],
    )
    return stored.rowcount > 0
