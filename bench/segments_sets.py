"""Clinics whose marts are filled, with the segments that a benchmark asks for."""

from datetime import UTC, date, datetime

import psycopg
from psycopg import sql

from bench.harness import Bench, Timer
from bench.ingest import in_parallel, ingest_all
from bench.scale import AS_OF, Scale
from bench.segments_rules import definitions
from infra.database import Server, clinic_transaction, connect, connect_admin, lock_clinic
from infra.roles import ClinicKind, Login, clinic_schema
from infra.segments import add_segments
from orchestration.programs import active_segments, middle
from orchestration.programs import evaluate as evaluate_program
from policies.segments.reconcile import compile_program

INSTANT = datetime(2025, 6, 30, 12, tzinfo=UTC)


def marts(bench: Bench, scale: Scale) -> Server:
    """The scale's database, its marts filled, its tables vacuumed; those that are full are left as they are."""
    at = bench.data(scale)
    with connect_admin(at) as admin:
        patients = scale.patients // scale.clinics
        if all(_count(admin, slug, "raw_patients") == patients for slug in scale.slugs):
            return at
        ingest_all(at, scale.slugs)
        admin.execute("vacuum analyze")
    return at


def put_segments(at: Server, slugs: list[str], rules: dict[str, str]) -> None:
    """Give each clinic these segments and no others, without members."""
    with connect_admin(at) as admin:
        for slug in slugs:
            schema = sql.Identifier(clinic_schema(slug))
            for table in ("segment_member", "segment_state", "segment_version", "segment"):
                admin.execute(sql.SQL("delete from {}.{}").format(schema, sql.Identifier(table)))
    add_segments(at, slugs, definitions(rules))
    empty(at, slugs)


def empty(at: Server, slugs: list[str]) -> None:
    """Take every member away, as if nothing had been evaluated; statistics as a first build finds them."""
    with connect_admin(at) as admin:
        for slug in slugs:
            schema = sql.Identifier(clinic_schema(slug))
            tables = sql.SQL(
                "{0}.segment_member, {0}.segment_forget, {0}.segment_state, {0}.changed_patient, {0}.patient_flip"
            ).format(schema)
            admin.execute(sql.SQL("truncate {}").format(tables))
            admin.execute(sql.SQL("vacuum analyze {}").format(tables))
        admin.execute("checkpoint")


def evaluate(at: Server, slugs: list[str], as_of: date = AS_OF, *, flips: bool = False) -> int:
    """Bring the members of every segment of these clinics up to date, two clinics at a time; how many entered."""

    def work(part: list[str]) -> int:
        with connect(Login.PIPELINE, at=at) as connection:
            return sum(evaluate_one(connection, at, slug, as_of, flips=flips) for slug in part)

    return sum(in_parallel(work, slugs))


def evaluate_one(
    connection: psycopg.Connection, at: Server, slug: str, as_of: date = AS_OF, *, flips: bool = False
) -> int:
    """The same for one clinic: compiled and executed as its builder and only writer, then committed.

    In a pipeline, as the live worker does; dbt has compiled before, and runs one statement.
    """
    with connection.pipeline(), clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER):
        lock_clinic(connection, slug)
        program = compile_program(active_segments(connection), flips=flips, middle=middle(connection))
        return evaluate_program(connection, program, as_of, INSTANT)[0]


def timed(at: Server, slugs: list[str]) -> float:
    """Seconds of `evaluate`, into no members at all."""
    empty(at, slugs)
    with (timer := Timer()).running():
        evaluate(at, slugs)
    return timer.seconds


def members(at: Server, slug: str) -> set[tuple[str, bytes]]:
    """Present members of a clinic: the segment's slug and the patient's id."""
    query = sql.SQL(
        "select s.slug, m.patient_id from {0}.segment_member as m inner join {0}.segment as s using (segment_id)"
        " where m.left_at is null"
    ).format(sql.Identifier(clinic_schema(slug)))
    with connect_admin(at) as admin:
        return {(name, patient.bytes) for name, patient in admin.execute(query)}


def _count(admin: psycopg.Connection, slug: str, table: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier(clinic_schema(slug), table))
    row = admin.execute(query).fetchone()
    return int(row[0]) if row else 0
