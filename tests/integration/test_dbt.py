"""dbt fills every clinic's marts in one run, rebuilds nothing that grants hang on, and survives a bad clinic."""

import json
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from operational_rows import CANARY, Rows
from psycopg.types.json import Jsonb

from infra.database import Server
from orchestration.dbt_run import dbt, dbt_folder, run_dbt, today_everywhere, variables
from orchestration.graph import MODELS
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from orchestration.programs import write_program
from policies.words import ProcessAction

AS_OF = date(2024, 6, 30)
CLINICS = today_everywhere(["north", "south"], AS_OF)
MARTS = ("patient_summary", "appointment_report", "segment_report")
BUILT = (*MARTS, "segment_member", "segment_state", "segment_clock")


@pytest.fixture
def rows(server: Server, admin: psycopg.Connection) -> Rows:
    """Two clinics of three patients each, loaded: one 74 with little adherence, one 20, one who shares nothing."""
    rows = Rows(admin)
    for clinic in ("north", "south"):
        old, young = (
            rows.patient(clinic, birth_date=date(1950, 1, 1)),
            rows.patient(clinic, birth_date=date(2004, 6, 30)),
        )
        hidden = rows.patient(clinic, consent=False, birth_date=date(1940, 1, 1))
        for patient in (old, young, hidden):
            rows.appointment(clinic, patient, date(2024, 5, 1))
            rows.plan(clinic, patient, [date(2024, 6, 20), date(2024, 6, 21)])
        rows.appointment(clinic, old, date(2024, 5, 2), "noshow")
        rows.appointment(clinic, old, date(2024, 7, 2), "booked")
        segment(rows, clinic, {"measure": "age", "op": ">", "value": 65})
        load(server, clinic)
    return rows


def segment(rows: Rows, clinic: str, rule: dict[str, object]) -> UUID:
    """A segment as the API stores it."""
    key = uuid4()
    rows.admin.execute(
        f"insert into clinic_{clinic}.segment (segment_id, slug, name, profile_dependent, created_at)"
        " values (%s, %s, 'S', true, now())",
        [key, f"s-{key}"],
    )
    rows.admin.execute(
        f"insert into clinic_{clinic}.segment_version values (%s, 1, %s, now())",
        [key, Jsonb(rule)],
    )
    return key


def load(server: Server, clinic: str) -> None:
    for asset in Asset:
        ingest(server, clinic, asset, uuid4())
    write_program(server, clinic)


def catalogue(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    """Grants, constraints, indexes, triggers, policies and identities of everything in the clinics' schemas."""
    return admin.execute(
        "select c.oid, c.relname, c.relowner, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,"
        " array(select attname::text || atttypid::regtype::text || attnotnull::text || coalesce(attacl::text, '')"
        " from pg_attribute where attrelid = c.oid and attnum > 0 order by attnum),"
        " array(select pg_get_triggerdef(t.oid) || tgenabled::text from pg_trigger as t where tgrelid = c.oid"
        " order by 1),"
        " array(select polname::text || polcmd::text || polroles::text || coalesce(pg_get_expr(polqual, c.oid), '')"
        " || coalesce(pg_get_expr(polwithcheck, c.oid), '') from pg_policy where polrelid = c.oid order by 1),"
        " array(select conname || pg_get_constraintdef(k.oid) from pg_constraint as k"
        " where conrelid = c.oid order by 1),"
        " array(select pg_get_indexdef(indexrelid) from pg_index where indrelid = c.oid order by 1)"
        " from pg_class as c where relnamespace::regnamespace::text like 'clinic\\_%' and relkind in ('r', 'v')"
        " order by 1"
    ).fetchall()


@pytest.mark.check(8)
def test_a_full_refresh_leaves_grants_and_constraints_in_place(server: Server, rows: Rows) -> None:
    before = catalogue(rows.admin)
    run_dbt(server, CLINICS)
    first = {(clinic, mart): rows.raw(clinic, mart) for clinic in ("north", "south") for mart in MARTS}
    outcome = run_dbt(server, CLINICS, full_refresh=True)
    assert not outcome.failed and all(first.values())
    assert catalogue(rows.admin) == before and len(before) > 20
    assert {key: rows.raw(*key) for key in first} == first


def test_every_model_is_done_in_every_clinic(server: Server, rows: Rows) -> None:
    outcome = run_dbt(server, CLINICS)
    assert {clinic: set(MODELS) - set(done) for clinic, done in outcome.done.items()} == {
        "north": set(),
        "south": set(),
    }
    assert rows.raw("north", "patient_summary", "appointments, fulfilled, noshows, prescribed, done") == [
        (1, 1, 0, 8, 2), (1, 1, 0, 8, 2), (3, 1, 1, 8, 2),
    ]  # fmt: skip
    assert (date(2024, 7, 2),) in rows.raw("north", "patient_summary", "next_appointment_on")


def test_the_segment_report_counts_present_members(server: Server, rows: Rows) -> None:
    run_dbt(server, CLINICS)
    assert rows.raw("north", "segment_report", "dimension, bucket, patients") == [
        ("adherence", "25-49 %", 1),
        ("age", "65-79", 1),
        ("attendance", "50-100 %", 1),
        ("insurance", "public", 1),
        ("service", "consultation", 1),
        ("sex", "female", 1),
    ]


@pytest.mark.check(12)
def test_a_withheld_birth_date_is_in_no_count(server: Server, rows: Rows) -> None:
    """The counting part: a member who shares nothing is in no bucket of the attribute."""
    everyone = segment(rows, "north", {"measure": "appointments.count", "op": ">=", "value": 1})
    write_program(server, "north")
    run_dbt(server, CLINICS)
    ages = rows.admin.execute(
        "select bucket, patients from clinic_north.segment_report"
        " where segment_id = %s and dimension = 'age' order by 1",
        [everyone],
    ).fetchall()
    assert ages == [("18-39", 1), ("65-79", 1), ("unknown", 1)]


@pytest.mark.check(42)
def test_building_twice_touches_no_row(server: Server, rows: Rows) -> None:
    run_dbt(server, CLINICS)
    before = {mart: rows.raw("north", mart, "xmin::text, *") for mart in (*MARTS, "segment_member")}
    run_dbt(server, CLINICS)
    assert {mart: rows.raw("north", mart, "xmin::text, *") for mart in before} == before


@pytest.mark.check(44)
@pytest.mark.check(29)
def test_a_failing_clinic_is_named_and_the_others_are_done(server: Server, rows: Rows) -> None:
    rows.admin.execute("alter table clinic_north.patient_summary add constraint few check (noshows < 1)")
    outcome = run_dbt(server, CLINICS)
    assert set(outcome.failed) == {"north"}
    fault = outcome.failed["north"]
    assert (fault.step, fault.sqlstate, fault.constraint) == ("patient_summary", "23514", "few")
    assert set(MODELS) <= set(outcome.done["south"])
    assert "segment_report" not in outcome.done["north"] and rows.raw("north", "segment_report") == []
    said = "".join(path.read_text() for path in dbt_folder(server).rglob("*") if path.suffix in (".log", ".json"))
    assert CANARY not in said and "Failing row" not in said and "patient_summary" in said


@pytest.mark.check(44)
def test_a_clinic_whose_statement_is_cancelled_stops_no_other(server: Server, rows: Rows) -> None:
    """As a timeout does, or somebody who looked for what takes so long."""
    rows.admin.execute(
        "create function clinic_north.cancelled() returns trigger language plpgsql as 'begin raise query_canceled; end'"
    )
    rows.admin.execute(
        "create trigger cancelled before insert on clinic_north.patient_summary"
        " for each statement execute function clinic_north.cancelled()"
    )
    outcome = run_dbt(server, CLINICS)
    assert {clinic: (fault.step, fault.sqlstate) for clinic, fault in outcome.failed.items()} == {
        "north": ("patient_summary", "57014")
    }
    assert set(MODELS) <= set(outcome.done["south"])


@pytest.mark.check(21)
@pytest.mark.check(22)
def test_what_is_built_is_recorded_with_it_and_what_cannot_be_is_not_built(server: Server, rows: Rows) -> None:
    refused = "action <> 'pipeline.build' or organisation <> 'north' or resource_id <> 'patient_summary'"
    rows.admin.execute(f"alter table audit.access_event add constraint refuses check ({refused}) not valid")
    outcome = run_dbt(server, CLINICS)
    fault = outcome.failed["north"]
    assert (fault.step, fault.sqlstate, fault.constraint) == ("patient_summary", "23514", "refuses")
    assert rows.raw("north", "patient_summary") == [] and rows.raw("south", "patient_summary")
    recorded = rows.admin.execute(
        "select organisation, resource_id from audit.access_event where action = %s and patients = 3",
        [ProcessAction.BUILD],
    ).fetchall()
    done = [(clinic, step) for clinic, steps in outcome.done.items() for step in steps if step in MODELS]
    assert sorted(recorded) == sorted(done) and len(done) > len(MODELS)


@pytest.mark.check(44)
def test_a_view_that_is_not_the_models_fails_its_clinic(server: Server, rows: Rows) -> None:
    rows.admin.execute(
        "create or replace view clinic_south.stg_adherence as"
        " select patient_id, plan_id, day, prescribed, done from clinic_south.raw_adherence where done > 0"
    )
    outcome = run_dbt(server, CLINICS)
    assert {clinic: fault.constraint for clinic, fault in outcome.failed.items()} == {"south": "stg_adherence"}


@pytest.mark.check(44)
def test_a_view_that_no_clinic_has_as_the_model_says_fails_all_clinics(server: Server, rows: Rows) -> None:
    for schema in ("structure", "clinic_north", "clinic_south"):
        rows.admin.execute(
            f"create or replace view {schema}.stg_adherence as"
            f" select patient_id, plan_id, day, done as prescribed, done from {schema}.raw_adherence"
        )
    outcome = run_dbt(server, CLINICS)
    faults = {clinic: fault.constraint for clinic, fault in outcome.failed.items()}
    assert faults == dict.fromkeys(("north", "south"), "stg_adherence")


@pytest.mark.check(44)
def test_a_data_test_fails_the_clinic_that_breaks_it(server: Server, rows: Rows) -> None:
    rows.admin.execute("alter table clinic_north.raw_patients drop constraint raw_patients_consent")
    rows.admin.execute("update clinic_north.raw_patients set profile_shared = false")
    outcome = run_dbt(server, CLINICS)
    assert {clinic: fault.sqlstate for clinic, fault in outcome.failed.items()} == {"north": "23514"}
    assert "no_profile_without_consent" in outcome.failed["north"].step


@pytest.mark.check(46)
def test_a_run_over_one_clinic_leaves_the_other_as_it_was(server: Server, rows: Rows) -> None:
    """Though both have rows of before, and something to bring up to date."""
    run_dbt(server, CLINICS)
    for clinic in ("north", "south"):
        rows.appointment(clinic, rows.patient(clinic), date(2024, 5, 3))
        load(server, clinic)
    before = {(clinic, name): as_it_lies(rows, clinic, name) for clinic in ("north", "south") for name in BUILT}
    assert all(before["south", name] for name in BUILT)
    run_dbt(server, CLINICS[:1])
    moved = {key for key, found in before.items() if as_it_lies(rows, *key) != found}
    assert {clinic for clinic, _ in moved} == {"north"} and {name for _, name in moved} >= {*MARTS, "segment_member"}


def as_it_lies(rows: Rows, clinic: str, table: str) -> list[tuple[object, ...]]:
    """A table's rows, each with the transaction that wrote it."""
    return rows.raw(clinic, table, "xmin::text, *")


def test_each_clinic_has_a_day_of_its_own(server: Server, rows: Rows) -> None:
    run_dbt(server, [*today_everywhere(["north"], date(2014, 1, 1)), *CLINICS[1:]])
    assert rows.raw("north", "segment_member") == []
    assert len(rows.raw("south", "segment_member")) == 1


def test_dbts_own_unit_tests_hold(server: Server) -> None:
    dbt(server, ["test", "--select", "test_type:unit"], variables(server, [], str(uuid4())))
    results = json.loads((dbt_folder(server) / "target" / "run_results.json").read_text())["results"]
    assert results and {result["status"] for result in results} == {"pass"}


def test_the_models_are_those_that_dagster_shows(server: Server) -> None:
    dbt(server, ["parse"], variables(server, [], str(uuid4())))
    manifest = json.loads((dbt_folder(server) / "target" / "manifest.json").read_text())
    loads = {
        "raw_patients": "patients",
        "raw_appointments": "appointments",
        "raw_forms": "forms",
        "raw_adherence": "adherence",
    }
    found = {
        node["name"]: {loads.get(name, name) for name in (key.split(".")[-1] for key in node["depends_on"]["nodes"])}
        - {"segment", "segment_program"}
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    assert found == {name: set(sources) for name, sources in MODELS.items()}
    assert all(
        node["description"].startswith("One row per")
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    )


def test_nothing_of_dbt_lands_in_the_project(server: Server) -> None:
    project = Path(__file__).parents[2] / "dbt_project"
    assert not (project / "target").exists() and not (project / "logs").exists()
