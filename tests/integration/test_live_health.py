"""How far the live worker is: for the operator, in numbers."""

import access_world
import psycopg
import pytest
from access_world import FINCH, Api, World

from infra.audit_tree.status import oldest_unsealed
from infra.database import connect_admin, read_secret
from infra.instance import describe
from infra.settings import Settings
from orchestration.sealer import seal_once


@pytest.fixture(scope="module")
def behind(world: World) -> dict[str, int]:
    """North has changes that wait since an hour, and a dead one; south has none."""
    with connect_admin(world.server) as admin:
        admin.execute("delete from operational.outbox")
        admin.execute("update operational.person set name = name || 'n'")
        admin.execute("update operational.outbox set changed_at = now() - interval '1 hour'")
        admin.execute("delete from operational.outbox where clinic_id = %s", [world.clinic_ids["south"]])
        admin.execute(
            "insert into clinic_north.dead_change (patient_id, entity, sqlstate, failed_at)"
            " values (%s, 'form', '22003', now()), (%s, 'patient', '22003', now())",
            [world.patients["north", FINCH]] * 2,
        )
        return {"waiting": _count(admin)}


def _count(admin: psycopg.Connection) -> int:
    return int(admin.execute("select count(*) from operational.outbox").fetchone()[0])  # type: ignore[index]


@pytest.mark.check(29)
def test_metrics_are_numbers_by_clinic_for_the_operator_alone(world: World, api: Api, behind: dict[str, int]) -> None:
    secret = read_secret(world.server.secrets_folder / "metrics")
    admin = access_world.sign_in(api, "admin")
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": secret}, admin):
        assert api.get("/metrics", headers=headers).status_code == 401
    answer = api.get("/metrics", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    told = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert float(told['cloister_live_waiting_changes{clinic="north"}']) == behind["waiting"] > 0
    assert float(told['cloister_live_waiting_changes{clinic="south"}']) == 0
    assert 3_600 <= float(told['cloister_live_lag_seconds{clinic="north"}']) < 3_700
    assert told["cloister_live_oldest_change_seconds"] == told['cloister_live_lag_seconds{clinic="north"}']
    assert float(told['cloister_live_dead_changes{clinic="north"}']) == 2
    assert float(told['cloister_live_stale_patients{clinic="north"}']) == 1
    assert float(told["cloister_live_workers"]) == 0
    assert str(world.patients["north", FINCH]) not in answer.text and FINCH not in answer.text


def status(world: World) -> dict[str, str]:
    at = world.server
    url = f"postgresql://{at.admin['user']}@/{at.admin['dbname']}?host={at.admin['host']}"
    chosen = Settings(home=at.secrets_folder.parent, role_prefix=at.roles.prefix, database_url=url)
    return describe(chosen)


def test_status_says_it_in_one_line(world: World, behind: dict[str, int]) -> None:
    told = status(world)["live"]
    assert told.startswith(f"0 workers (`cloister live`); {behind['waiting']} changes wait, the oldest for 36")
    assert told.endswith("; 2 dead")


def test_a_broken_rule_a_receipt_that_is_due_and_an_event_that_is_not_sealed_are_told(world: World, api: Api) -> None:
    seal_once(world.server)
    world.change("update operational.consent_propagation set done_at = now()")
    elders = world.segments["north", "elders"]
    world.change("insert into clinic_north.segment_broken (segment_id, version) values (%s, 1)", elders)
    world.consent("north", FINCH, "revoked")
    try:
        headers = {"Authorization": f"Bearer {read_secret(world.server.secrets_folder / 'metrics')}"}
        told = api.get("/metrics", headers=headers).text.splitlines()
        assert [line for line in told if line.startswith("cloister_live_broken_segment{")] == [
            'cloister_live_broken_segment{clinic="north",segment="elders"} 1.0'
        ]
        assert 'cloister_live_unfinished_consents{clinic="north"} 1.0' in told
        assert 'cloister_live_unfinished_consents{clinic="south"} 0.0' in told
        assert float(told[told.index("# TYPE cloister_audit_oldest_unsealed_seconds gauge") + 1].split()[1]) == 0
        api.get("/v1/clinics/north/segments", headers=access_world.sign_in(api, "manager.north"))
        assert oldest_unsealed(world.server) > 0
        assert status(world)["live"].endswith("; broken: north/elders")
        assert status(world)["sealed"].startswith("the oldest event")
    finally:
        world.change("delete from clinic_north.segment_broken")
    seal_once(world.server)
    assert oldest_unsealed(world.server) == 0 and status(world)["sealed"] == "whole"
