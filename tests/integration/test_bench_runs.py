"""The benchmarks run, at the smallest scale; what they measure is not looked at here."""

from contextlib import nullcontext

import psycopg
import pytest

from bench import access_reads, audit_data, audit_reads, audit_search, live, live_pull
from bench.access_rotation import rotation
from bench.harness import Bench
from bench.ingest import loads
from bench.ingest_dbt import overhead
from bench.scale import SCALES
from bench.scale_data import ensure
from infra.database import Server, connect_admin

SMALL = SCALES["small"]
COUNTED = {
    "registration": SMALL.patients,
    "appointment": SMALL.appointments,
    "form_answer": SMALL.answers,
    "adherence": SMALL.adherence,
}


@pytest.fixture(scope="module")
def bench(template, tmp_path_factory):
    return Bench(template, SMALL, tmp_path_factory.mktemp("bench"))


def name_of_the_first_clinic(at: Server) -> str:
    with connect_admin(at) as admin:
        return admin.execute("select name from operational.clinic order by slug limit 1").fetchone()[0]


def count(admin: psycopg.Connection, table: str) -> int:
    return admin.execute(f"select count(*) from operational.{table}").fetchone()[0]


def test_the_scale_set_is_whole_and_keeps_every_key_and_check(bench):
    with connect_admin(bench.data()) as admin:
        assert {table: count(admin, table) for table in COUNTED} == COUNTED
        # It was written with triggers and foreign keys off: dropping and adding each key checks the rows.
        keys = admin.execute(
            "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
            " where contype = 'f' and connamespace = 'operational'::regnamespace"
        ).fetchall()
        assert len(keys) > 10
        for table, name, definition in keys:
            admin.execute(f"alter table {table} drop constraint {name}, add constraint {name} {definition}")
        assert count(admin, "outbox") == 0


def test_a_set_that_is_there_is_left_as_it_is(bench):
    with connect_admin(bench.data()) as admin:
        admin.execute("update operational.clinic set name = 'Left alone' where slug = 'scale_001'")
    assert name_of_the_first_clinic(ensure(SMALL, bench.at)) == "Left alone"


def test_a_half_made_set_is_made_again(bench):
    at: Server = bench.data()
    with connect_admin(at) as admin:
        admin.execute(f"comment on database {at.admin['dbname']} is null")
        admin.execute("update operational.clinic set name = 'Half made' where slug = 'scale_001'")
    assert name_of_the_first_clinic(ensure(SMALL, bench.at)) == "scale_001"


def test_ingest_figures(bench):
    figures = {figure.name: figure for figure in loads(bench)}
    assert set(figures) == {"ingest.first_load", "ingest.reload_1pct", "ingest.doubling"}
    assert all(figure.value > 0 for figure in figures.values())
    assert figures["ingest.first_load"].ratio == pytest.approx(
        figures["ingest.first_load"].baseline / figures["ingest.first_load"].value
    )


def test_dbt_figure(bench):
    (figure,) = overhead(bench)
    assert figure.name == "ingest.dbt_overhead"
    assert figure.value > 0 and figure.baseline > 0


def test_rotation_figures(bench):
    seconds, failed = rotation(bench)
    assert (seconds.name, failed.name) == ("access.rotation_s", "access.rotation_failed_reads")
    assert seconds.value > 0
    assert failed.value == 0 and failed.baseline > 0


def test_access_figures(bench, monkeypatch):
    for name, little in (("SECONDS", 0.2), ("ROUNDS", 1), ("PAIRS", 20), ("DECISIONS", 20)):
        monkeypatch.setattr(access_reads, name, little)
    measures = (access_reads.profile_reads, access_reads.not_there, access_reads.decisions)
    figures = {figure.name: figure for measure in measures for figure in measure(bench)}
    assert set(figures) == {
        "access.profile_read", "access.profile_read_anonymous", "access.not_there_ratio",
        "access.not_there_ratio_others", "access.decision_us",
    }  # fmt: skip
    assert all(figure.value > 0 for figure in figures.values())
    assert figures["access.not_there_ratio"].value >= 1


def test_audit_figures(bench, monkeypatch):
    for module, name, little in (
        (audit_reads, "SECONDS", 0.2), (audit_reads, "ROUNDS", 1), (audit_search, "SEARCHES", 3),
        (audit_data, "EVENTS", {"small": 2_000}), (audit_search, "EVENTS", {"small": 2_000}),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, little)
    figures = [*audit_reads.recorded_reads(bench), *audit_search.searches(bench)]
    assert {figure.name for figure in figures} == {
        "audit.recorded_one", "audit.recorded_hundred", "audit.search_patient_p95", "audit.search_actor_p95",
        "audit.search_clinic_week_p95", "audit.search_combined_p95", "audit.search_event_bytes",
        "audit.search_disclosure_bytes",
    }  # fmt: skip
    assert all(figure.value > 0 for figure in figures)


def test_pull_figures(bench, monkeypatch):
    monkeypatch.setattr(live_pull, "ROUNDS", 1)
    figures = list(live_pull.pulls(bench))
    assert [figure.name for figure in figures] == [
        "live.pull_ndjson", "live.pull_first_byte_ms", "live.pull_memory_mb",
    ]  # fmt: skip
    assert figures[0].value > 0 and figures[0].baseline > 0 and figures[1].value > 0


def test_live_figures(bench, monkeypatch):
    monkeypatch.setattr(live, "SECONDS", 0.5)
    monkeypatch.setattr(live, "_building", lambda *_: nullcontext(lambda: False))
    figures = list(live.latency(bench))
    assert {figure.name for figure in figures} == {
        "live.latency_p50_ms", "live.latency_p99_ms", "live.busy_p50_ms", "live.busy_p99_ms",
    }  # fmt: skip
    assert all(figure.value > 0 for figure in figures)
    with connect_admin(bench.data()) as admin:
        assert count(admin, "appointment") == COUNTED["appointment"]
