"""What the checks of the data say is kept by run, clinic and check, and seen where it matters: admins see why, a
clinic's managers that something is wrong with theirs. Counts and names of rules, of nobody."""

import re
from datetime import datetime
from typing import Any

import access_world
import dagster as dg
import pytest
from access_world import Api, World
from psycopg.errors import InsufficientPrivilege

from api.pages.check_words import BREACHES, CHECKS
from infra.database import connect
from infra.roles import Login
from orchestration.definitions import CHECK_JOB, cover, defs, marts
from orchestration.ingest.sources import Asset
from orchestration.materialize import dagster_instance
from orchestration.quality import BATCH_RULES, UNCOUNTED, WALLS, Verdict
from orchestration.verdicts import record
from tests.integration.browsing import Browsers

# Of an ingest, and of the night.
KEPT = {*(f"{asset}.batch" for asset in Asset), "patients.isolation", "segment_member.drift"}
BATCH = ("appointments", "batch")


@pytest.fixture(scope="module")
def admin(api: Api) -> dict[str, str]:
    return access_world.sign_in(api, "admin")


@pytest.fixture(scope="module")
def runs(world: World) -> list[str]:
    """Two ingests of both clinics, the second with poisoned mart rows of south; then the night's run.

    What a whole build leaves: `test_dagster.py`.
    """
    with dagster_instance(world.server) as instance:
        given: dict[str, Any] = {
            "instance": instance, "resources": {"platform": world.server},
            "run_config": {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        }  # fmt: skip
        tags = cover(instance, ["north", "south"])
        first = dg.materialize([marts], selection=[*Asset], tags=tags, **given)
        world.change("update clinic_south.raw_appointments set booked_on = starts_on + 1")
        second = dg.materialize([marts], selection=[*Asset], tags=tags, **given)
        night = defs.resolve_job_def(CHECK_JOB).execute_in_process(**given)
    return [first.run_id, second.run_id, night.run_id]


def health(api: Api, admin: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """What health says of each check, by clinic and name."""
    found = api.get("/v1/platform/health", headers=admin).json()["checks"]
    return {(check["clinic"], f"{check['asset']}.{check['check']}"): check for check in found}


@pytest.mark.check(51)
def test_each_run_keeps_each_verdict_of_each_clinic(world: World, runs: list[str]) -> None:
    kept = world.look(
        "select run_id, clinic, asset || '.' || check_name, passed, broken from pipeline.verdict order by found_at"
    )
    loads = KEPT - {"segment_member.drift"}
    for run_id, checks in ((runs[0], loads), (runs[1], loads), (runs[2], {"segment_member.drift"})):
        told = [(clinic, check) for of, clinic, check, *_ in kept if of == run_id]
        assert sorted(told) == sorted((clinic, check) for clinic in ("north", "south") for check in checks)
    failed = [row for row in kept if not row[3]]
    assert failed == [(runs[1], "south", "appointments.batch", False, {"booked_after_start": 4})]
    assert "anary" not in str(kept) and not any(str(patient) in str(kept) for patient in world.patients.values())


def test_an_admin_sees_what_fails_first_and_since_when(
    world: World, api: Api, admin: dict[str, str], runs: list[str]
) -> None:
    ((began,),) = world.look("select found_at from pipeline.verdict where not passed")
    assert health(api, admin)["north", "appointments.batch"]["passed"]
    again = Verdict(False, {"south": {"booked_after_start": 2}})
    record(world.server, "a later run", *BATCH, ["north", "south"], again)
    found = health(api, admin)
    first, *others = found.values()
    assert (first["clinic"], first["name"], first["broken"]) == ("south", "South", {"booked_after_start": 2})
    assert datetime.fromisoformat(first["failing_since"]) == began < datetime.fromisoformat(first["found_at"])
    assert all(check["passed"] and check["failing_since"] is None for check in others)
    assert set(found) == {(clinic, check) for clinic in ("north", "south") for check in KEPT}
    # A pass ends it; what fails after that fails since then.
    record(world.server, "mended", *BATCH, ["south"], Verdict(True, {}))
    assert health(api, admin)["south", "appointments.batch"]["failing_since"] is None
    record(world.server, "again", *BATCH, ["south"], again)
    last = health(api, admin)["south", "appointments.batch"]
    assert last["failing_since"] == last["found_at"]


def test_a_suite_that_fails_and_names_nothing_is_no_pass_anywhere(world: World, runs: list[str]) -> None:
    record(world.server, "no names", "forms", "batch", ["north", "south"], Verdict(False, {}))
    record(world.server, "no names", "patients", "isolation", ["north"], Verdict(False, {"south": {"unregistered": 1}}))
    kept = world.look("select clinic, asset, passed from pipeline.verdict where run_id = 'no names' order by 2, 1")
    assert kept == [
        ("north", "forms", False), ("south", "forms", False), ("north", "patients", True), ("south", "patients", False)
    ]  # fmt: skip
    world.change("delete from pipeline.verdict where run_id = 'no names'")


def test_pages_say_it_to_admins_in_full_and_to_the_clinics_own_manager(
    world: World, api: Api, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.directory.KEPT_SECONDS", -1.0)
    record(world.server, "markup", *BATCH, ["south"], Verdict(False, {"south": {"<b>rule</b>": 3}}))
    visitors = Browsers(api)
    page = visitors.get("admin", "/admin").text
    assert "1 of 6 fails" in page and "&lt;b&gt;rule&lt;/b&gt;: 3" in page and "<b>rule" not in page
    assert re.search(r'South</th><td>\s*<span class="pill deny">Checks fail<', page) and page.count("Checks fail<") == 1
    wrong = "Not all is well with the data of this clinic"
    assert wrong not in visitors.get("manager.north", "/clinics/north").text
    assert wrong in visitors.get("manager.south", "/clinics/south").text


@pytest.mark.check(1)
def test_the_pipeline_adds_verdicts_and_changes_none_and_the_service_alone_reads_them(world: World) -> None:
    names = world.server.roles
    able = world.look(
        "select r.rolname::text, verb from pg_roles as r, unnest('{select,insert,update,delete}'::text[]) as verb"
        " where starts_with(r.rolname, %s) and r.rolname <> (select tableowner from pg_tables"
        " where schemaname = 'pipeline' and tablename = 'verdict')"
        " and has_table_privilege(r.oid, 'pipeline.verdict', verb)",
        names.prefix,
    )
    pipeline, service = names.of(Login.PIPELINE), names.of(Login.SERVICE)
    assert set(able) == {(pipeline, "select"), (pipeline, "insert"), (service, "select")}
    for verb in ("update pipeline.verdict set passed = true", "delete from pipeline.verdict"):
        with connect(Login.PIPELINE, at=world.server) as connection, pytest.raises(InsufficientPrivilege):
            connection.execute(verb)


def test_every_check_and_rule_has_its_words() -> None:
    checks = {
        f"{spec.asset_key.to_user_string()}.{spec.name}"
        for definition in (*defs.asset_checks, *defs.assets)  # type: ignore[union-attr,misc]
        for spec in definition.check_specs  # type: ignore[union-attr]
    }
    assert checks == set(CHECKS)
    rules = {*WALLS, *UNCOUNTED, "schemas_of_others", *(rule for each in BATCH_RULES.values() for rule in each)}
    assert rules == set(BREACHES)
