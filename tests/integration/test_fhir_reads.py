"""FHIR says what the other routes say: to the same callers, with the same records, in resources that are valid R4."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import access_world
import httpx
import pytest
from access_world import BIRTH, FINCH, HERON, PHONE, WREN, Api, World
from auditing import accesses, auditors
from fastapi.routing import iter_route_contexts
from fhir.resources.R4B import get_fhir_model_class
from pulling import Headers, key, newcomer
from walking import logged

from api.fhir import service

__all__ = ["accesses", "auditors"]  # fixtures

FHIR = "application/fhir+json"


def ask(api: Api, path: str, headers: Headers, **query: Any) -> httpx.Response:
    """The answer, whatever it is, valid FHIR."""
    answer = api.get(f"/fhir/{path}", headers=headers, params=query or None)
    assert answer.headers["content-type"] == FHIR
    valid(answer.json())
    return answer


def resource(api: Api, path: str, headers: Headers, **query: Any) -> dict[str, Any]:
    answer = ask(api, path, headers, **query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def issue(answer: httpx.Response) -> tuple[int, str]:
    (found,) = answer.json()["issue"]
    return answer.status_code, found["code"]


def valid(found: dict[str, Any]) -> None:
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    for entry in found.get("entry", []):
        valid(entry["resource"])


def disclosed(world: World, answer: httpx.Response) -> tuple[set[str], set[str]]:
    """Actions and patients of an answer's events."""
    events, patients = logged(world)
    request = answer.headers["x-request-id"]
    return events.get(request, set()), patients.get(request, set())


@pytest.fixture
def fresh(fresh: World) -> Iterator[tuple[World, Api]]:
    """A world of a test's own."""
    with access_world.client(fresh.server) as api:
        yield fresh, api


def test_metadata_is_everybodys_and_names_what_is_there(api: Api) -> None:
    stated = resource(api, "metadata", {})
    assert stated["fhirVersion"] == "4.0.1" and stated["implementation"]["url"].endswith("/fhir")
    named = {(r["type"], i["code"]) for r in stated["rest"][0]["resource"] for i in r["interaction"]}
    paths = [context.path for context in iter_route_contexts(api.app.routes) if context.path.startswith("/fhir/")]
    paths.remove("/fhir/metadata")
    there = {(path.split("/")[2], "read" if "{" in path else "search-type") for path in paths}
    assert named == there and len(there) == 7


@pytest.mark.parametrize("caller", ["manager", "key"])
def test_a_group_has_the_members_that_the_list_has(world: World, api: Api, manager: Headers, caller: str) -> None:
    headers = manager if caller == "manager" else key(world, "north.profile")
    listed = api.get("/v1/clinics/north/segments/everybody/members", headers=headers).json()["members"]
    answer = ask(api, "Group/everybody", headers)
    entities = [member["entity"] for member in answer.json()["member"]]
    assert [(e["reference"], e["display"]) for e in entities] == [
        (f"Patient/{m['patient_id']}", m["name"]) for m in listed
    ]
    assert answer.json()["quantity"] == 2
    # Nothing of the profile is asked for, so nothing of it stands in the log.
    assert disclosed(world, answer) == ({"member.list"}, {m["patient_id"] for m in listed})
    query = "select categories from audit.access_event where request_id = %s"
    assert world.look(query, answer.headers["x-request-id"]) == [(["identifier", "membership", "name"],)]


def test_a_key_without_names_gets_ids_and_one_of_other_segments_nothing(world: World, api: Api) -> None:
    shown = resource(api, "Group/everybody", key(world, "north"))
    assert [list(member["entity"]) for member in shown["member"]] == [["reference"]] * 2
    assert resource(api, "Group/empty", key(world, "north"))["quantity"] == 0
    assert issue(ask(api, "Group/everybody", key(world, "north.elders"))) == (404, "not-found")


@pytest.mark.check(15)
def test_a_group_loses_who_withdrew_at_once(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    headers = access_world.sign_in(api, "manager.north")
    finch = f"Patient/{world.patients['north', FINCH]}"
    assert finch in ask(api, "Group/elders", headers).text
    world.consent("north", FINCH, "revoked")
    assert finch not in ask(api, "Group/elders", headers).text


@pytest.mark.check(14)
@pytest.mark.check(21)
def test_a_group_for_messages_is_of_those_who_agreed(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    messages = key(world, "north.messages")
    assert "member" not in resource(api, "Group/everybody", messages)
    world.consent("north", FINCH, purpose="communications")
    answer = ask(api, "Group/everybody", messages)
    assert [m["entity"]["display"] for m in answer.json()["member"]] == [FINCH] and PHONE not in answer.text
    assert disclosed(world, answer) == ({"member.reach"}, {str(world.patients["north", FINCH])})


def test_a_group_that_is_too_big_is_refused_and_shows_nobody(
    world: World, api: Api, manager: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_MEMBERS", 1)
    answer = ask(api, "Group/everybody", manager)
    assert issue(answer) == (409, "too-costly") and "application/x-ndjson" in answer.text
    assert disclosed(world, answer) == ({"member.list"}, set())
    monkeypatch.setattr(service, "MOST_MEMBERS", 2)
    assert resource(api, "Group/everybody", manager)["quantity"] == 2


def test_groups_are_found_with_their_sizes(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    manager = access_world.sign_in(api, "manager.north")
    long = "a" * 65
    world.change("update clinic_north.segment set slug = %s where slug = 'empty'", long)
    world.consent("north", FINCH, "revoked")
    found = resource(api, "Group", manager)
    sizes = {each["resource"]["identifier"][0]["value"]: each["resource"]["quantity"] for each in found["entry"]}
    assert sizes == {"elders": 1, "everybody": 2, long: 0}
    # FHIR's ids have 64 characters at most.
    assert {each.get("fullUrl", "").rpartition("/")[2] for each in found["entry"]} == {"elders", "everybody", ""}
    assert api.get(f"/v1/clinics/north/segments/{long}/members", headers=manager).status_code == 200
    for caller in (manager, key(world, "north")):
        refused = ask(api, f"Group/{long}", caller)
        assert issue(refused) == (404, "not-found") and refused.json() == ask(api, "Group/none", caller).json()
    in_scope = resource(api, "Group", key(world, "north.elders"))["entry"]
    assert [each["resource"]["id"] for each in in_scope] == ["elders"]


@pytest.mark.check(11)
def test_a_patient_is_a_name_until_the_profile_is_shared(world: World, api: Api) -> None:
    specialist = access_world.sign_in(api, "specialist.north")
    finch, wren = (world.patients["north", name] for name in (FINCH, WREN))
    answer = ask(api, f"Patient/{finch}", specialist)
    shown = answer.json()
    assert (shown["name"], shown["birthDate"], shown["gender"]) == ([{"text": FINCH}], BIRTH, "female")
    assert {"system": "phone", "value": PHONE} in shown["telecom"]
    assert shown["contact"] == [{"name": {"text": "Canary Aunt +4930901821"}}]
    assert disclosed(world, answer) == ({"profile.read"}, {str(finch)})
    named = resource(api, f"Patient/{wren}", specialist)
    assert set(named) == {"resourceType", "id", "name", "managingOrganization"} and named["name"] == [{"text": WREN}]


@pytest.mark.check(13)
@pytest.mark.check(14)
def test_a_patient_is_a_name_from_the_revocation_on(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    path, headers = f"Patient/{world.patients['north', FINCH]}", key(world, "north.contact")
    assert BIRTH in ask(api, path, headers).text
    assert BIRTH not in ask(api, f"Patient/{world.patients['south', FINCH]}", key(world, "south.contact")).text
    world.consent("north", FINCH, "revoked")
    assert BIRTH not in ask(api, path, headers).text and PHONE not in ask(api, path, headers).text


def test_a_key_sees_of_a_patient_what_its_scope_names(world: World, api: Api) -> None:
    path = f"Patient/{world.patients['north', FINCH]}"
    assert set(resource(api, path, key(world, "north"))) == {"resourceType", "id", "managingOrganization"}
    assert "telecom" not in resource(api, path, key(world, "north.profile"))
    assert issue(ask(api, path, key(world, "north.elders"))) == (404, "not-found")


def test_emergency_contacts_are_contacts_of_a_patient(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    contacts = [{"name": "Aunt", "relationship": "aunt", "phone": "+4930901822"}]
    profile = api.get("/v1/me/profile", headers=access_world.sign_in(api, "finch"))
    edited = api.patch(
        "/v1/me/profile",
        headers={**access_world.sign_in(api, "finch"), "if-match": profile.headers["etag"]},
        json={"emergency_contacts": contacts},
    )
    assert edited.status_code == 200, edited.text
    shown = resource(api, f"Patient/{world.patients['north', FINCH]}", key(world, "north.contact"))
    assert shown["contact"] == [
        {
            "relationship": [{"text": "aunt"}],
            "name": {"text": "Aunt"},
            "telecom": [{"system": "phone", "value": "+4930901822"}],
        }
    ]


def test_consents_say_whether_they_stand(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    manager, finch = access_world.sign_in(api, "manager.north"), world.patients["north", FINCH]
    answer = ask(api, "Consent", manager, patient=f"Patient/{finch}")
    states = {e["resource"]["id"]: e["resource"]["status"] for e in answer.json()["entry"]}
    assert states == {f"{finch}.profile-sharing": "active", f"{finch}.communications": "inactive"}
    assert disclosed(world, answer) == ({"consent.check"}, {str(finch)})
    world.consent("north", FINCH, "revoked")
    one = resource(api, f"Consent/{finch}.profile-sharing", manager)
    assert (one["status"], one["patient"]["reference"]) == ("inactive", f"Patient/{finch}")
    assert not {"dateTime", "performer", "sourceReference", "verification"} & set(one)
    assert issue(ask(api, "Consent", manager)) == (422, "required")
    assert issue(ask(api, "Consent", manager, patient="Canary")) == (422, "invalid")


@pytest.mark.check(6)
@pytest.mark.check(9)
def test_not_there_and_not_yours_are_one_outcome(world: World, api: Api, manager: Headers) -> None:
    specialist = access_world.sign_in(api, "specialist.north")
    heron, nobody = world.patients["south", HERON], uuid4()
    paths = [(f"Patient/{p}", h) for p in (heron, nobody, "x") for h in (specialist, key(world, "north.contact"))]
    consents = (f"{p}.profile-sharing" for p in (heron, nobody, "x"))
    paths += [(f"Consent/{c}", manager) for c in (*consents, f"{world.patients['north', FINCH]}.x", "x")]
    paths += [(f"Group/{g}", manager) for g in ("nothing", "x" * 90)]
    paths += [(f"Consent?patient={p}", manager) for p in (heron, nobody)]
    paths += [(f"{p}?clinic=south", manager) for p in ("Group", "Group/everybody", f"Consent/{heron}.communications")]
    paths += [(f"{p}?clinic=nowhere", manager) for p in ("Group", "Group/everybody")]
    answers = [ask(api, path, headers) for path, headers in paths]
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert issue(answers[0]) == (404, "not-found")
    for answer in answers:
        assert disclosed(world, answer)[0] and not disclosed(world, answer)[1]


def test_whoever_is_of_several_clinics_names_one(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    world.change(
        "insert into operational.principal_role (principal_id, role, clinic_id)"
        " select principal_id, 'clinic_manager', %s from operational.principal where login = 'manager.north'",
        world.clinic_ids["south"],
    )
    manager = access_world.sign_in(api, "manager.north")
    assert issue(ask(api, "Group", manager)) == (422, "required")
    for clinic in ("north", "south"):
        found = resource(api, "Group", manager, clinic=clinic)
        assert found["entry"][0]["resource"]["managingEntity"]["identifier"]["value"] == clinic
    assert found["link"] == [{"relation": "self", "url": f"{service.base()}/Group?clinic=south"}]


@pytest.mark.check(28)
def test_the_log_is_found_as_audit_events(
    world: World, api: Api, auditors: dict[str, Headers], accesses: dict[str, Any]
) -> None:
    finch = world.patients["north", FINCH]
    answer = ask(api, "AuditEvent", auditors["auditor.north"], patient=f"Patient/{finch}", subtype="profile.read")
    read = answer.json()["entry"][-1]["resource"]
    assert read["meta"]["profile"][0].endswith("IHE.BasicAudit.PatientRead")
    assert next(e["what"].get("reference") for e in read["entity"]) == f"Patient/{finch}"
    assert disclosed(world, answer)[0] == {"audit.search"}
    denied = resource(api, "AuditEvent", auditors["auditor"], outcome="4", subtype="urn:cloister:action|member.list")
    assert {entry["resource"]["outcome"] for entry in denied["entry"]} == {"4"}
    ((manager,),) = world.look("select principal_id from operational.principal where login = 'manager.north'")
    theirs = resource(api, "AuditEvent", auditors["auditor"], **{"agent:identifier": str(manager)})["entry"]
    assert len(theirs) >= 2
    assert {e["resource"]["agent"][0]["who"]["identifier"]["value"] for e in theirs} == {str(manager)}


@pytest.mark.check(28)
def test_an_audit_event_is_read_by_its_id_as_the_search_gave_it(
    world: World, api: Api, auditors: dict[str, Headers], accesses: dict[str, Any]
) -> None:
    finch = world.patients["north", FINCH]
    found = resource(api, "AuditEvent", auditors["auditor.north"], patient=f"Patient/{finch}")["entry"]
    for entry in found:
        answer = ask(api, f"AuditEvent/{entry['resource']['id']}", auditors["auditor.north"])
        assert answer.json() == entry["resource"]
        assert disclosed(world, answer)[0] == {"audit.search"}
    assert resource(api, f"AuditEvent/{found[0]['resource']['id']}", auditors["auditor"], clinic="north")


@pytest.mark.check(6)
@pytest.mark.check(50)
def test_another_clinics_audit_event_is_as_one_that_is_not_there(
    world: World, api: Api, auditors: dict[str, Headers], accesses: dict[str, Any], manager: Headers
) -> None:
    ((theirs,), *_) = world.look(
        "select event_id from audit.access_event where clinic_id = %s", world.clinic_ids["south"]
    )
    assert resource(api, f"AuditEvent/{theirs}", auditors["auditor"])["id"] == str(theirs)
    answers = [ask(api, f"AuditEvent/{named}", auditors["auditor.north"]) for named in (theirs, uuid4(), "x")]
    answers += [ask(api, f"AuditEvent/{theirs}", headers) for headers in (manager, key(world, "north.contact"))]
    answers.append(ask(api, f"AuditEvent/{theirs}", auditors["auditor.north"], clinic="south"))
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert issue(answers[0]) == (404, "not-found")
    for answer in answers:
        assert disclosed(world, answer)[0] == {"audit.search"}
    assert issue(ask(api, f"AuditEvent/{theirs}", auditors["auditor"], patient=str(uuid4())))[0] == 422


@pytest.mark.check(50)
def test_a_clinics_auditor_finds_that_clinics_events_and_nobody_else_any(
    world: World, api: Api, auditors: dict[str, Headers], manager: Headers
) -> None:
    found = resource(api, "AuditEvent", auditors["auditor.north"], _count=1000)
    south = {str(id_) for (clinic, _), id_ in world.patients.items() if clinic == "south"}
    assert len(found["entry"]) > 5 and not any(id_ in str(found) for id_ in south)
    assert issue(ask(api, "AuditEvent", auditors["auditor.north"], clinic="south")) == (404, "not-found")
    for headers in (manager, key(world, "north.contact"), access_world.sign_in(api, "finch")):
        assert issue(ask(api, "AuditEvent", headers)) == (404, "not-found")
    assert issue(ask(api, "AuditEvent", {})) == (401, "login")


def test_pages_of_the_log_follow_their_links(world: World, api: Api, auditors: dict[str, Headers]) -> None:
    headers, until = auditors["auditor"], world.look("select now()::text")[0][0].replace(" ", "T") + ":00"
    whole = resource(api, "AuditEvent", headers, date=f"lt{until}", _count=1000)
    assert {link["relation"] for link in whole["link"]} == {"self"}
    ids, url = [], f"/fhir/AuditEvent?{httpx.QueryParams(date=f'lt{until}', _count=3)}"
    while url:
        page = api.get(url, headers=headers).json()
        ids += [entry["resource"]["id"] for entry in page["entry"]]
        url = next((ln["url"] for ln in page["link"] if ln["relation"] == "next"), "").replace(service.base(), "/fhir")
    assert ids == [entry["resource"]["id"] for entry in whole["entry"]] and len(ids) > 6
    # A page's cursor is good for that search alone.
    cursor = httpx.URL(page["link"][0]["url"]).params["cursor"]
    assert issue(ask(api, "AuditEvent", headers, cursor=cursor, outcome="0")) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("AuditEvent", {"date": "xx2026"}, "http.date"),
        ("AuditEvent", {"date": "2026-02-30"}, "http.date"),
        ("AuditEvent", {"date": ["ge2026"] * 5}, "http.date"),
        ("AuditEvent", {"patient": "Patient/x"}, "http.patient"),
        ("AuditEvent", {"agent:identifier": "urn:other|x"}, "http.agent:identifier"),
        ("AuditEvent", {"outcome": "8"}, "http.outcome"),
        ("AuditEvent", {"_count": "0"}, "http._count"),
        # One that is not known is not left out, and is not said back.
        ("AuditEvent", {"canary": "x"}, "http.query"),
        ("Group/everybody", {"canary": "x"}, "http.query"),
        # Of one that comes twice both values would have to hold.
        ("AuditEvent", {"patient": [str(uuid4()), str(uuid4())]}, "http.patient"),
        ("AuditEvent", {"outcome": ["0", "4"]}, "http.outcome"),
        ("Group", {"clinic": ["north", "south"]}, "http.clinic"),
        ("Consent", {"patient": [str(uuid4()), str(uuid4())]}, "http.patient"),
        ("Group", {"clinic": "nor\x00th"}, "http.clinic"),
    ],
)
def test_what_is_not_valid_is_named_by_its_place(
    api: Api, auditors: dict[str, Headers], path: str, query: dict[str, Any], expected: str
) -> None:
    answer = ask(api, path, auditors["auditor"], **query)
    (found,) = answer.json()["issue"]
    assert (answer.status_code, found["expression"]) == (422, [expected]) and "canary" not in answer.text


def test_formats_methods_and_bodies_that_are_not_taken_get_outcomes(api: Api, manager: Headers) -> None:
    for accept in (FHIR, "application/json", "*/*", f"{FHIR}; fhirVersion=4.0", "text/html, application/*;q=0.8"):
        assert ask(api, "Group", {**manager, "accept": accept}).status_code == 200
    for named in ("json", FHIR, "application/json"):
        assert ask(api, "Group", {**manager, "accept": "text/html"}, _format=named).status_code == 200
    assert api.get("/fhir/Group?_format=application/fhir+json", headers=manager).status_code == 200
    for headers, query in (({"accept": "application/fhir+xml"}, {}), ({}, {"_format": "xml"})):
        assert issue(ask(api, "Group", {**manager, **headers}, **query)) == (406, "not-supported")
    posted = api.post("/fhir/Patient", headers={**manager, "content-type": FHIR}, json={"resourceType": "Patient"})
    assert issue(posted) == (404, "not-found")
    assert issue(api.post("/fhir", headers=manager, json={"resourceType": "Bundle"})) == (404, "not-found")
    assert issue(api.post("/fhir/Group", headers=manager, json={})) == (405, "not-supported")
    assert issue(api.post("/fhir/Group", headers=manager, content=b"<x/>")) == (415, "not-supported")
    assert issue(api.get("/fhir/Nothing/1", headers={**manager, "accept": "text/html"})) == (404, "not-found")
    assert issue(api.get("/fhir/Group", headers={"Authorization": "Bearer x"})) == (401, "login")


@pytest.mark.check(22)
def test_what_cannot_be_recorded_is_not_answered_and_says_so(fresh: tuple[World, Api]) -> None:
    world, api = fresh
    manager = access_world.sign_in(api, "manager.north")
    newcomer(world, "Canary Swift")
    world.change("alter table audit.access_event add constraint refuses check (false) not valid")
    for path in ("Group", "Group/everybody", f"Consent?patient={uuid4()}"):
        answer = ask(api, path, manager)
        assert issue(answer) == (503, "transient") and "Canary" not in answer.text
