"""What FHIR says of a profile and of whom to call, by the edge of what is read."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from test_fhir_import import WEST, _condition, _encounter, _ndjson, _pain, _patient, take

from infra.database import Server
from tests.integration.importing import contacts, quarantined
from tests.utc import today

Body = dict[str, Any]
MAPPING: Body = {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
MODIFIED: Body = {"modifierExtension": [{"url": "https://example.org/not-really", "valueBoolean": True}]}


def coverage(own: str, said: str, **more: Any) -> Body:
    of = {"beneficiary": {"reference": "Patient/p1"}, "type": {"text": said}}
    return {"resourceType": "Coverage", "id": own, "status": "active", **of, **more}


def allergy(own: str, said: str, **more: Any) -> Body:
    return {"resourceType": "AllergyIntolerance", "id": own, "patient": {"reference": "Patient/p1"},
            "code": {"text": said}, **more}  # fmt: skip


def coded(code: str) -> Body:
    return {"coding": [{"code": code}]}


@pytest.mark.check(43)
def test_of_insurances_the_newest_that_stands_counts_and_what_ended_is_no_allergy_and_no_condition(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    yesterday, tomorrow = ((today() + timedelta(days=n)).isoformat() for n in (-1, 1))
    resources = [
        _patient("p1"),
        coverage("old", "public", period={"start": "2020-01-01", "end": tomorrow}),
        coverage("ended", "private", period={"start": "2023-01-01", "end": today().isoformat()}),
        coverage("cancelled", "other", status="cancelled", period={"start": "2024-01-01", "end": tomorrow}),
        allergy("a1", "dust"), allergy("a2", "nuts", clinicalStatus=coded("inactive")),
        allergy("a3", "milk", verificationStatus=coded("refuted")),
        allergy("a4", "eggs", clinicalStatus=coded("resolved")),
        _condition("c1", "asthma"), {**_condition("c2", "gout"), "abatementDateTime": yesterday},
        {**_condition("c3", "flu"), "abatementDateTime": tomorrow},
        {**_condition("c4", "cold"), "abatementDateTime": tomorrow, "clinicalStatus": coded("resolved")},
        {**_condition("c5", "mumps"), "abatementAge": {"value": 9}},
    ]  # fmt: skip
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", resources))
    assert report.told == []
    told = admin.execute("select insurance_type, allergies, chronic_conditions from operational.profile").fetchall()
    assert told == [("public", ["dust"], ["asthma", "flu"])]


@pytest.mark.check(43)
def test_a_policy_number_and_whom_to_call_are_read_by_their_types_alone(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    called = {"name": {"text": "Canary Call"}, "telecom": [{"system": "phone", "value": "123"}]}
    person = {
        **_patient("p1"),
        "identifier": [{"type": coded("MR"), "value": "77"}, {"type": coded("SN"), "value": "POL-1"}, {"value": "x"}],
        "contact": [{**called, "relationship": [coded("C"), {"text": "aunt"}]},
                    {"name": {"text": "Canary Boss"}, "relationship": [coded("E")]}],
    }  # fmt: skip
    take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [person]))
    (found,) = contacts(admin, server).values()
    assert found["policy_number"] == "POL-1"
    assert [each["name"] for each in json.loads(found["emergency_contacts"])] == ["Canary Call"]
    assert admin.execute("select external_id from operational.registration").fetchall() == [("77",)]


@pytest.mark.check(43)
def test_what_is_contained_or_a_bundle_of_its_own_is_not_followed(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": _patient("inner")}]}
    hidden = {**_condition("c1", "asthma"), "subject": {"reference": "#p1"}, "contained": [_patient("p1")]}
    entries = [{"resource": each} for each in (_patient("p1"), inner, hidden)]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "document", "entry": entries}))
    (report,) = take(server, MAPPING, path)
    assert [name for (name,) in admin.execute("select source_id from operational.person_source").fetchall()] == ["p1"]
    assert report.told == [(3, "subject: names no patient")] and report.left == {"Bundle": 1}


@pytest.mark.check(43)
def test_observations_that_answer_nothing_are_counted_and_surveys_are_forms(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    code = {"code": {"coding": [{"system": "http://loinc.org", "code": "44261-6"}]}}
    parts = {"component": [{"code": coded("x"), "valueInteger": 1}]}
    survey = {"category": [coded("survey")]}
    none = _pain("o3", "p1", 1, **code, **survey, **parts)
    del none["valueInteger"]
    resources = [
        _patient("p1"), _pain("o1", "p1", 3, **code), _pain("o2", "p1", 4, **code, **survey), none,
        _pain("o4", "p1", 5, status="entered-in-error"),
    ]  # fmt: skip
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", resources))
    answers = admin.execute("select template, question, number from operational.form_answer").fetchall()
    assert answers == [("loinc-44261-6", "score", 4.0)]
    assert report.left == {
        "Observation that answers no question": 1, "Observation without a value of its own": 1,
        "Observation that is entered-in-error": 1,
    }  # fmt: skip


@pytest.mark.check(42)
@pytest.mark.parametrize(
    ("more", "why"),
    [(MODIFIED, "modifierExtension"), ({"bodySite": {"coding": [{"code": "x", **MODIFIED}]}}, "modifierExtension"),
     ({"implicitRules": "https://example.org/rules"}, "implicitRules")],
)  # fmt: skip
def test_what_may_mean_the_opposite_of_what_it_says_is_kept_apart(
    server: Server, admin: psycopg.Connection, tmp_path: Path, more: Body, why: str
) -> None:
    """It is not read, and tells of no visit; what nobody would have read is left out as before."""
    lab = {**_pain("o1", "p1", 3), "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}}
    visit = _encounter("e1", "p1", "2024-02-05T09:00:00Z", "Organization/east")
    other = _encounter("e2", "p1", "2024-03-05T09:00:00Z", "Organization/west")
    resources = [
        _patient("p1"),
        visit,
        other | more,
        _condition("c1", "gout"),
        _condition("c2", "flu") | more,
        lab | more,
    ]
    path = _ndjson(tmp_path / "all.ndjson", resources)
    escaped = (json.dumps(_condition("c3", "mumps") | more) + "\n").replace("modifierE", r"modifier\u0045")
    path.write_text(path.read_text() + escaped)
    whole = tmp_path / "one.json"
    whole.write_text(json.dumps(_condition("c4", "rubella") | more), "utf-16")
    deep = tmp_path / "deep.ndjson"
    deep.write_text(json.dumps(_condition("c5", "croup \u00e9")).replace('"active"', "[" * 600 + "]" * 600) + "\n")
    reports = take(server, {"clinics": WEST}, path, whole, deep)
    assert sum((report.left for report in reports), Counter()) == {"Observation that answers no question": 1}
    assert admin.execute("select chronic_conditions from operational.profile").fetchone() == (["croup é", "gout"],)
    assert admin.execute("select count(*) from operational.registration").fetchone() == (1,)
    kept = [(file, line, said.partition(":")[0]) for file, line, said, _ in quarantined(admin, server)]
    assert kept == [*(("all.ndjson", line, why) for line in (3, 5, 7)), ("one.json", 1, "is no UTF-8")]


@pytest.mark.check(42)
def test_a_bundle_and_its_entries_mean_what_they_say_as_well(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    entries = [{"resource": _patient("p1")}, {"resource": _condition("c1", "gout")}]
    bundle = {"resourceType": "Bundle", "type": "collection"}
    for name, more in (
        ("a", {"entry": [entries[0], entries[1] | MODIFIED]}),
        ("b", {"implicitRules": "x", "entry": entries}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(bundle | more))
    take(server, MAPPING, tmp_path / "a.json", tmp_path / "b.json")
    assert admin.execute("select chronic_conditions from operational.profile").fetchone() == (None,)
    kept = [(file, line, said.partition(":")[0]) for file, line, said, _ in quarantined(admin, server)]
    assert kept == [("a.json", 2, "entry.modifierExtension"), ("b.json", 1, "implicitRules")]


@pytest.mark.check(53)
@pytest.mark.parametrize(
    "limit",
    [{"actor": [{"role": {"text": "x"}}]}, {"provision": [{"type": "deny"}]}, {"period": {"start": "2024-01-01"}},
     {"data": [{"meaning": "instance"}]}, {"dataPeriod": {"start": "2024-01-01"}}, {"action": [coded("access")]},
     {"securityLabel": [{"code": "R"}]}, {"class": [{"code": "x"}]}, {"code": [coded("x")]},
     {"purpose": [{"system": "s", "code": "research"}]}],
)  # fmt: skip
def test_a_consent_that_is_limited_in_any_way_grants_nothing(
    server: Server, admin: psycopg.Connection, tmp_path: Path, limit: Body
) -> None:
    signed = {"resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p1"},
              "category": [{"coding": [{"system": "s", "code": "share"}]}], "dateTime": "2024-03-01T10:00:00Z",
              "policy": [{"uri": "v7"}], "performer": [{"reference": "Patient/p1"}],
              "provision": limit}  # fmt: skip
    texts = {"consents": {"s|share": "profile_sharing"}, "consent_texts": {"profile_sharing": {"v7": "We share."}}}
    take(server, {**MAPPING, **texts}, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), signed]))
    assert admin.execute("select count(*) from operational.consent").fetchone() == (0,)
    assert [why for _, _, why, _ in quarantined(admin, server)] == [
        "provision: limits the consent in a way that is not known here"
    ]


@pytest.mark.check(53)
def test_a_consent_may_name_its_purpose_in_its_provision_alone(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    signed = {"resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p1"},
              "dateTime": "2024-03-01T10:00:00Z", "policy": [{"uri": "v7"}], "performer": [{"reference": "Patient/p1"}],
              "provision": {"type": "permit", "purpose": [{"system": "s", "code": "share"}]}}  # fmt: skip
    texts = {"consents": {"s|share": "profile_sharing"}, "consent_texts": {"profile_sharing": {"v7": "We share."}}}
    take(server, {**MAPPING, **texts}, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), signed]))
    assert admin.execute("select purpose, state from operational.consent").fetchall() == [("profile_sharing", "signed")]


def test_an_encounter_of_an_appointment_is_one_visit(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    booked = {
        "resourceType": "Appointment", "id": "a1", "status": "fulfilled", "start": "2024-02-05T09:00:00Z",
        "created": "2024-02-01", "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    }  # fmt: skip
    met = {**_encounter("e1", "p1", "2024-02-05T09:05:00Z", "Organization/o"),
           "appointment": [{"reference": "Appointment/a1"}]}  # fmt: skip
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), met, booked]))
    assert admin.execute("select source_id from operational.appointment").fetchall() == [("Appointment/a1",)]
    assert report.left == {"Encounter of an Appointment": 1}


@pytest.mark.check(33)
@pytest.mark.check(43)
@pytest.mark.parametrize(
    ("end", "ends_on"), [("2024", "2024-01-01"), ("2024-03", "2024-03-01"), ("2024-03-05", "2024-03-05")]
)
def test_of_a_year_or_a_month_alone_a_guardian_and_a_plan_end_on_the_first_day(
    server: Server, admin: psycopg.Connection, tmp_path: Path, end: str, ends_on: str
) -> None:
    of = {"reference": "Patient/p1"}
    parent = {
        "resourceType": "RelatedPerson", "id": "r1", "patient": of, "name": [{"text": "Canary Mother"}],
        "relationship": [coded("MTH")], "period": {"end": end},
    }  # fmt: skip
    plan = {"resourceType": "CarePlan", "id": "c1", "status": "active", "title": "Stretching", "subject": of,
            "period": {"start": "2023", "end": end}}  # fmt: skip
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1", "2020-06-01"), parent, plan]))
    assert report.told == []
    assert admin.execute("select ends_on::text from operational.guardianship").fetchall() == [(ends_on,)]
    plans = "select starts_on::text, ends_on::text from operational.treatment_plan"
    assert admin.execute(plans).fetchall() == [("2023-01-01", ends_on)]


@pytest.mark.check(43)
def test_what_happened_in_a_year_or_a_month_alone_waits_for_its_day(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    vague = [_encounter("e1", "p1", "2024-03", "Organization/o"), _pain("s1", "p1", 3, effectiveDateTime="2024")]
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), *vague]))
    assert report.refused == 2 and len(quarantined(admin, server)) == 2


@pytest.mark.check(33)
def test_who_is_inactive_guards_nobody_whatever_end_their_period_has_ahead(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    parents = [
        {"resourceType": "RelatedPerson", "id": own, "patient": {"reference": "Patient/p1"}, "active": active,
         "name": [{"text": f"Canary {own}"}], "relationship": [coded("MTH")], "period": {"end": end}}
        for own, active, end in (
            ("gone", False, "2199-01-01"), ("ended", False, "2024-02-01"), ("stays", True, "2199-01-01"),
        )
    ]  # fmt: skip
    today = datetime.now(UTC).date()
    take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1", "2020-06-01"), *parents]))
    told = (
        "select s.source_id, g.ends_on from operational.guardianship as g inner join operational.person_source as s"
        " on s.person_id = g.guardian_id"
    )
    ends = {own.partition("/")[2]: on for own, on in admin.execute(told).fetchall()}
    assert today <= ends.pop("gone") <= datetime.now(UTC).date()
    assert ends == {"ended": date(2024, 2, 1), "stays": date(2199, 1, 1)}


@pytest.mark.check(52)
@pytest.mark.parametrize("by", ["reference", "urn"])
def test_of_an_encounter_that_is_restricted_the_appointment_is_or_somebody_looks(
    server: Server, admin: psycopg.Connection, tmp_path: Path, by: str
) -> None:
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    at, entries = "2024-03-02T08:00:00Z", [{"fullUrl": "urn:uuid:p", "resource": _patient("p1")}]
    for own, (booked, came) in {"both": (label, label), "one": ({}, label), "none": ({}, {})}.items():
        appointment = {"resourceType": "Appointment", "id": own, "status": "fulfilled", "start": at, "meta": booked,
                       "participant": [{"actor": {"reference": "Patient/p1"}}]}  # fmt: skip
        means = {"reference": f"Appointment/{own}", "urn": f"urn:uuid:{own}"}[by]
        encounter = _encounter(f"e-{own}", "p1", at, "Organization/x") | {"meta": came}
        entries += [{"fullUrl": f"urn:uuid:{own}", "resource": appointment},
                    {"resource": encounter | {"appointment": [{"reference": means}]}}]  # fmt: skip
    bundle: Body = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    take(server, MAPPING, _ndjson(tmp_path / "all.json", [bundle]))
    why = "meta.security: is restricted, and its Appointment is not"
    assert [reason for _, _, reason, _ in quarantined(admin, server)] == [why]
    told = admin.execute("select confidential, count(*) from operational.appointment group by 1 order by 1").fetchall()
    assert told == [(False, 2), (True, 1)]
