"""A large clinic is evaluated in two halves, which PostgreSQL can give a process each: its members are the same."""

import random
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from live_twins import AS_OF, RULES, Twins, bring, evaluate, feed, load, save
from operational_rows import Rows
from psycopg.types.json import Jsonb

from bench.segments_rules import TWENTY
from infra.database import Server, become_clinic, connect
from infra.roles import ClinicKind, Login
from orchestration import programs
from orchestration.dbt_run import run_dbt, today_everywhere
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import compile_program
from policies.segments.text import read

ANY_SIZE = -1  # of a table that was never analyzed PostgreSQL says so


@pytest.fixture
def twins(server: Server, admin: psycopg.Connection) -> Twins:
    """Two clinics alike, with some patients and facts, not yet evaluated."""
    twins = Twins(Rows(admin), random.Random(7))
    twins.step(80)
    save(server, RULES)
    for slug in ("north", "south"):
        load(server, slug)
    return twins


def test_the_live_worker_finds_the_same_members(server: Server, twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(server, "south")
    monkeypatch.setattr(programs, "LARGE", ANY_SIZE)
    bring(server, "north")
    assert _stored(twins.rows, "north") is not None
    assert feed(twins.rows, "north") == feed(twins.rows, "south") != []


def test_a_build_finds_the_same_members(server: Server, twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    programs.write_program(server, "south")
    monkeypatch.setattr(programs, "LARGE", ANY_SIZE)
    assert programs.write_program(server, "north")
    run_dbt(server, today_everywhere(["north", "south"], AS_OF))
    assert [_stored(twins.rows, slug) is None for slug in ("north", "south")] == [False, True]
    assert feed(twins.rows, "north") == feed(twins.rows, "south") != []


def test_a_clinic_is_large_by_its_patients(server: Server, twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    twins.rows.admin.execute(
        "delete from clinic_north.raw_patients where patient_id in"
        " (select patient_id from clinic_north.raw_patients limit 1)"
    )
    twins.rows.admin.execute("analyze clinic_north.raw_patients")
    twins.rows.admin.execute("analyze clinic_south.raw_patients")
    patients = twins.rows.admin.execute("select count(*) from clinic_south.raw_patients").fetchone()
    assert patients
    monkeypatch.setattr(programs, "LARGE", patients[0])
    for slug, large in (("north", False), ("south", True)):
        with connect(Login.PIPELINE, at=server) as connection:
            become_clinic(connection, server.roles, slug, ClinicKind.BUILDER)
            assert (programs.middle(connection) is not None) is large


@pytest.mark.parametrize("flips", [False, True])
def test_nothing_in_the_text_keeps_the_halves_from_a_process_each(server: Server, flips: bool) -> None:
    segments = [ActiveSegment(UUID(int=n), 1, read(text), slug) for n, (slug, text) in enumerate(TWENTY.items())]
    program = compile_program(segments, flips=flips, middle=UUID(int=1 << 127))
    with connect(Login.PIPELINE, at=server) as connection:
        become_clinic(connection, server.roles, "north", ClinicKind.BUILDER)
        connection.execute("set local parallel_setup_cost = 0")
        connection.execute("set local parallel_tuple_cost = 0")
        connection.execute("set local max_parallel_workers_per_gather = 2")
        given = [AS_OF, datetime.now(UTC), Jsonb(program.parameters)]
        plan = psycopg.RawCursor(connection).execute(f"explain {program.verdicts}", given).fetchall()
    said = "\n".join(line for (line,) in plan)
    assert "Parallel Append" in said and said.count("Merge Left Join") >= 2


def _stored(rows: Rows, clinic: str) -> object:
    found = rows.admin.execute(f"select verdicts from clinic_{clinic}.segment_program").fetchone()
    return found[0] if found else None
