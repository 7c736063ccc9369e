"""Compiles each clinic's active segments just before dbt runs, and stores the program where they run."""

import psycopg
from psycopg.types.json import Jsonb

from infra.database import Server, clinic_transaction, connect, lock_clinic
from infra.roles import ClinicKind, Login
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import Program, compile_program
from policies.segments.rule import parse_rule


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
        return _store(connection, compile_program(active_segments(connection)))


def active_segments(connection: psycopg.Connection) -> list[ActiveSegment]:
    """The segments in force of the clinic whose schema the transaction is in."""
    found = connection.execute(
        "select segment.segment_id, segment.version, version.rule, segment.slug"
        " from segment inner join segment_version as version using (segment_id, version)"
        " where segment.archived_at is null"
    ).fetchall()
    return [ActiveSegment(segment_id, version, parse_rule(rule), slug) for segment_id, version, rule, slug in found]


def _store(connection: psycopg.Connection, program: Program) -> bool:
    stored = connection.execute(
        "insert into segment_program as held (statement, parameters, fingerprint) values (%s, %s, %s)"
        " on conflict (singleton) do update set statement = excluded.statement,"
        " parameters = excluded.parameters, fingerprint = excluded.fingerprint"
        " where held.fingerprint <> excluded.fingerprint",
        [program.statement, Jsonb(program.parameters), program.fingerprint],
    )
    return stored.rowcount > 0
