"""A process killed in the middle of its work, by SIGKILL: the same work done again ends as if undisturbed."""

import multiprocessing
import signal
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from operational_rows import Rows
from psycopg import sql

from infra.database import Server
from orchestration.build import Plan, build
from orchestration.dbt_run import today_everywhere
from tests.integration.gate import hanging, waiting
from tests.integration.importing import bring, facts, quarantined, versions

CLINICS = today_everywhere(["north", "south"], date(2024, 6, 30))
RAW = ("raw_patients", "raw_appointments", "raw_forms", "raw_answers", "raw_adherence")
MARTS = ("patient_summary", "appointment_report", "segment_report")


def kill_at_gate(
    admin: psycopg.Connection, work: Callable[..., object], *arguments: object, after: Callable[[], bool] = lambda: True
) -> None:
    """Do the work in a process of its own, and kill that when it hangs (and `after` what others do beside it)."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    try:
        while not (waiting(admin) and after()):
            assert process.is_alive(), "it ended without coming to the gate"
            time.sleep(0.05)
    finally:
        process.kill()
        process.join()
    assert process.exitcode == -signal.SIGKILL


def filled(rows: Rows, tables: tuple[str, ...]) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    return {(clinic.slug, table): rows.raw(clinic.slug, table) for clinic in CLINICS for table in tables}


@pytest.mark.check(42)
def test_a_build_killed_and_repeated_gives_the_same_marts(server: Server, admin: psycopg.Connection) -> None:
    rows = Rows(admin)
    for clinic in ("north", "south"):
        for day in (1, 2, 3):
            patient = rows.patient(clinic, consent=day > 1)
            rows.appointment(clinic, patient, date(2024, 5, day))
            rows.plan(clinic, patient, [date(2024, 6, day)])
    build(server, Plan(CLINICS), str(uuid4()))
    undisturbed = filled(rows, (*RAW, *MARTS))
    assert undisturbed["north", "patient_summary"] and undisturbed["south", "raw_adherence"]
    for clinic in CLINICS:
        for table in (*RAW, *MARTS):
            admin.execute(sql.SQL("truncate {} cascade").format(sql.Identifier(f"clinic_{clinic.slug}", table)))

    with hanging(admin, "clinic_north", "raw_appointments", "new.starts_on = '2024-05-02'"):
        kill_at_gate(admin, build, server, Plan(CLINICS, models=()), str(uuid4()))
    assert rows.raw("north", "raw_appointments") == [] and len(rows.raw("north", "raw_patients")) == 3
    _, ledger = build(server, Plan(CLINICS), str(uuid4()))
    assert ledger.failed == {}
    assert filled(rows, (*RAW, *MARTS)) == undisturbed


@pytest.mark.check(42)
def test_an_import_killed_and_repeated_gives_the_same_rows(
    server: Server, module_server: Server, admin: psycopg.Connection, data: Path
) -> None:
    files = [data / "two_clinics" / "clinic_a" / f"{name}.csv.gz" for name in ("patients", "appointments")]
    bring(module_server, "two_clinics.mapping.yml", *files, clinic="north")
    with psycopg.connect(**module_server.admin, autocommit=True) as other:
        undisturbed = facts(other), versions(other), quarantined(other, module_server)
    assert len(undisturbed[0]["appointment"]) == 13_631

    def landed() -> int:
        return len(facts(admin, ["appointment"])["appointment"])

    with hanging(admin, "operational", "appointment", "new.source_id = '000203'"):
        kill_at_gate(admin, bring_two, server, files)
    assert landed() < 13_631 and len(facts(admin, ["profile"])["profile"]) > 4000
    bring_two(server, files)
    assert (facts(admin), versions(admin), quarantined(admin, server)) == undisturbed


def bring_two(server: Server, files: list[Path]) -> None:
    bring(server, "two_clinics.mapping.yml", *files, clinic="north")
