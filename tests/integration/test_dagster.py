"""The Dagster job: it marks as built what is built, names what failed, keeps no patient data."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from operational_rows import CANARY, Rows
from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from api.directory import ClinicEntry, at_present
from infra.database import Server, connect_admin
from infra.errors import InvalidInput
from infra.roles import ClinicKind, Login
from infra.segments import add_segments
from orchestration import mart_state, quality
from orchestration.build import Plan, build
from orchestration.dbt_run import today_everywhere
from orchestration.drift import NOT_EVALUATED, check_drift
from orchestration.graph import MODELS
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from orchestration.materialize import dagster_folder, dagster_instance, materialize
from policies.segments.definition import SegmentDefinition
from policies.segments.text import read
from policies.written import newest_day

AS_OF = date(2024, 6, 30)


@pytest.fixture(scope="module")
def rows(module_server: Server) -> Iterator[Rows]:
    with connect_admin(module_server) as admin:
        rows = Rows(admin)
        for clinic in ("north", "south"):
            for consent in (True, False):
                patient = rows.patient(clinic, consent=consent)
                rows.appointment(clinic, patient, date(2024, 5, 1))
        yield rows


def built(at: Server, run_id: str) -> dict[str, set[str]]:
    """The clinics that Dagster shows as materialised by a run, by asset."""
    return {asset: set(clinics) for asset, clinics in counted(at, run_id).items()}


def counted(at: Server, run_id: str) -> dict[str, dict[str, dict[str, object]]]:
    """What Dagster shows of each asset that a run materialised, by clinic: its counts."""
    import dagster as dg

    found: dict[str, dict[str, dict[str, object]]] = {}
    with dagster_instance(at) as instance:
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            event = entry.get_dagster_event()
            assert event.asset_key and event.partition
            told = event.step_materialization_data.materialization.metadata
            counts = {name: value.value for name, value in told.items()}
            found.setdefault(event.asset_key.to_user_string(), {})[event.partition] = counts
    return found


def checks(at: Server, run_id: str) -> dict[str, bool]:
    import dagster as dg

    with dagster_instance(at) as instance:
        logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [entry.get_dagster_event().asset_check_evaluation_data for entry in logs]
    return {f"{check.asset_key.to_user_string()}.{check.check_name}": check.passed for check in found}


@pytest.mark.check(44)
@pytest.mark.check(29)
def test_a_failing_clinic_is_named_and_the_other_is_done(module_server: Server, rows: Rows) -> None:
    rows.admin.execute(f"alter table clinic_north.raw_patients add constraint no_canary check (name !~ '{CANARY}')")
    outcome = materialize(module_server, as_of=AS_OF)
    rows.admin.execute("alter table clinic_north.raw_patients drop constraint no_canary")
    assert outcome.done == ["south"]
    assert str(outcome.failed["north"]) == "ingest.patients (SQLSTATE 23514, no_canary)"
    assert outcome.run_id
    assert built(module_server, outcome.run_id) == {name: {"south"} for name in (*Asset, *MODELS)}
    recorded = rows.admin.execute(
        "select distinct action, organisation, coalesce(resource_id, resource_type) from audit.access_event"
        " where batch_id = %s", [outcome.run_id]
    ).fetchall()  # fmt: skip
    assert set(recorded) == {("pipeline.ingest", "south", asset.value) for asset in Asset} | {
        ("pipeline.build", "south", model) for model in MODELS
    }
    # What the mart of a clinic that failed still shows is checked as well.
    checked = rows.admin.execute(
        "select distinct clinic from pipeline.verdict where run_id = %s and check_name = 'consent'", [outcome.run_id]
    ).fetchall()
    assert sorted(checked) == [("north",), ("south",)]
    assert CANARY.encode() not in b"".join(
        path.read_bytes() for path in dagster_folder(module_server).rglob("*") if path.is_file()
    )
    mended = materialize(module_server, as_of=AS_OF)
    assert (mended.done, mended.failed, mended.current) == (["north"], {}, ["south"])
    assert mended.run_id
    found = checks(module_server, mended.run_id)
    assert all(found.values()) and len(found) == 7
    kept = rows.admin.execute(
        "select asset || '.' || check_name, passed from pipeline.verdict where run_id = %s and clinic = 'north'",
        [mended.run_id],
    ).fetchall()
    assert dict(kept) == found


@pytest.mark.check(42)
def test_current_marts_are_left_alone_until_something_changes(module_server: Server, rows: Rows) -> None:
    materialize(module_server, as_of=AS_OF)
    assert materialize(module_server, as_of=AS_OF).current == ["north", "south"]
    patient = rows.patient("south")
    outcome = materialize(module_server, as_of=AS_OF)
    assert (outcome.done, outcome.current) == (["south"], ["north"])
    summaries = rows.raw("south", "patient_summary", "patient_id")
    assert (patient,) in summaries and outcome.run_id
    shown = counted(module_server, outcome.run_id)
    assert shown[Asset.PATIENTS]["south"] == {"rows_written": 1, "rows_deleted": 0, "patients": 1}
    assert shown["patient_summary"]["south"] == {"dagster/partition_row_count": len(summaries)}
    assert materialize(module_server, as_of=date(2024, 7, 1), clinics=["north"]).done == ["north"]


def test_members_stand_for_the_day_of_a_build_that_failed_behind_them(module_server: Server, rows: Rows) -> None:
    """What is explained and tried is of the day that the members stand for, whatever else is still to be built."""
    materialize(module_server, as_of=AS_OF, clinics=["south"])
    builder = sql.Identifier(module_server.roles.clinic("south", ClinicKind.BUILDER))
    table = sql.SQL("insert on clinic_south.segment_report")
    rows.admin.execute(sql.SQL("revoke {} from {}").format(table, builder))
    try:
        failed = materialize(module_server, as_of=AS_OF + timedelta(days=1), clinics=["south"]).failed["south"]
    finally:
        rows.admin.execute(sql.SQL("grant {} to {}").format(table, builder))
    assert failed.step == "segment_report"
    assert _day(module_server) == AS_OF + timedelta(days=1)
    materialize(module_server, as_of=AS_OF, clinics=["south"])
    assert _day(module_server) == AS_OF


def _day(at: Server) -> date | None:
    """The day that the members of south stand for, as the service knows it."""

    async def known() -> date | None:
        async with await AsyncConnection.connect(**at.parameters(Login.SERVICE), row_factory=dict_row) as connection:
            return (await at_present(connection, ClinicEntry(2, "south", "South", "UTC", None, None, []))).as_of

    return asyncio.run(known())


@pytest.mark.check(42)
def test_marts_are_current_once_the_run_that_began_last_has_built_them(module_server: Server, rows: Rows) -> None:
    (south,) = today_everywhere(["south"], AS_OF)
    state = mart_state.built_from(module_server, "south")
    for run_id in ("first", "second"):
        mart_state.begin(module_server, ["south"], run_id)
    mart_state.remember(module_server, south, state, "first")
    assert not mart_state.is_current(module_server, south)
    mart_state.remember(module_server, south, state, "second")
    assert mart_state.is_current(module_server, south)
    # One that ends after its load has emptied the queue, and built nothing.
    rows.patient("south")
    build(module_server, Plan([south], models=()), str(uuid4()))
    assert not mart_state.is_current(module_server, south)


def test_a_scheduled_run_covers_every_clinic_at_once_and_is_remembered(
    server: Server, admin: psycopg.Connection
) -> None:
    import dagster as dg

    from orchestration.definitions import JOB, cover, defs, hourly

    patients = {clinic: Rows(admin).patient(clinic) for clinic in ("north", "south")}
    with dagster_instance(server) as instance:
        cover(instance, ["south"])
        with dg.build_schedule_context(instance, resources={"platform": server}) as context:
            tick = hourly.evaluate_tick(context)
        assert len(tick.run_requests or ()) == 1
        job = defs.resolve_job_def(JOB)
        done = job.execute_in_process(
            instance=instance, tags=dict(tick.run_requests[0].tags), resources={"platform": server}
        )
        assert done.success
    assert built(server, done.run_id) == {name: {"north", "south"} for name in (*Asset, *MODELS)}
    for clinic, patient in patients.items():
        assert Rows(admin).raw(clinic, "patient_summary", "patient_id") == [(patient,)]
    assert materialize(server).current == ["north", "south"]


@pytest.mark.check(46)
def test_a_member_changed_by_hand_is_drift_in_its_clinic_alone(module_server: Server, rows: Rows) -> None:
    from orchestration.definitions import CHECK_JOB, defs

    def drifted() -> dict[str, dict[str, int]]:
        with dagster_instance(module_server) as instance:
            job = defs.resolve_job_def(CHECK_JOB)
            done = job.execute_in_process(instance=instance, resources={"platform": module_server})
        (found,) = done.get_asset_check_evaluations()
        broken = found.metadata["broken"].value
        assert found.passed == (not broken) and checks(module_server, done.run_id) == {
            "segment_member.drift": found.passed
        }
        return broken  # type: ignore[no-any-return]

    visited = SegmentDefinition(slug="visited", name="Visited", rule=read("appointments.count >= 1"))
    add_segments(module_server, ["north", "south"], [visited])
    assert drifted() == {}  # no run has gone by that rule yet
    materialize(module_server, as_of=AS_OF)
    assert drifted() == {}
    rows.admin.execute("delete from clinic_north.segment_member where patient_id in"
                       " (select patient_id from clinic_north.segment_member limit 1)")  # fmt: skip
    assert drifted() == {"north": {"visited": 1}}
    # One is lost, and another one is made up.
    rows.admin.execute("insert into clinic_north.segment_member (segment_id, patient_id, entered_at, entered_run,"
                       " version, entered_by, fires_in) select segment_id, gen_random_uuid(), now(), 1, 1, 'data',"
                       " false from clinic_north.segment where slug = 'visited'")  # fmt: skip
    assert drifted() == {"north": {"visited": 2}}
    # A clinic whose rules are none hides nothing of the others.
    (saved,) = rows.admin.execute("select rule from clinic_south.segment_version").fetchone() or ()
    rows.admin.execute("update clinic_south.segment_version set rule = '{}'")
    assert drifted() == {"north": {"visited": 2}, "south": {NOT_EVALUATED: 1}}
    rows.admin.execute("update clinic_south.segment_version set rule = %s", [Jsonb(saved)])


def test_an_unknown_clinic_is_refused_by_name(module_server: Server) -> None:
    with pytest.raises(InvalidInput, match="there is no clinic 'west'"):
        materialize(module_server, ["west"])


@pytest.fixture
def loaded(server: Server, admin: psycopg.Connection) -> Rows:
    rows = Rows(admin)
    rows.appointment("north", rows.patient("north", consent=False), date(2024, 5, 1))
    for asset in Asset:
        ingest(server, "north", asset, uuid4())
    return rows


def test_the_consent_check_finds_a_withheld_value(server: Server, loaded: Rows) -> None:
    assert quality.check_consent({"north": quality.counts_of(server, "north")}).passed
    loaded.admin.execute("update clinic_north.raw_patients set profile_shared = true, birth_date = '1950-01-01'")
    verdict = quality.check_consent({"north": quality.counts_of(server, "north")})
    assert (verdict.passed, verdict.broken) == (False, {"north": {"unconsented": 1}})


@pytest.mark.check(21)
@pytest.mark.check(22)
def test_whoever_looks_at_a_whole_mart_is_recorded_or_sees_nothing(server: Server, loaded: Rows) -> None:
    assert check_drift(server, ["north", "south"]).passed and quality.counts_of(server, "north")
    recorded = loaded.admin.execute(
        "select resource_id, slug, patients from audit.access_event inner join operational.clinic using (clinic_id)"
        " where action = 'pipeline.check' order by 1, 2"
    ).fetchall()
    assert recorded == [("drift", "north", 1), ("drift", "south", 0), ("quality", "north", 1)]
    loaded.admin.execute("alter table audit.access_event add constraint refusing check (false) not valid")
    assert check_drift(server, ["north"]).broken == {"north": {NOT_EVALUATED: 1}}
    assert quality.counts_of(server, "north") == quality.UNCOUNTED


def test_the_isolation_check_finds_a_foreign_patient_and_an_open_door(server: Server, loaded: Rows) -> None:
    assert quality.check_isolation(server, {"north": quality.counts_of(server, "north")}).passed
    loaded.admin.execute("update clinic_north.raw_patients set patient_id = gen_random_uuid()")
    loaded.admin.execute(f"grant usage on schema clinic_south to {server.roles.prefix}_clinic_north_reader")
    verdict = quality.check_isolation(server, {"north": quality.counts_of(server, "north")})
    assert verdict.broken == {"north": {"unregistered": 1, "schemas_of_others": 1}}


@pytest.mark.check(44)
def test_a_mart_that_cannot_be_read_breaks_every_check_of_that_clinic_alone(server: Server, loaded: Rows) -> None:
    loaded.admin.execute("alter table clinic_north.raw_answers rename to elsewhere")
    counted = {slug: quality.counts_of(server, slug) for slug in ("north", "south")}
    for verdict in (
        quality.check_batch(Asset.PATIENTS, counted), quality.check_consent(counted),
        quality.check_isolation(server, counted),
    ):  # fmt: skip
        assert (verdict.passed, verdict.broken) == (False, {"north": quality.UNCOUNTED})


@pytest.mark.check(51)
def test_great_expectations_results_hold_counts_and_no_value(
    server: Server, loaded: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.datasource.fluent.interfaces import Batch

    results: list[str] = []
    validate = Batch.validate

    def kept(self: Batch, *arguments: object, **options: object) -> object:
        result = validate(self, *arguments, **options)  # type: ignore[call-overload]
        results.append(str(result))
        return result

    monkeypatch.setattr(Batch, "validate", kept)
    assert quality.check_batch(Asset.PATIENTS, {"north": quality.counts_of(server, "north")}).passed
    born = "update clinic_north.raw_patients set profile_shared = true, birth_date = %s"
    newest = newest_day(datetime.now(UTC))
    loaded.admin.execute(born, (newest,))
    assert quality.check_batch(Asset.PATIENTS, {"north": quality.counts_of(server, "north")}).passed
    loaded.admin.execute(born, (newest + timedelta(days=1),))
    verdict = quality.check_batch(Asset.PATIENTS, {"north": quality.counts_of(server, "north")})
    assert (verdict.passed, verdict.broken) == (False, {"north": {"born_in_the_future": 1}})
    assert CANARY in str(loaded.raw("north"))
    said = "".join(results)
    assert len(results) == 3 and "born_in_the_future" in said
    assert CANARY not in said and str(newest + timedelta(days=1)) not in said


def test_the_definitions_import_without_any_input_or_output() -> None:
    code = (
        "import socket, psycopg\n"
        "def refuse(*_, **__): raise AssertionError('I/O at import')\n"
        "psycopg.connect = socket.socket.connect = refuse\n"
        "import orchestration.definitions as found, sys\n"
        "assert 'great_expectations' not in sys.modules and 'adbc_driver_postgresql' in sys.modules\n"
        "print(len(found.defs.resolve_all_asset_specs()))"
    )
    environment = {"CLOISTER_HOME": "/nonexistent/home", "PATH": "/usr/bin:/bin", "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=Path("/"), check=False
    )
    assert done.stdout.strip() == str(len(Asset) + len(MODELS)), done.stderr
