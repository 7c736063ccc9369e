"""A carried document without the profile shows what is listed, whatever else somebody's document may hold."""

import json
from typing import Any

import pytest

from policies.fhir.types import LOINC, TERMINOLOGY
from policies.fhir.withheld import without_profile

SECRET = "Canary 1931-05-17"
ADHERENCE = {"coding": [{"system": "urn:cloister:record", "code": "adherence"}]}


def document(*resources: dict[str, Any], sections: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    first = {"resourceType": "Composition", "title": "Of North", "section": sections or []}
    entries = [{"fullUrl": f"urn:{number}", "resource": each} for number, each in enumerate([first, *resources])]
    return {"resourceType": "Bundle", "type": "document", "note": SECRET, "entry": entries}


def section(code: str, system: str = LOINC) -> dict[str, Any]:
    told = {"status": "generated", "div": SECRET}
    return {"title": code, "code": {"coding": [{"system": system, "code": code}]}, "text": told}


@pytest.mark.check(11)
@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Patient", "name": [{"text": "Finch"}], "birthDate": SECRET, "telecom": [{"value": SECRET}],
         "contact": [{"name": {"text": SECRET}}], "text": {"div": SECRET}, "extension": [{"valueString": SECRET}]},
        {"resourceType": "AllergyIntolerance", "code": {"text": SECRET}},
        {"resourceType": "Condition", "code": {"text": SECRET}},
        {"resourceType": "Coverage", "subscriberId": SECRET},
        {"resourceType": "RelatedPerson", "name": [{"text": SECRET}]},
        {"resourceType": "Observation", "code": {"coding": [{"system": LOINC, "code": "882-1"}]}, "note": SECRET},
        {"resourceType": "Observation", "valueString": SECRET},
        {"resourceType": "Observation", "code": ADHERENCE, "contained": [{"note": SECRET}], "text": {"div": SECRET}},
        {"resourceType": "MedicationStatement", "note": SECRET},
        {"resourceType": "Appointment", "text": {"div": SECRET}, "contained": [{"note": SECRET}]},
        {"resourceType": "Bundle", "entry": [{"resource": {"note": SECRET}}]},
        {"resourceType": "CarePlan", "addresses": [{"reference": "Condition/9", "display": SECRET}]},
        {"resourceType": "CarePlan", "addresses": [{"display": SECRET}, {"identifier": {"value": SECRET}}]},
        {"resourceType": "CarePlan", "supportingInfo": [{"reference": "#1", "type": "Condition", "display": SECRET}]},
        {"resourceType": "Consent", "performer": [{"reference": "urn:0", "display": SECRET}]},
        {"resourceType": "Consent", "performer": [{"type": "RelatedPerson", "display": SECRET}]},
        {"resourceType": "Appointment", "participant": [{"actor": {"type": "RelatedPerson", "display": SECRET}}]},
        {"resourceType": "CarePlan", "author": {"type": "Patient", "display": SECRET}},
        {"resourceType": "Appointment", "extension": [{"url": "urn:x", "valueContactPoint": {"value": SECRET}}]},
        {"resourceType": "Organization", "id": "insurer", "name": SECRET},
    ],
    ids=lambda resource: resource["resourceType"],
)  # fmt: skip
def test_nothing_of_the_profile_is_left(resource: dict[str, Any]) -> None:
    assert SECRET not in json.dumps(without_profile(document(resource)))


def test_sections_say_what_is_withheld_and_none_that_there_was_something() -> None:
    given = [section("11450-4"), section("30954-2"), section("46240-8", "urn:other"), section("48765-2"), {"text": {}}]
    left = without_profile(document(sections=given))
    assert SECRET not in json.dumps(left)
    sections = left["entry"][0]["resource"]["section"]
    assert [(each["title"], each["emptyReason"]["coding"][0]["code"]) for each in sections] == [
        ("11450-4", "withheld"), ("48765-2", "withheld"),
    ]  # fmt: skip
    visits = section("46240-8")
    assert without_profile(document(sections=[visits]))["entry"][0]["resource"]["section"] == [visits]


def test_records_stay_as_they_are_but_for_what_they_refer_to() -> None:
    visit = {"resourceType": "Appointment", "status": "booked", "participant": [{"actor": {"reference": "urn:3"}}]}
    consent = {"resourceType": "Consent", "status": "active", "performer": [{"reference": "urn:4"}]}
    done = {"resourceType": "Observation", "code": ADHERENCE, "valueRatio": {"numerator": {"value": 0}}}
    bundle = document(visit, consent, {"resourceType": "Patient", "name": []}, {"resourceType": "RelatedPerson"}, done)
    left = [entry["resource"] for entry in without_profile(bundle)["entry"]]
    assert left[1:] == [visit, {"resourceType": "Consent", "status": "active"}, {"resourceType": "Patient"}, done]
    assert without_profile(bundle)["meta"]["security"][0]["system"] == f"{TERMINOLOGY}v3-ObservationValue"


CLINIC, INSURER = "https://north.example/fhir/Organization/1", "https://north.example/fhir/Organization/2"


def foreign(*resources: dict[str, Any], **composition: Any) -> dict[str, Any]:
    """A document whose resources are at a server's addresses, and refer to one another relative to that."""
    first = {"resourceType": "Composition", "id": "0", **composition}
    base = "https://north.example/fhir"
    entries = [
        {"fullUrl": f"{base}/{each['resourceType']}/{each['id']}", "resource": each, "search": {"note": SECRET}}
        for each in [first, *resources]
    ]
    return {"resourceType": "Bundle", "type": "document", "entry": entries}


@pytest.mark.check(11)
def test_relative_and_absolute_references_stay_if_what_they_name_is_shown() -> None:
    plan = {"resourceType": "CarePlan", "id": "5", "addresses": [{"reference": "Condition/9", "display": SECRET}]}
    done = {"resourceType": "Observation", "id": "6", "code": ADHERENCE, "basedOn": [{"reference": "CarePlan/5"}]}
    visit = {
        "resourceType": "Appointment",
        "id": "7",
        "participant": [
            {"actor": {"reference": "https://north.example/fhir/Condition/9"}},
            {"actor": {"display": "N"}},
        ],
        "basedOn": [{"reference": "https://north.example/fhir/CarePlan/5"}],
    }
    condition = {"resourceType": "Condition", "id": "9", "code": {"text": SECRET}}
    left = without_profile(foreign(plan, done, visit, condition))
    assert SECRET not in json.dumps(left) and "Condition" not in json.dumps(left)
    assert [entry["resource"] for entry in left["entry"]][1:] == [
        {"resourceType": "CarePlan", "id": "5"}, done, {**visit, "participant": [{"actor": {"display": "N"}}]},
    ]  # fmt: skip


@pytest.mark.check(11)
def test_organizations_are_the_documents_clinics_alone() -> None:
    names = [{"resourceType": "Organization", "id": str(number), "name": f"{number}"} for number in range(1, 5)]
    patient = {"resourceType": "Patient", "id": "8", "managingOrganization": {"reference": "Organization/3"}}
    author, custodian = [{"reference": CLINIC}, {"display": "Dr. N"}], {"reference": "Organization/4"}
    consent = {"resourceType": "Consent", "id": "9", "organization": [{"reference": CLINIC}, {"reference": INSURER}]}
    left = without_profile(foreign(*names, patient, consent, author=author, custodian=custodian))
    shown = [entry["resource"] for entry in left["entry"]]
    assert [each["name"] for each in shown if each["resourceType"] == "Organization"] == ["1", "3", "4"]
    assert shown[0]["author"] == author and shown[-1]["organization"] == [{"reference": CLINIC}]


@pytest.mark.check(11)
def test_a_section_tells_in_words_only_what_is_shown_and_has_none_within() -> None:
    plan, condition = {"resourceType": "CarePlan", "id": "5"}, {"resourceType": "Condition", "id": "9"}
    to_plan, to_condition = {"reference": "CarePlan/5"}, {"reference": "Condition/9"}
    visits = {**section("46240-8"), "entry": [to_plan], "section": [section("46240-8")], "note": SECRET}
    said = {"status": "generated", "div": "said"}
    given = [
        {**visits, "text": said}, {**visits, "entry": [to_plan, to_condition]}, {**visits, "entry": [to_condition]},
    ]  # fmt: skip
    left = without_profile(foreign(plan, condition, section=given))
    assert SECRET not in json.dumps(left)
    whole, part, none = left["entry"][0]["resource"]["section"]
    assert (whole["text"], whole["entry"]) == (said, [to_plan])
    assert "text" not in part and part["entry"] == [to_plan]
    assert "entry" not in none and none["emptyReason"]["coding"][0]["code"] == "withheld"


MODIFIED = {"modifierExtension": [{"url": "urn:x:not-done", "valueString": SECRET}]}


@pytest.mark.check(11)
@pytest.mark.parametrize(
    "modified",
    [MODIFIED, {"note": [{"text": "x", **MODIFIED}]}, {"implicitRules": f"urn:{SECRET}"}],
    ids=["whole", "part", "rules"],
)
def test_what_may_mean_the_opposite_by_what_is_not_shown_is_not_shown(modified: dict[str, Any]) -> None:
    plain, other = {"resourceType": "CarePlan", "id": "5"}, {"resourceType": "CarePlan", "id": "6", **modified}
    bundle = foreign(plain, other, {**plain, "id": "7"})
    bundle["entry"][-1] |= modified
    left = without_profile(bundle)
    assert SECRET not in json.dumps(left)
    assert [each["resource"]["id"] for each in left["entry"]] == ["0", "5"]
