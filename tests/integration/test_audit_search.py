"""Auditors find, export and review accesses, each time leaving an event, and a clinic's auditor that clinic's alone."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from access_world import FINCH, HERON, WREN, Api, World
from auditing import accesses, auditors, found
from impersonating import act_as

from api.audit import service
from infra.database import connect_admin

__all__ = ["accesses", "auditors"]  # fixtures

EXPORT = "/v1/audit/events/export"
NORTH = {"clinic": "north"}
ASKED = "5f0c2d1e-7b64-4c1a-9d3e-2a6b8c4d0e1f"


def newest(world: World) -> tuple[Any, ...]:
    rows: list[tuple[Any, ...]] = world.look(
        "select action, decision, resource_id, clinic_id, organisation, request_id from audit.access_event"
        " order by occurred_at desc limit 1"
    )
    return rows[0]


def test_filters_combine(world: World, api: Api, auditors: dict[str, dict[str, str]], accesses: dict[str, Any]) -> None:
    headers, finch = auditors["auditor"], str(world.patients["north", FINCH])
    actions = {event["action"] for event in found(api, headers, patient=finch)}
    assert {"member.list", "profile.read", "pipeline.ingest"} <= actions and "segment.list" not in actions
    assert [e["action"] for e in found(api, headers, patient=finch, purpose="care")] == ["profile.read"]
    assert found(api, headers, patient=finch, purpose="care", decision="deny") == []
    denied = found(api, headers, decision="deny", action="member.list")
    assert [(e["clinic"], e["organisation"]) for e in denied] == [("south", "north")]
    acted = found(api, headers, impersonated="true")
    assert [(e["action"], e["for_another"], e["organisation"]) for e in acted] == [
        ("person.read", True, "the platform")
    ]
    by_id = found(api, headers, impersonation=accesses["impersonation"])
    assert {e["action"] for e in by_id} == {"impersonation.open", "person.read"}
    assert found(api, headers, until="2020-01-01T00:00:00Z") == []
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert found(api, headers, since=tomorrow) == [] and found(api, headers, since="2020-01-01T00:00:00Z") != []


@pytest.mark.check(50)
def test_a_clinics_auditor_sees_no_trace_of_another_clinic(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    heron = str(world.patients["south", HERON])
    headers = auditors["auditor.north"]
    assert {event["clinic"] for event in found(api, headers)} == {"north"}
    assert found(api, headers, patient=heron) == []
    for path in ("/v1/audit/events", EXPORT, "/v1/audit/counts", "/v1/audit/rights", "/v1/audit/unusual"):
        for clinic in ("south", "nowhere"):
            answer = api.get(path, headers=headers, params={"clinic": clinic})
            assert (answer.status_code, answer.json()["type"]) == (404, "urn:cloister:problem:not-there"), path
    south = {str(id_) for (clinic, _), id_ in world.patients.items() if clinic == "south"}
    exported = api.get(EXPORT, headers=headers).text
    assert str(world.patients["north", FINCH]) in exported
    assert not any(id_ in exported for id_ in south)


@pytest.mark.check(10)
def test_two_clinics_cannot_link_their_logs_by_a_patients_account(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    ((finch,),) = world.look("select principal_id::text from operational.principal where login = 'finch'")
    impersonation, acting = act_as(api, "finch")
    assert api.get("/v1/clinics/north/services", headers=acting).status_code == 404
    own = [e for e in found(api, auditors["auditor.north"]) if e["role"] in ("patient", "guardian")]
    assert own and all(e["principal_id"] is e["principal"] is e["session_id"] is None for e in own)
    # That an admin acted is told; in which session would link what was looked at in two clinics.
    acted = [e for e in found(api, auditors["auditor.north"]) if e["impersonated"]]
    assert acted and all(e["impersonation_id"] is e["session_id"] is None and e["principal"] for e in acted)
    assert found(api, auditors["auditor"], impersonation=impersonation, clinic="north")
    assert found(api, auditors["auditor.north"], impersonation=impersonation) == []
    assert found(api, auditors["auditor.north"], principal=finch) == []
    exported = api.get(EXPORT, headers=auditors["auditor.north"]).text
    assert finch not in exported and impersonation not in exported
    whole = found(api, auditors["auditor"], principal=finch)
    assert {e["clinic"] for e in whole} >= {"north", "south"} and whole[0]["principal"] == "finch"


@pytest.mark.check(28)
@pytest.mark.parametrize(
    ("path", "action", "asked"),
    [
        ("/v1/audit/events", "audit.search", {"patient": ASKED}),
        (EXPORT, "audit.export", {"patient": ASKED}),
        ("/v1/audit/counts", "audit.review", {"patient": ASKED}),
        ("/v1/audit/rights", "audit.review", {}),
        ("/v1/audit/unusual", "audit.review", {"until": "2026-01-02T03:04:05Z"}),
    ],
)
def test_whatever_an_auditor_asks_is_an_event_without_what_was_asked_for(
    world: World, api: Api, auditors: dict[str, dict[str, str]], path: str, action: str, asked: dict[str, str]
) -> None:
    answer = api.get(path, headers=auditors["auditor.north"], params=asked)
    assert answer.status_code == 200
    event = newest(world)
    assert event[:5] == (action, "permit", "north", world.clinic_ids["north"], "north")
    assert str(event[5]) == answer.headers["x-request-id"]
    for value in asked.values():
        told = f"%{value[:10]}%"  # of a time its day, however it is written
        assert world.look("select 1 from audit.access_event as e where e::text like %s", told) == []


@pytest.fixture(scope="module")
def exported(api: Api, auditors: dict[str, dict[str, str]]) -> dict[str, httpx.Response]:
    until = {"until": datetime.now(UTC).isoformat(), **NORTH}
    formats = ("application/x-ndjson", "text/csv", "application/fhir+ndjson")
    return {
        accept: api.get(EXPORT, headers={**auditors["auditor"], "accept": accept}, params=until) for accept in formats
    }


def test_an_export_says_the_same_in_every_format(
    world: World, api: Api, auditors: dict[str, dict[str, str]], exported: dict[str, httpx.Response]
) -> None:
    for accept, answer in exported.items():
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(accept) and answer.headers["vary"] == "accept"
    lines = [json.loads(line) for line in exported["application/x-ndjson"].text.splitlines()]
    rows = list(csv.DictReader(io.StringIO(exported["text/csv"].text)))
    fhir = [json.loads(line) for line in exported["application/fhir+ndjson"].text.splitlines()]
    ids = [line["event_id"] for line in lines]
    assert ids == [row["event_id"] for row in rows] == [event["id"] for event in fhir] and len(ids) > 5
    listed = next(line for line in lines if line["action"] == "member.list" and line["decision"] == "permit")
    both = sorted(str(world.patients["north", name]) for name in (FINCH, WREN))
    assert sorted(listed["patient_ids"]) == both
    (same,) = (row for row in rows if row["event_id"] == listed["event_id"])
    assert sorted(same["patient_ids"].split()) == both
    assert same["policies"] == "manager-reads-members-by-name"


def test_a_permitted_read_of_one_patient_is_a_balp_patient_read(
    world: World, exported: dict[str, httpx.Response]
) -> None:
    events = [json.loads(line) for line in exported["application/fhir+ndjson"].text.splitlines()]
    for event in events:
        assert event["resourceType"] == "AuditEvent" and event["type"]["code"] == "rest"
        assert event["action"] in "CRUDE" and event["outcome"] in "04" and event["source"]["observer"]
        assert all(agent["requestor"] in (True, False) for agent in event["agent"])
    (read,) = (e for e in events if e.get("meta") and any(s["code"] == "profile.read" for s in e["subtype"]))
    assert read["meta"]["profile"][0].endswith("IHE.BasicAudit.PatientRead") and read["outcome"] == "0"
    agents = {agent["type"]["coding"][0]["code"]: agent for agent in read["agent"]}
    assert set(agents) == {"IRCP", "110152", "110153"}
    assert agents["110152"]["network"]["address"] == "127.0.0.1"
    assert agents["IRCP"]["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    entities = {entity["type"]["code"]: entity for entity in read["entity"]}
    assert entities["1"]["what"]["reference"] == f"Patient/{world.patients['north', FINCH]}"
    assert {"2", "XrequestId"} <= set(entities)


@pytest.mark.check(41)
def test_a_cell_of_an_export_is_no_formula(world: World, api: Api, auditors: dict[str, dict[str, str]]) -> None:
    world.change("update operational.principal set login = '=cmd()' where login = 'other.north'")
    try:
        with connect_admin(world.server) as admin:
            ((principal,),) = admin.execute("select principal_id from operational.principal where login = '=cmd()'")
            admin.execute(
                "insert into audit.access_event (event_id, occurred_at, principal_id, principal_kind, role, action,"
                " resource_type, resource_id, clinic_id, decision, policies)"
                " values (%s, statement_timestamp(), %s, 'human', 'specialist', 'segment.read', 'segment',"
                " '@SUM(A1)', %s, 'permit', '{}')",
                [uuid4(), principal, world.clinic_ids["north"]],
            )
        answer = api.get(
            EXPORT, headers={**auditors["auditor"], "accept": "text/csv"}, params={"principal": str(principal)}
        )
        (row,) = csv.DictReader(io.StringIO(answer.text))
        assert (row["principal"], row["resource_id"]) == ("'=cmd()", "'@SUM(A1)")
    finally:
        world.change("update operational.principal set login = 'other.north' where login = '=cmd()'")


def test_an_export_goes_on_in_parts_and_each_is_recorded(
    world: World, api: Api, auditors: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"until": datetime.now(UTC).isoformat(), **NORTH}
    whole = api.get(EXPORT, headers=auditors["auditor"], params=query).text
    monkeypatch.setattr(service, "EVENTS_A_PART", 3)
    answer = api.get(EXPORT, headers=auditors["auditor"], params=query)
    assert answer.text == whole
    parts = -(-len(whole.splitlines()) // 3)
    recorded = world.look(
        "select count(*) from audit.access_event where request_id = %s and action = 'audit.export'",
        answer.headers["x-request-id"],
    )
    assert parts > 2 and recorded == [(parts,)]


REVOKE = "revoke insert on audit.access_event from {}", "grant insert on audit.access_event to {}"
# As a new password does, or codes taken away.
RESET = (
    "update operational.principal set tokens_valid_from = now() + interval '1 s' where login = 'auditor'",
    "update operational.principal set tokens_valid_from = null where login = 'auditor'",
)
LEAVE = (
    "update operational.principal_role set revoked_at = now() where role = 'platform_auditor'",
    "update operational.principal_role set revoked_at = null where role = 'platform_auditor'",
)


@pytest.mark.check(22)
@pytest.mark.parametrize(("before", "after"), [REVOKE, LEAVE, RESET], ids=["unrecorded", "no auditor", "reset"])
def test_an_export_that_is_not_to_go_on_breaks_off(
    world: World, api: Api, auditors: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, before: str,
    after: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(service, "EVENTS_A_PART", 3)
    real, asked = service._part, []

    async def first_alone(*given: Any) -> Any:
        found = await real(*given)
        asked.append(1)
        world.change(before.format(f"{world.server.roles.prefix}_auditor"))
        return found

    monkeypatch.setattr(service, "_part", first_alone)
    try:
        with pytest.raises(httpx.RemoteProtocolError):
            api.get(EXPORT, headers=auditors["auditor"])
    finally:
        world.change(after.format(f"{world.server.roles.prefix}_auditor"))
    assert len(asked) == 1


@pytest.mark.check(34)
def test_a_deleted_patient_is_still_found_in_the_log(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    wren = world.patients["north", WREN]
    world.change("update operational.registration set deleted_at = now(), deleted_by = gen_random_uuid(),"
                 " delete_reason = 'duplicate'"
                 " where patient_id = %s", wren)  # fmt: skip
    try:
        assert "member.list" in {e["action"] for e in found(api, auditors["auditor.north"], patient=str(wren))}
    finally:
        world.change("update operational.registration set deleted_at = null, delete_reason = null"
                     " where patient_id = %s", wren)  # fmt: skip
