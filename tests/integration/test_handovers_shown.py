"""What a clinic is shown of what patients bring: its records; the profile only while that is shared; no guardian the
rest."""

from typing import Any

import httpx
import pytest
from access_world import BIRTH, CHICK, CONTACTS, FINCH, WREN, Api, World
from exporting import Export, export, validate
from handing_over import DESK, bring, send, shown

from tests.integration.records import Family, add_chick

AT_NORTH = DESK.replace("south", "north")
PROFILE = (BIRTH, "latex", "asthma", "AB-", "female", *CONTACTS.values())
RECORDS = {"Composition", "Organization", "Patient", "Appointment", "QuestionnaireResponse", "CarePlan", "Consent"}


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    world.change(
        "update operational.profile set allergies = '{latex}', chronic_conditions = '{asthma}', blood_type = 'AB-'"
        " where person_id = any(%s)", [world.people[FINCH], world.people[WREN]],
    )  # fmt: skip
    add_chick(world)
    return Family(world, api, {})


@pytest.fixture(scope="module")
def carried(family: Family) -> Export:
    return export(family.api, "finch", "north")


def event(world: World, answer: httpx.Response) -> tuple[str, list[str], bool]:
    """Decision and categories, and whether a consent is named, of an answer's only event."""
    (found,) = world.look(
        "select decision, categories, consent_event_id is not null from audit.access_event where request_id = %s",
        answer.headers["x-request-id"],
    )
    return found[0], found[1], found[2]


def kinds(preview: dict[str, Any]) -> dict[str, int]:
    return {each["type"]: each["count"] for each in preview["resources"]}


@pytest.mark.check(11)
@pytest.mark.check(13)
def test_who_treats_sees_the_profile_in_it_only_while_it_is_shared_with_their_clinic(
    family: Family, carried: Export
) -> None:
    """Finch shares it with north, where it comes from, and not with south."""
    world, api = family.world, family.api
    record = bring(api, "finch", carried.archive).json()

    def read() -> httpx.Response:
        answer = family.ask("specialist.south", "GET", f"/clinics/south/handovers/{record['id']}")
        assert answer.status_code == 200, answer.text
        return answer

    plain = ["clinical", "confidential", "free_text", "identifier", "name"]
    withheld = read()
    assert not withheld.json()["profile_shared"] and not any(value in withheld.text for value in PROFILE)
    assert event(world, withheld) == ("permit", plain, False)
    world.consent("south", FINCH)
    whole = read()
    assert whole.json()["profile_shared"] and whole.json()["bundle"] == carried.bundle
    assert event(world, whole) == ("permit", sorted([*plain, "contact", "profile"]), True)
    world.consent("south", FINCH, "revoked")
    assert read().json()["bundle"] == withheld.json()["bundle"]


def test_without_the_profile_it_is_a_document_of_the_records_that_says_so(family: Family, carried: Export) -> None:
    record = bring(family.api, "finch", carried.archive).json()
    bundle = family.done("specialist.south", "GET", f"/clinics/south/handovers/{record['id']}")["bundle"]
    validate(bundle)
    assert bundle["meta"]["security"][0]["code"] == "REDACTED"
    left = [entry["resource"] for entry in bundle["entry"]]
    whole = [entry["resource"] for entry in carried.bundle["entry"]]
    assert {each["resourceType"] for each in left} == {*RECORDS, "Observation"} & {e["resourceType"] for e in whole}
    for kind in ("Appointment", "CarePlan"):
        assert [e for e in left if e["resourceType"] == kind] == [e for e in whole if e["resourceType"] == kind]
    (patient,) = (each for each in left if each["resourceType"] == "Patient")
    assert patient["name"] == [{"text": FINCH}]
    sections = {each["title"]: each for each in left[0]["section"]}
    assert sections["Allergies"]["emptyReason"]["coding"][0]["code"] == "withheld"
    assert sections["Appointments"] in whole[0]["section"] and "Insurance" not in sections


@pytest.mark.check(12)
def test_staff_are_not_even_told_how_much_of_a_profile_there_is(family: Family) -> None:
    world, api = family.world, family.api
    archive, path = export(api, "wren", "north").archive, AT_NORTH.format(world.patients["north", WREN])
    own = kinds(shown(api, "wren", archive, "north"))
    assert own["AllergyIntolerance"] == own["Condition"] == 1
    unshared = send(api, "staff.north", f"{path}/preview", archive)
    assert set(kinds(unshared.json())) <= RECORDS
    assert event(world, unshared) == ("permit", ["clinical", "confidential", "identifier"], False)
    world.consent("north", WREN)
    whole = send(api, "staff.north", f"{path}/preview", archive)
    world.consent("north", WREN, "revoked")
    assert kinds(whole.json()) == own
    assert event(world, whole) == ("permit", ["clinical", "confidential", "identifier", "profile"], True)


def log(family: Family, login: str, path: str) -> list[str]:
    accesses = family.done(login, "GET", f"{path}/access-log")["accesses"]
    return [access["action"] for access in accesses if "handover" in access["action"] or "record" in access["action"]]


@pytest.mark.check(52)
@pytest.mark.parametrize("desk", [False, True], ids=["by the dependent", "at the desk"])
def test_what_no_guardian_brought_is_told_to_no_guardian(family: Family, desk: bool) -> None:
    world, api = family.world, family.api
    archive = export(api, "chick", "north").archive
    whose, path = f"/v1{family.of_chick}", AT_NORTH.format(world.patients["north", CHICK])
    before = log(family, "finch", family.of_chick)
    if desk:
        digest = send(api, "staff.north", f"{path}/preview", archive).json()["digest"]
        answer = send(api, "staff.north", path, archive, digest=digest)
    else:
        answer = bring(api, "chick", archive, "north")
    assert answer.status_code == 201, answer.text
    record = answer.json()["id"]
    family.done("specialist.north", "GET", f"/clinics/north/handovers/{record}")
    family.done("staff.north", "GET", path.removeprefix("/v1"))
    # Had the guardian the same file, nothing would tell them that it was brought before.
    assert shown(api, "finch", archive, "north", whose)["already"] is None
    assert shown(api, "chick", archive, "north")["already"] == record
    brought = bring(api, "finch", archive, "north", whose)
    assert brought.status_code == 201 and brought.json()["id"] != record
    family.done("staff.north", "POST", f"/clinics/north/deletions/brought_record/{record}", {"reason": "mistake"})
    family.done("admin", "POST", f"/clinics/north/deletions/brought_record/{record}/undo")
    assert record not in family.ask("finch", "GET", f"{family.of_chick}/handovers").text
    assert record in family.ask("chick", "GET", "/me/handovers").text
    refused = family.ask("finch", "POST", f"/clinics/north/deletions/brought_record/{record}", {"reason": "mistake"})
    assert refused.status_code == 404
    own = ["own_handover.list", "own_handover.bring", "own_handover.preview", "own_handover.preview"]
    assert log(family, "finch", family.of_chick) == [*own, *before]
    told = log(family, "chick", "/me")
    assert {"record.delete", "record.restore", "handover.list", "handover.read"} <= set(told)
    if desk:
        assert {"handover.preview", "handover.receive"} <= set(told)


@pytest.mark.check(52)
def test_what_a_guardian_brought_stays_theirs_to_see(family: Family) -> None:
    api, whose = family.api, f"/v1{family.of_chick}"
    archive = export(api, "finch", "north", family.world.guardianship).archive
    record = bring(api, "finch", archive, "north", whose).json()["id"]
    assert shown(api, "finch", archive, "north", whose)["already"] == record
    assert bring(api, "chick", archive, "north").json()["id"] == record
    before = log(family, "finch", family.of_chick)
    family.done("specialist.north", "GET", f"/clinics/north/handovers/{record}")
    assert log(family, "finch", family.of_chick) == ["handover.read", *before]


@pytest.mark.check(52)
def test_what_is_hidden_at_one_clinic_is_labelled_and_hidden_at_the_next(family: Family) -> None:
    """The guardian who brought it has the file; another one learns nothing of what is in it."""
    world, api, whose = family.world, family.api, f"/v1{family.of_chick}"
    patient = world.patients["north", CHICK]
    world.change("update operational.appointment set confidential = true where patient_id = %s", patient)
    try:
        own, theirs = export(api, "chick", "north"), export(api, "finch", "north", world.guardianship)
    finally:
        world.change("update operational.appointment set confidential = false where patient_id = %s", patient)
    (visit,) = own.resources("Appointment")
    assert [label["code"] for label in visit["meta"]["security"]] == ["R"]
    assert own.resources("Composition")[0]["confidentiality"] == "R"
    assert theirs.resources("Appointment") == [] and "v3-Confidentiality" not in str(theirs.bundle)
    validate(own.bundle)
    hidden, shown_ = (bring(api, "finch", made.archive, "north", whose).json() for made in (own, theirs))
    assert (hidden["confidential"], shown_["confidential"]) == (True, False)
    before = log(family, "finch", family.of_chick)
    family.done("specialist.north", "GET", f"/clinics/north/handovers/{hidden['id']}")
    assert log(family, "finch", family.of_chick) == before
    listed = family.done("finch", "GET", f"{family.of_chick}/handovers")["records"]
    assert hidden["id"] in [each["id"] for each in listed]
