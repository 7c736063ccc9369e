"""A patient's export: everything of theirs at one clinic, and nothing else; signed, and valid FHIR."""

import json
import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import CHICK, FINCH, Api, World
from exporting import Export, ask, export, packed, validate
from impersonating import act_as

from infra.errors import InvalidInput, Refused
from infra.exports.verify import verify_export
from policies.audit.merkle import verify_inclusion
from policies.audit.note import Verifier, open_checkpoint
from policies.patient_export import VALID_FOR
from tests.integration.records import add_chick
from tests.integration.sealing import seal_all

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def north(world: World, api: Api) -> Export:
    world.change("update operational.profile set allergies = '{latex}', blood_type = 'AB-' where person_id = %s",
                 world.people[FINCH])  # fmt: skip
    return export(api, "finch", "north")


def text_of(made: Export) -> str:
    return "".join(content.decode() for content in made.files.values())


def published(api: Api, login: str = "finch") -> list[str]:
    answer = api.get("/v1/audit/keys", headers=access_world.sign_in(api, login))
    found: list[str] = answer.json()["keys"]
    return found


def saved(folder: Path, archive: bytes) -> Path:
    path = folder / "export.zip"
    path.write_bytes(archive)
    return path


def test_everything_of_theirs_at_the_clinic_is_in_it_and_is_valid_fhir(north: Export) -> None:
    validate(north.bundle)
    kinds = [entry["resource"]["resourceType"] for entry in north.bundle["entry"]]
    assert kinds[0] == "Composition" and north.bundle["type"] == "document"
    (patient,) = north.resources("Patient")
    assert patient["name"] == [{"text": FINCH}] and patient["birthDate"] == access_world.BIRTH
    assert {each["value"] for each in patient["telecom"]} == {access_world.PHONE, access_world.CONTACTS["email"]}
    assert [each["code"]["text"] for each in north.resources("AllergyIntolerance")] == ["latex"]
    assert north.resources("Coverage")[0]["subscriberId"] == access_world.CONTACTS["policy_number"]
    assert patient["contact"][0]["name"] == {"text": access_world.CONTACTS["emergency_contacts"]}
    assert patient["identifier"][0]["value"] == access_world.CONTACTS["policy_number"]
    assert {each["status"] for each in north.resources("Appointment")} == {"booked", "fulfilled"}
    assert len(north.resources("Appointment")) == 3
    (plan,) = north.resources("CarePlan")
    assert plan["activity"][0]["detail"]["code"] == {"text": "Canary bridge"}
    done = [each for each in north.resources("Observation") if "valueRatio" in each]
    assert [each["valueRatio"]["numerator"]["value"] for each in done] == [1]
    assert [each["status"] for each in north.resources("Consent")] == ["active"]
    references = set(re.findall(r'"reference": "(urn:uuid:[^"]+)"', json.dumps(north.bundle)))
    assert references <= {entry["fullUrl"] for entry in north.bundle["entry"]}


def test_sections_of_the_summary_say_what_is_not_known(north: Export) -> None:
    sections = {each["title"]: each for each in north.resources("Composition")[0]["section"]}
    assert list(sections)[:3] == ["Problems", "Allergies", "Medications"]
    for title in ("Problems", "Medications"):
        assert sections[title]["emptyReason"]["coding"][0]["code"] == "unavailable" and "entry" not in sections[title]
    assert "emptyReason" not in sections["Allergies"]


def test_what_was_answered_is_in_it_in_the_types_of_the_questions(world: World, api: Api) -> None:
    questions = [
        {"id": "pain", "text": "How much?", "type": "scale", "maximum": 10},
        {"id": "where", "text": "Where?", "type": "multi_choice",
         "options": [{"value": "knee", "text": "Knee"}, {"value": "hip", "text": "Hip"}]},
        {"id": "since", "text": "Since?", "type": "date"},
        {"id": "story", "text": "What else?", "type": "text"},
    ]  # fmt: skip
    saved_as = {"title": "<b>Knees</b>", "kind": "questionnaire", "questions": questions}
    manager, wren = (access_world.sign_in(api, login) for login in ("manager.north", "wren"))
    answer = api.post("/v1/clinics/north/templates/knees/versions", headers=manager, json=saved_as)
    assert answer.status_code == 201, answer.text
    staff = access_world.sign_in(api, "staff.north")
    patient = world.patients["north", access_world.WREN]
    assigned = api.post(f"/v1/clinics/north/patients/{patient}/forms", headers=staff, json={"templates": ["knees"]})
    given = {"pain": 7, "where": ["knee", "hip"], "since": "2026-02-01", "story": "<script>alert(1)</script>"}
    path = f"/v1/me/forms/{assigned.json()['forms'][0]}/complete"
    assert api.post(path, headers=wren, json={"answers": given}).status_code == 200
    made = export(api, "wren", "north")
    validate(made.bundle)
    (response,) = made.resources("QuestionnaireResponse")
    assert response["status"] == "completed" and response["questionnaire"].endswith("/knees|1")
    assert {item["linkId"]: item["answer"] for item in response["item"]} == {
        "pain": [{"valueDecimal": 7}],
        "where": [{"valueCoding": {"code": "knee", "display": "Knee"}},
                  {"valueCoding": {"code": "hip", "display": "Hip"}}],
        "since": [{"valueDate": "2026-02-01"}],
        "story": [{"valueString": "<script>alert(1)</script>"}],
    }  # fmt: skip
    assert "&lt;script&gt;alert(1)" in made.page and "<script" not in made.page and "<b>" not in made.page
    assert "Knee; Hip" in made.page
    assert "&lt;b&gt;Knees" in made.resources("Composition")[0]["section"][-1]["text"]["div"]


@pytest.mark.check(9)
def test_nothing_of_another_clinic_and_no_id_of_the_platform_is_in_it(world: World, north: Export) -> None:
    told = text_of(north)
    assert "Dr. North" in told and "South" not in told
    stored = world.look(
        "select person_id::text from operational.person union select patient_id::text from operational.registration"
        " union select appointment_id::text from operational.appointment union select form_id::text from"
        " operational.form union select plan_id::text from operational.treatment_plan union select"
        " exercise_id::text from operational.exercise union select event_id::text from operational.consent_event"
        " union select guardianship_id::text from operational.guardianship"
        " union select event_id::text from audit.access_event"
    )
    assert len(stored) > 20
    assert not {row[0] for row in stored} & set(UUID.findall(told))


@pytest.mark.check(54)
def test_ids_in_two_exports_of_one_person_share_nothing(api: Api, north: Export) -> None:
    again, south = export(api, "finch", "north"), export(api, "finch", "south")
    ids = [set(UUID.findall(text_of(made))) for made in (north, again, south)]
    assert all(len(found) > 10 for found in ids)
    assert not ids[0] & ids[1] and not ids[0] & ids[2] and not ids[1] & ids[2]
    assert len({made.manifest["subject"] for made in (north, again, south)}) == 3
    assert len({made.bundle["identifier"]["value"] for made in (north, again, south)}) == 3


@pytest.mark.check(19)
def test_an_export_needs_no_consent_for_any_clinic(world: World, api: Api) -> None:
    assert world.look("select 1 from operational.consent where person_id = %s", world.people[access_world.WREN]) == []
    made = export(api, "wren", "north")
    validate(made.bundle)
    assert made.resources("Patient")[0]["birthDate"] == access_world.BIRTH
    assert made.resources("Consent") == []


@pytest.mark.check(33)
@pytest.mark.check(52)
def test_a_guardian_carries_for_the_dependent_but_nothing_confidential(world: World, api: Api) -> None:
    add_chick(world)
    chick = world.clinic_ids["north"], world.patients["north", CHICK]
    for title in ("open", "secret"):
        world.change(
            "insert into operational.appointment (clinic_id, patient_id, service, status, booked_on, starts_on,"
            " confidential) values (%s, %s, %s, 'booked', '2026-01-01', '2026-02-01', %s)",
            *chick, f"canary {title} visit", title == "secret",
        )  # fmt: skip
        world.change(
            "insert into operational.form (clinic_id, patient_id, template, status, assigned_on, confidential)"
            " values (%s, %s, %s, 'pending', '2026-01-01', %s)",
            *chick, f"canary {title} form", title == "secret",
        )  # fmt: skip
        world.change(
            "insert into operational.treatment_plan (clinic_id, patient_id, title, starts_on, confidential)"
            " values (%s, %s, %s, '2026-01-01', %s)",
            *chick, f"canary {title} plan", title == "secret",
        )  # fmt: skip
    guardians, own = export(api, "finch", "north", world.guardianship), export(api, "chick", "north")
    for made in (guardians, own):
        validate(made.bundle)
        assert all(f"canary open {what}" in text_of(made) for what in ("visit", "form", "plan"))
    assert all(f"canary secret {what}" in text_of(own) for what in ("visit", "form", "plan"))
    assert "secret" not in text_of(guardians)
    assert "Canary Aunt" in text_of(own) and "Canary Aunt" not in text_of(guardians)
    assert [each["name"] for each in guardians.resources("RelatedPerson")] == [[{"text": FINCH}]]
    answer = ask(api, access_world.sign_in(api, "heron"), "north", world.guardianship)
    assert answer.status_code == 404


@pytest.mark.check(34)
@pytest.mark.check(52)
def test_nothing_deleted_internal_or_hidden_is_in_any_part(world: World, api: Api) -> None:
    if ("north", CHICK) not in world.patients:
        add_chick(world)
    patient = world.patients["north", CHICK]
    chick = world.clinic_ids["north"], patient
    gone = {"deleted_at": NOW, "deleted_by": uuid4(), "delete_reason": "mistake"}
    hidden, secret = {"confidential": True}, uuid4()
    for said, more in (("open", {}), ("deleted", gone), ("secret", hidden), ("deleted secret", {**gone, **hidden})):
        own = {"clinic_id": chick[0], "patient_id": patient, "source": "canary internal", **more}
        named = {name: f"canary {said} {name}" for name in ("visit", "form", "plan")}
        internal = {name: f"canary internal {said} {name}" for name in named}
        form, plan = uuid4(), uuid4()
        secret = form if said == "secret" else secret
        _insert(world, "appointment", own, service=named["visit"], status="booked", booked_on="2026-01-01",
                starts_on="2026-02-01", source_id=internal["visit"])  # fmt: skip
        _insert(world, "form", own, form_id=form, template=named["form"], status="completed", assigned_on="2026-01-01",
                completed_at=NOW, source_id=internal["form"], occasion=internal["form"])  # fmt: skip
        _insert(world, "treatment_plan", own, plan_id=plan, title=named["plan"], starts_on="2026-01-01",
                source_id=internal["plan"])  # fmt: skip
        answer = {name: own[name] for name in ("clinic_id", "patient_id", "source")} | {"form_id": form}
        for number, deleted in enumerate(({}, gone)):
            _insert(world, "form_answer", answer, template=named["form"], question=f"q{number}", answered_at=NOW,
                    body=f"canary {'deleted' if deleted else said} answer",
                    source_id=f"{internal['form']} {number}", **deleted)  # fmt: skip
    world.change("update operational.registration set external_id = 'canary internal' where patient_id = %s", patient)
    headers = access_world.sign_in(api, "staff.north")
    path = f"/v1/clinics/north/deletions/form/{secret}"
    assert api.post(path, headers=headers, json={"reason": "mistake"}).status_code == 200
    assert "canary secret answer" not in text_of(export(api, "chick", "north"))
    world.change("update operational.form set deleted_at = null, delete_reason = null, deleted_by = null"
                 " where form_id = %s", secret)  # fmt: skip

    own, guardians = export(api, "chick", "north"), export(api, "finch", "north", world.guardianship)
    for name in ("bundle.json", "readable.html"):
        told = {True: own.files[name].decode(), False: guardians.files[name].decode()}
        for what in ("visit", "form", "plan", "answer"):
            assert f"canary open {what}" in told[True] and f"canary open {what}" in told[False], (name, what)
            assert f"canary secret {what}" in told[True], (name, what)
        assert "secret" not in told[False]
    for name, content in [*own.files.items(), *guardians.files.items()]:
        assert b"canary internal" not in content and b"canary deleted" not in content, name
        assert name != "access-log.ndjson" or b"canary" not in content
    done = [[each["action"] for each in made.log[1:]] for made in (own, guardians)]
    assert "record.delete" in done[0] and "record.delete" not in done[1]


def _insert(world: World, table: str, row: dict[str, Any], **more: Any) -> None:
    values = {**row, **more}
    names, places = ", ".join(values), ", ".join("%s" for _ in values)
    world.change(f"insert into operational.{table} ({names}) values ({places})", *values.values())


@pytest.mark.check(31)
def test_nobody_else_gets_one_and_each_try_is_recorded(world: World, api: Api) -> None:
    acting = act_as(api, "finch")[1]
    denials = "select count(*) from audit.access_event where action = 'export.make' and decision = 'deny'"
    for headers, clinic in (
        (acting, "north"),
        (access_world.sign_in(api, "wren"), "south"),
        (access_world.sign_in(api, "wren"), "nowhere"),
        (access_world.sign_in(api, "manager.north"), "north"),
        ({"Authorization": f"Bearer {world.keys['north.contact']}"}, "north"),
    ):
        before = world.look(
            "select count(*) from audit.access_event where action = 'export.make' and decision = 'deny'"
        )
        answer = ask(api, headers, clinic)
        assert (answer.status_code, answer.json()["title"]) == (404, "There is nothing here.")
        after = world.look(denials)
        assert after[0][0] == before[0][0] + 1


@pytest.mark.check(21)
def test_an_export_is_recorded_with_what_it_tells(world: World, api: Api) -> None:
    answer = ask(api, access_world.sign_in(api, "finch"), "north")
    rows = world.look(
        "select decision, categories, policies, purpose from audit.access_event where request_id = %s",
        answer.headers["x-request-id"],
    )
    told = ["clinical", "contact", "free_text", "name", "profile"]
    assert rows == [("permit", told, ["patient-carries-own-records"], "patient_request")]
    assert answer.headers["content-disposition"].startswith('attachment; filename="records-')


def test_who_read_them_is_in_it_with_proofs_that_hold(world: World, api: Api) -> None:
    manager = access_world.sign_in(api, "manager.north")
    assert api.get("/v1/clinics/north/segments/everybody/members", headers=manager).status_code == 200
    seal_all(world.server)
    head, *accesses = export(api, "wren", "north").log
    listed = next(each for each in accesses if each["action"] == "member.list")
    assert listed["role"] == "clinic_manager" and listed["organisation"] == "north"
    keys = [Verifier.parse(key) for key in published(api)]
    checkpoint = open_checkpoint(head["checkpoint"], keys)
    proof = listed["proof"]
    leaf, path = b64decode(proof["leaf"]), list(map(b64decode, proof["path"]))
    assert verify_inclusion(proof["index"], checkpoint.size, leaf, path, checkpoint.root)
    assert head["accesses"] == len(accesses) and head["complete"]
    assert all(each["organisation"] in ("north", None) for each in accesses)


def test_it_is_verified_with_the_published_key_alone(api: Api, north: Export, tmp_path: Path) -> None:
    keys = [key for key in published(api) if "/exports+" in key]
    assert len(keys) == 1
    found = verify_export(saved(tmp_path, north.archive), keys, NOW)
    assert found.manifest.clinic == "North" and found.contents.name == FINCH
    assert found.manifest.expires - found.manifest.created == VALID_FOR
    others = [key for key in published(api) if "/exports+" not in key]
    with pytest.raises(Refused, match="no issuer that is trusted"):
        verify_export(saved(tmp_path, north.archive), others, NOW)
    with pytest.raises(Refused, match="expired"):
        verify_export(saved(tmp_path, north.archive), keys, NOW + VALID_FOR + timedelta(days=1))


@pytest.mark.check(20)
@pytest.mark.parametrize("name", ["bundle.json", "readable.html", "access-log.ndjson", "manifest.json", "manifest.jws"])
def test_one_changed_byte_anywhere_is_found(api: Api, north: Export, tmp_path: Path, name: str) -> None:
    keys = published(api)
    content = bytearray(north.files[name])
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        archive = packed({**north.files, name: bytes(changed)})
        with pytest.raises((Refused, InvalidInput)):
            verify_export(saved(tmp_path, archive), keys, NOW)


def test_what_is_for_reading_alone_may_be_left_at_home(api: Api, north: Export, tmp_path: Path) -> None:
    needed: dict[str, Any] = {name: north.files[name] for name in ("bundle.json", "manifest.json", "manifest.jws")}
    assert verify_export(saved(tmp_path, packed(needed)), published(api), NOW).contents.name == FINCH
    for name in needed:
        less = {other: content for other, content in needed.items() if other != name}
        with pytest.raises(InvalidInput, match="missing"):
            verify_export(saved(tmp_path, packed(less)), published(api), NOW)
