"""Auditors count accesses, see who has access today, and what is unusual; patients see the pipeline once a day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import FINCH, Api, World
from auditing import accesses, auditors, found
from pulling import key

from api import system_keys
from api.audit import reviews
from infra.audit import note_start
from infra.database import Server, connect, connect_admin

__all__ = ["accesses", "auditors"]  # fixtures

NORTH = {"clinic": "north"}


def test_counts_add_up(world: World, api: Api, auditors: dict[str, dict[str, str]]) -> None:
    query = {"until": datetime.now(UTC).isoformat(), **NORTH}
    events = found(api, auditors["auditor"], **query)
    for by in ("day", "actor"):
        counts = api.get("/v1/audit/counts", headers=auditors["auditor"], params={"by": by, **query}).json()["counts"]
        assert sum(count["events"] for count in counts) == len(events), by
        assert sum(count["denied"] for count in counts) == sum(e["decision"] == "deny" for e in events)
        assert sum(count["patients"] for count in counts) == sum(e["patients"] for e in events)
    managers = [count for count in counts if count["principal"] == "manager.north"]
    assert managers and managers[0]["role"] == "clinic_manager"


def test_who_has_access_today_and_when_they_last_used_it(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    rights = api.get("/v1/audit/rights", headers=auditors["auditor.north"]).json()["rights"]
    assert {right["clinic"] for right in rights} == {"north"}
    by_login = {(right["principal"], right["key"] is None): right for right in rights}
    assert by_login["manager.north", True]["last_event_at"] is not None
    assert by_login["staff.north", True]["last_event_at"] is None
    assert by_login["robot.north", False]["scope"] and by_login["robot.north", False]["expires_at"]
    assert not {"finch", "wren", "manager.south"} & {right["principal"] for right in rights}
    world.change(
        "update operational.principal_role set revoked_at = now() where principal_id ="
        " (select principal_id from operational.principal where login = 'other.north')"
    )
    after = api.get("/v1/audit/rights", headers=auditors["auditor"]).json()["rights"]
    assert "other.north" not in {right["principal"] for right in after}
    assert {right["clinic"] for right in after} == {"north", "south", None}


def test_a_key_that_nobody_uses_is_not_taken_for_another_of_the_same_system(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    unused = system_keys.add_api_key(world.server, "robot.north", "north")
    assert api.get("/v1/clinics/north/segments", headers=key(world, "north")).status_code == 200
    rights = api.get("/v1/audit/rights", headers=auditors["auditor.north"]).json()["rights"]
    used = {right["key"]: right["last_event_at"] is not None for right in rights if right["principal"] == "robot.north"}
    assert used == {world.keys["north"].split("_")[1]: True, unused.split("_")[1]: False}


@pytest.fixture
def nightly(world: World) -> Iterator[UUID]:
    """Dr. Finch of north, who looked at Finch and others on a night of long ago, and at Finch a month before."""
    ((principal,),) = world.look("select principal_id from operational.principal where login = 'specialist.north'")
    world.change("update operational.principal set display_name = 'Dr. F\u200cïnch' where principal_id = %s", principal)
    night = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=1)
    _read(world, principal, night, world.patients["north", FINCH], *(uuid4() for _ in range(reviews.BULK_PATIENTS)))
    _read(world, principal, night - timedelta(days=20), world.patients["north", FINCH])
    yield principal
    world.change(
        "update operational.principal set display_name = 'specialist.north' where principal_id = %s", principal
    )


def _read(world: World, principal: UUID, at: datetime, *patients: UUID) -> None:
    with connect_admin(world.server) as admin:
        admin.execute("select audit.ensure_month(%s::date)", [at])
        event = uuid4()
        admin.execute(
            "insert into audit.access_event (event_id, occurred_at, principal_id, principal_kind, role, action,"
            " resource_type, clinic_id, decision, policies, patients)"
            " values (%s, %s, %s, 'human', 'specialist', 'profile.read', 'patient', %s, 'permit', '{}', %s)",
            [event, at, principal, world.clinic_ids["north"], len(patients)],
        )
        admin.cursor().executemany(
            "insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id) values (%s, %s, %s, %s)",
            [(event, at, world.clinic_ids["north"], patient) for patient in patients],
        )


def test_unusual_accesses_are_named_with_their_reason_and_without_a_name(
    world: World, api: Api, auditors: dict[str, dict[str, str]], nightly: UUID
) -> None:
    answer = api.get("/v1/audit/unusual", headers=auditors["auditor.north"])
    assert "inch" not in answer.text and "Canary" not in answer.text
    findings = [f for f in answer.json()["findings"] if f["principal_id"] == str(nightly)]
    of: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        of.setdefault(finding["reason"], []).append(finding)
    finch = str(world.patients["north", FINCH])
    assert [f["patient_id"] for f in of["same_name"]] == [finch]
    assert (of["bulk"][0]["patients"], of["bulk"][0]["patient_id"]) == (reviews.BULK_PATIENTS + 1, None)
    assert len(of["night"]) == reviews.BULK_PATIENTS + 1
    assert {f["events"] for f in of["night"] if f["patient_id"] != finch} == {1}
    assert len(of["first_access"]) == reviews.BULK_PATIENTS  # Finch was seen before
    assert {f["says"] for f in of["night"]} == {"Between 23:00 and 6:00 in the clinic's time."}


def test_seen_before_is_seen_in_the_year_before_the_access_itself(
    world: World, api: Api, auditors: dict[str, dict[str, str]], nightly: UUID
) -> None:
    """And not in the year before the time that is looked through, which begins a month earlier."""
    now, lately, long_ago = datetime.now(UTC), uuid4(), uuid4()
    for patient, days in ((lately, 365), (long_ago, 380)):
        _read(world, nightly, now - timedelta(days=days), patient)
        _read(world, nightly, now - timedelta(days=1), patient)
    month = {"since": (now - timedelta(days=30)).isoformat()}
    findings = api.get("/v1/audit/unusual", headers=auditors["auditor.north"], params=month).json()["findings"]
    first = {finding["patient_id"] for finding in findings if finding["reason"] == "first_access"}
    assert first & {str(lately), str(long_ago)} == {str(long_ago)}


def test_what_is_unusual_comes_page_by_page_of_the_time_that_was_asked_for(
    world: World, api: Api, auditors: dict[str, dict[str, str]], nightly: UUID
) -> None:
    path, headers = "/v1/audit/unusual", auditors["auditor.north"]
    whole = api.get(path, headers=headers).json()
    assert whole["next"] is None and sum(whole["counted"].values()) == len(whole["findings"]) > 100
    page = api.get(path, headers=headers, params={"limit": 40}).json()
    found, cursors = page["findings"], [page["next"]]
    # What comes later is of no page.
    _read(world, nightly, datetime.now(UTC), *(uuid4() for _ in range(3)))
    while page["next"]:
        page = api.get(path, headers=headers, params={"limit": 40, "cursor": page["next"]}).json()
        found, cursors = found + page["findings"], [*cursors, page["next"]]
        assert page["counted"] == whole["counted"]
    assert found == whole["findings"] and len(cursors) > 2
    # Whether this test runs at night is not its subject.
    by_day = [
        len([f for f in findings if f["reason"] != "night"])
        for findings in (found, api.get(path, headers=headers).json()["findings"])
    ]
    assert by_day[1] == by_day[0] + 3
    for who, query in (("auditor.north", {"cursor": "x"}), ("auditor", {"cursor": cursors[0], "clinic": "south"}),
                       ("auditor", {"cursor": cursors[0], "clinic": "north"})):  # fmt: skip
        assert api.get(path, headers=auditors[who], params=query).status_code == 404


def test_the_calendars_first_days_are_asked_for_like_others(api: Api, auditors: dict[str, dict[str, str]]) -> None:
    for day, status in (("0001-01-01", 422), ("0001-01-02", 200)):  # of the first there is no time before it
        query = {**NORTH, "until": f"{day}T00:00:00Z"}
        counted = api.get("/v1/audit/counts", headers=auditors["auditor"], params=query)
        assert (counted.status_code, counted.json()) == (200, {"counts": []})
        assert api.get("/v1/audit/unusual", headers=auditors["auditor"], params=query).status_code == status
        unusual = api.get("/v1/audit/unusual", headers=auditors["auditor"], params=query | {"since": query["until"]})
        assert unusual.status_code == 422


def test_unusual_needs_a_clinic_and_a_month_at_most(api: Api, auditors: dict[str, dict[str, str]]) -> None:
    for query, place in (({}, "query.clinic"), ({**NORTH, "since": "2024-01-01T00:00:00Z"}, "query.since")):
        answer = api.get("/v1/audit/unusual", headers=auditors["auditor"], params=query)
        assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, place)


def test_a_patient_sees_the_pipeline_once_a_day_and_an_auditor_finds_it_by_the_patient(
    world: World, api: Api, auditors: dict[str, dict[str, str]], accesses: dict[str, Any]
) -> None:
    finch, north = world.patients["north", FINCH], world.clinic_ids["north"]
    first = uuid4()
    with connect_admin(world.server) as admin:
        noon = datetime.now(UTC).replace(hour=12, minute=0)
        for event, asset, days, minute in (
            (uuid4(), "forms", 1, 5), (first, "appointments", 1, 0), (uuid4(), "forms", 2, 0),
        ):  # fmt: skip
            at = noon - timedelta(days=days) + timedelta(minutes=minute)
            admin.execute("select audit.ensure_month(%s::date)", [at])
            admin.execute(
                "insert into audit.batch_patient (event_id, occurred_at, clinic_id, patient_id, asset)"
                " values (%s, %s, %s, %s, %s)",
                [event, at, north, finch, asset],
            )
    listed = api.get("/v1/me/access-log", headers=access_world.sign_in(api, "finch"), params={"limit": 1000})
    lines = [entry for entry in listed.json()["accesses"] if entry["action"] == "pipeline.ingest"]
    assert [(entry["role"], entry["clinic"], entry["organisation"]) for entry in lines] == [
        ("pipeline", "north", "north")
    ] * 3
    assert lines[0]["event_id"] == str(accesses["batch"]) and lines[0]["categories"] == [
        "identifier",
        "name",
        "profile",
    ]
    assert (lines[1]["event_id"], lines[1]["categories"]) == (str(first), ["clinical"])
    batched = found(api, auditors["auditor.north"], patient=str(finch), action="pipeline.ingest")
    assert [entry["event_id"] for entry in batched] == [str(accesses["batch"])]
    assert batched[0]["batch_id"] is not None


def test_a_start_says_which_policies_are_in_force(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.audit.connect", lambda login: connect(login, at=server))
    note_start("0123456789abcdef")
    with connect_admin(server) as admin:
        found = admin.execute("select action, role, policy_version from audit.access_event").fetchall()
    assert found[-1] == ("service.start", "service", "0123456789abcdef")
