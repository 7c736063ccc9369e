"""How PostgreSQL plans an evaluation of everybody: for each clinic anew, along indexes that hold what rules ask for."""

from datetime import UTC, datetime
from uuid import UUID

import psycopg
from live_twins import AS_OF, RULES, save
from psycopg.types.json import Jsonb

from bench.segments_rules import definitions, mission
from infra.database import Server, clinic_transaction, connect, lock_clinic
from infra.roles import ClinicKind, Login
from orchestration.programs import active_segments, evaluate
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import compile_program

# psycopg prepares a text that it has sent five times, and PostgreSQL keeps a plan after five more.
TURNS = 12


def test_it_is_planned_for_each_clinic_however_many_share_its_text(server: Server) -> None:
    save(server, RULES)
    with connect(Login.PIPELINE, at=server) as connection:
        for turn in range(TURNS):
            slug = ("north", "south")[turn % 2]
            with clinic_transaction(connection, server.roles, slug, ClinicKind.BUILDER):
                lock_clinic(connection, slug)
                evaluate(connection, compile_program(active_segments(connection)), AS_OF, datetime.now(UTC))
        kept = connection.execute("select statement from pg_prepared_statements").fetchall()
    assert not [text for (text,) in kept if "segment_member" in text]


def test_the_keys_of_the_two_largest_tables_hold_what_most_rules_ask(server: Server) -> None:
    segments = [
        ActiveSegment(UUID(int=place), 1, defined.rule, defined.slug)
        for place, defined in enumerate(definitions(mission()))
    ]
    program = compile_program(segments)
    with (
        connect(Login.PIPELINE, at=server) as connection,
        clinic_transaction(connection, server.roles, "north", ClinicKind.BUILDER),
    ):
        connection.execute("set local enable_seqscan = off")
        given = [AS_OF, datetime.now(UTC), Jsonb(program.parameters)]
        plan = psycopg.RawCursor(connection).execute(f"explain {program.statement}", given).fetchall()
    said = "\n".join(line for (line,) in plan)
    for table in ("raw_appointments", "raw_adherence"):
        assert f"Index Only Scan using {table}_pkey" in said
