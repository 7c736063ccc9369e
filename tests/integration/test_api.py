"""The API shows each caller what is theirs, and the same nothing for all the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import BIRTH, FINCH, HERON, WREN, Api, World
from fastapi.routing import iter_route_contexts

from infra.segments import count_members
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from tests.integration.test_routes_by_roles import PUBLIC

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
MEMBERS = "/v1/clinics/{}/segments/{}/members"


def key(world: World, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.keys[name]}"}


def members(api: Api, headers: dict[str, str], clinic: str, segment: str, **query: Any) -> dict[str, Any]:
    answer = api.get(MEMBERS.format(clinic, segment), headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_every_route_denies_by_default(api: Api) -> None:
    routes = [(context.path, context.methods) for context in iter_route_contexts(api.app.routes)]
    closed = [(path, method) for path, methods in routes if path not in PUBLIC for method in methods or ()]
    assert len(closed) > 10
    for path, method in closed:
        answer = api.request(method, path.replace("{", "").replace("}", ""))
        assert answer.status_code == 401, (method, path)


@pytest.mark.parametrize("credentials", ["Bearer nonsense", "Bearer clk_000000000000_x", "Basic bTpw", "Bearer"])
def test_bad_credentials_are_no_credentials(api: Api, credentials: str) -> None:
    answer = api.get("/v1/clinics", headers={"Authorization": credentials})
    assert (answer.status_code, answer.json()["title"]) == (401, "Sign in to see this.")
    assert answer.headers["content-type"] == "application/problem+json"


def test_callers_see_their_clinics(world: World, api: Api, manager: dict[str, str]) -> None:
    def slugs(headers: dict[str, str]) -> list[str]:
        return [clinic["slug"] for clinic in api.get("/v1/clinics", headers=headers).json()["clinics"]]

    assert slugs(manager) == slugs(key(world, "north")) == ["north"]
    assert slugs(access_world.sign_in(api, "auditor")) == ["north", "south"]


def test_a_manager_sees_segments_with_counts_and_members_by_name(api: Api, manager: dict[str, str]) -> None:
    found = api.get("/v1/clinics/north/segments", headers=manager).json()
    assert [(s["slug"], s["members"]) for s in found["segments"]] == [("elders", 2), ("empty", 0), ("everybody", 2)]
    assert found["as_of"] == "2026-03-04"
    one = api.get("/v1/clinics/north/segments/everybody", headers=manager).json()
    assert {"dimension": "age", "bucket": "80+", "patients": 2} in one["make_up"]
    people = members(api, manager, "north", "everybody")["members"]
    assert sorted(p["name"] for p in people) == [FINCH, WREN]
    assert {frozenset(p) for p in people} == {frozenset({"patient_id", "name"})}


def test_pages_of_members_are_whole_and_in_order(world: World, api: Api, manager: dict[str, str]) -> None:
    first = members(api, manager, "north", "everybody", limit=1)
    second = members(api, manager, "north", "everybody", limit=1, cursor=first["next"])
    ids = [p["patient_id"] for page in (first, second) for p in page["members"]]
    assert ids == sorted(str(world.patients["north", name]) for name in (FINCH, WREN))
    assert second["next"] is None


@pytest.mark.check(6)
def test_another_clinics_cursor_is_as_good_as_a_made_up_one(world: World, api: Api, manager: dict[str, str]) -> None:
    south = access_world.sign_in(api, "manager.south")
    foreign = members(api, south, "south", "everybody", limit=1)["next"]
    other_list = members(api, manager, "north", "elders", limit=1)["next"]
    other_caller = members(api, key(world, "north"), "north", "everybody", limit=1)["next"]
    url = MEMBERS.format("north", "everybody")
    answers = [
        api.get(url, headers=manager, params={"cursor": cursor})
        for cursor in ("made-up", "é", "", "A" * 88, foreign, other_list, other_caller)
        if cursor
    ]
    assert {(a.status_code, a.content) for a in answers} == {(404, answers[0].content)}
    at_home = api.get(MEMBERS.format("south", "everybody"), headers=manager, params={"cursor": foreign})
    made_up = api.get(MEMBERS.format("nowhere", "everybody"), headers=manager, params={"cursor": "made-up"})
    assert (at_home.status_code, at_home.content) == (made_up.status_code, made_up.content)
    assert at_home.json() == NOT_THERE


@pytest.mark.parametrize(
    "path",
    ["south/segments", "nowhere/segments", "a'b/segments", "south/segments/everybody", "south/segments/nothing",
     "north/segments/nothing", "south/segments/everybody/members", "north/segments/nothing/members"],
)  # fmt: skip
def test_not_yours_and_not_there_are_the_same_bytes(api: Api, manager: dict[str, str], path: str) -> None:
    answer = api.get(f"/v1/clinics/{path}", headers=manager)
    nothing = api.get("/v1/no/such/route", headers=manager)
    assert answer.status_code == nothing.status_code == 404
    assert answer.content == nothing.content
    assert answer.json() == NOT_THERE


@pytest.mark.parametrize("login", ["staff.north", "auditor.north", "auditor", "admin", "manager.south"])
def test_only_a_clinics_manager_reads_its_segments(api: Api, login: str) -> None:
    headers = access_world.sign_in(api, login)
    for path in ("", "/everybody", "/everybody/members"):
        assert api.get(f"/v1/clinics/north/segments{path}", headers=headers).json() == NOT_THERE


def test_a_key_reads_its_segments_and_fields_alone(world: World, api: Api) -> None:
    assert {frozenset(p) for p in members(api, key(world, "north"), "north", "everybody")["members"]} == {
        frozenset({"patient_id"})
    }
    scoped = key(world, "north.elders")
    assert members(api, scoped, "north", "elders")["members"]
    assert api.get(MEMBERS.format("north", "everybody"), headers=scoped).json() == NOT_THERE
    assert api.get(MEMBERS.format("south", "elders"), headers=scoped).json() == NOT_THERE


@pytest.mark.check(11)
def test_without_a_signature_profile_keys_are_absent(world: World, api: Api) -> None:
    people = {p["name"]: p for p in members(api, key(world, "north.profile"), "north", "everybody")["members"]}
    assert people[FINCH]["birth_date"] == BIRTH
    assert set(people[WREN]) == {"patient_id", "name"}


@pytest.mark.check(13)
def test_signed_for_one_clinic_the_other_sees_the_name_alone(world: World, api: Api) -> None:
    people = {p["name"]: p for p in members(api, key(world, "south.profile"), "south", "everybody")["members"]}
    assert set(people) == {FINCH, HERON}
    assert set(people[FINCH]) == {"patient_id", "name"}


@pytest.mark.check(10)
def test_two_clinics_ids_of_a_person_share_nothing(world: World, api: Api) -> None:
    seen = [
        {(p["name"], p["patient_id"]) for p in members(api, key(world, f"{c}.profile"), c, "everybody")["members"]}
        for c in ("north", "south")
    ]
    north, south = (dict(found)[FINCH] for found in seen)
    person = str(world.people[FINCH])
    pieces = [set(text.split("-")) for text in (north, south, person)]
    assert not (pieces[0] & pieces[1] or pieces[0] & pieces[2] or pieces[1] & pieces[2])


@pytest.mark.check(9)
def test_one_clinics_callers_get_nothing_of_the_other(world: World, api: Api, manager: dict[str, str]) -> None:
    theirs = {str(world.patients["south", name]) for name in (FINCH, HERON)} | {HERON, str(world.people[FINCH])}
    for headers in (manager, key(world, "north.profile"), access_world.sign_in(api, "auditor.north")):
        for context in iter_route_contexts(api.app.routes):
            path = (context.path or "").replace("{clinic}", "north").replace("{segment}", "everybody")
            if "GET" in (context.methods or ()):
                text = api.get(path, headers=headers).text
                assert not [item for item in theirs if item in text], path


def test_a_withdrawn_profile_is_neither_listed_nor_counted(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers = access_world.sign_in(api, "manager.north")
        fresh.change(
            "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id,"
            " channel, occurred_at) select clinic_id, person_id, purpose, 'revoked', text_version, signer_id, channel,"
            " now() from operational.consent_event where clinic_id = %s",
            fresh.clinic_ids["north"],
        )
        counts = api.get("/v1/clinics/north/segments", headers=headers).json()["segments"]
        assert {s["slug"]: s["members"] for s in counts} == {"elders": 1, "empty": 0, "everybody": 2}
        assert [p["name"] for p in members(api, headers, "north", "elders")["members"]] == [WREN]
        assert {b["dimension"] for s in counts for b in s["make_up"]} == {"attendance"}
        assert not [s for s in counts if s["profile_dependent"] and s["make_up"]]
        everybody = members(api, key(fresh, "north.profile"), "north", "everybody")["members"]
        assert [p for p in everybody if "birth_date" in p] == []


def consent(world: World, clinic: str, name: str, expires_at: datetime) -> None:
    world.change(
        "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id, channel,"
        " occurred_at, expires_at) values (%s, %s, 'profile_sharing', 'signed', 'v1', %s, 'paper', now(), %s)",
        world.clinic_ids[clinic], world.people[name], world.people[name], expires_at,
    )  # fmt: skip


def test_a_mart_knows_when_a_consent_expires(fresh: World) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    consent(fresh, "north", FINCH, ends)
    ingest(fresh.server, "north", Asset.PATIENTS, uuid4())
    found = fresh.look("select name, profile_shared, profile_until from clinic_north.raw_patients order by name")
    assert found == [(FINCH, True, ends), (WREN, False, None)]


@pytest.mark.parametrize("ingested", [False, True], ids=["mart as it was", "ingested, not built"])
def test_an_expired_consent_hides_the_profile_before_the_next_build(fresh: World, ingested: bool) -> None:
    with access_world.client(fresh.server) as api:
        headers, robot = access_world.sign_in(api, "manager.north"), key(fresh, "north.profile")

        def seen() -> tuple[dict[str, int], set[str], list[str], set[str]]:
            counts = api.get("/v1/clinics/north/segments", headers=headers).json()["segments"]
            return (
                {s["slug"]: s["members"] for s in counts},
                {b["dimension"] for s in counts for b in s["make_up"]},
                sorted(p["name"] for p in members(api, headers, "north", "elders")["members"]),
                {p["name"] for p in members(api, robot, "north", "everybody")["members"] if "birth_date" in p},
            )

        expire = "update clinic_north.raw_patients set profile_until = now() {} where profile_shared"
        fresh.change(expire.format("+ interval '1 hour'"))
        before = ({"elders": 2, "empty": 0, "everybody": 2}, {"age", "attendance"}, [FINCH, WREN], {FINCH})
        assert seen() == before
        fresh.change(expire.format(""))
        if ingested:
            consent(fresh, "north", FINCH, datetime.now(UTC))
            ingest(fresh.server, "north", Asset.PATIENTS, uuid4())
            assert fresh.look("select 1 from clinic_north.raw_patients where profile_shared") == []
        assert seen() == ({"elders": 1, "empty": 0, "everybody": 2}, {"attendance"}, [WREN], set())
        counted = {count.segment: count.members for count in count_members(fresh.server, ["north"])}
        assert counted == {"elders": 1, "empty": 0, "everybody": 2}


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "Canary"}, {"limit": 1001}, {"cursor": "C" * 500}])
def test_a_bad_query_names_place_and_rule_but_not_the_value(
    api: Api, manager: dict[str, str], query: dict[str, Any]
) -> None:
    answer = api.get(MEMBERS.format("north", "everybody"), headers=manager, params=query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["place"] == f"query.{next(iter(query))}"
    assert "Canary" not in answer.text and "CCC" not in answer.text


def test_other_errors_have_the_same_shape(api: Api) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for answer, status in (
        (api.delete("/v1/clinics"), 405),
        (api.get("/v1/nothing"), 404),
        (api.post("/v1/token", content=b"x" * 70_000), 413),
        (api.post("/v1/token", content=iter([b"x" * 40_000] * 2), headers=form), 413),
        (api.post("/sign-in", content=iter([b"x" * 40_000] * 2), headers=form), 413),
        (api.post("/v1/token", data={"username": "x"}), 422),
    ):
        assert answer.status_code == answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) <= {"type", "title", "status", "errors"}


def test_an_open_api_document_is_served(api: Api) -> None:
    paths = api.get("/v1/openapi.json").json()["paths"]
    assert "/v1/clinics/{clinic}/segments/{segment}/members" in paths
    assert all(path.startswith("/v1/") for path in paths)


def test_every_answer_carries_the_security_headers(api: Api) -> None:
    for path in ("/healthz", "/sign-in", "/v1/clinics", "/static/cloister.css", "/nothing"):
        headers = api.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]


def test_an_unknown_patient_id_finds_nothing_in_the_log(api: Api) -> None:
    headers = access_world.sign_in(api, "auditor")
    found = api.get("/v1/audit/events", headers=headers, params={"patient": str(uuid4())}).json()
    assert found == {"events": [], "next": None}


def test_a_scoped_key_lists_only_its_segments(world: World, api: Api) -> None:
    found = api.get("/v1/clinics/north/segments", headers=key(world, "north.elders")).json()["segments"]
    assert [segment["slug"] for segment in found] == ["elders"]
    assert len(api.get("/v1/clinics/north/segments", headers=key(world, "north")).json()["segments"]) > 1
