"""FHIR files into the operational zone: what comes in, what is kept apart, and that it equals the same data as CSV."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.database import Server, connect_admin
from infra.encryption.keyring import FileKeyring
from infra.errors import InvalidInput
from infra.provisioner import Clinic, add_clinics
from infra.settings import Mode
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.run import FhirImport, FhirReport, import_fhir
from orchestration.importing.mapping import Mapping
from tests.integration.importing import bring, contacts, quarantined, versions

WEST = {"default": "north", "of": {"Organization/west": "south", "https://example.org/places|w-2": "south"}}
_OF_PERSON = "inner join operational.person_source as s on s.person_id = x.person_id where s.source = %s"
_OF_PATIENT = """
inner join operational.registration as r on r.clinic_id = x.clinic_id and r.patient_id = x.patient_id
inner join operational.person_source as s on s.person_id = r.person_id
where s.source = %s"""
# Each begins with whose it is.
_TOLD = {
    "people": "select s.source_id, p.name, x.birth_date, x.sex, x.chronic_conditions, x.allergies"
    f" from operational.profile as x inner join operational.person as p using (person_id) {_OF_PERSON}",
    "problems": f"select s.source_id, x.value, x.since, x.until from operational.profile_fact as x {_OF_PERSON}"
    " and x.kind = 'condition'",
    "allergies": "select s.source_id, x.value, x.since, x.until is null"
    f" from operational.profile_fact as x {_OF_PERSON} and x.kind = 'allergy'",
    "visits": "select s.source_id, x.starts_at, x.service, x.modality, x.status"
    f" from operational.appointment as x {_OF_PATIENT}",
    "forms": "select s.source_id, x.template, x.status, x.completed_at, x.confidential"
    f" from operational.form as x {_OF_PATIENT}",
    # Synthea's CSV has one decimal place.
    "answers": "select s.source_id, x.template, x.question, x.answered_at, round(x.number::numeric, 1), x.choice"
    f" from operational.form_answer as x {_OF_PATIENT}",
    "plans": f"select s.source_id, x.title, x.starts_on, x.ends_on from operational.treatment_plan as x {_OF_PATIENT}",
}
# What Synthea's CSV has as words and its FHIR as codes.
_CHOICES = {
    "Never smoker": "266919005", "Former smoker": "8517006", "Current every day smoker": "449868002",
    "Low Risk (MFS Score 0 - 24)": "LA13038-7", "Moderate Risk (MFS Score 25 - 45)": "LA13039-5",
    "High Risk (MFS Score 50+)": "LA13040-3",
}  # fmt: skip
_RECORD = {"joined": ["PATIENT", "DATE", "CODE"]}
_TEMPLATE = {"column": "CODE", "template": "loinc-{}"}
_CHOSEN = {
    "source": "synthea_csv", "people": "source", "consent": "assumed",
    "files": [{"only": {"CODE": ["72166-2", "59461-4"]}, "entities": [
        {"entity": "form", "fields": {"source_id": "PATIENT", "record_id": _RECORD, "template": _TEMPLATE,
            "status": {"constant": "completed"}, "assigned_on": "DATE", "completed_at": "DATE"}},
        {"entity": "answer", "fields": {"source_id": "PATIENT", "record_id": _RECORD, "form_id": _RECORD,
            "template": _TEMPLATE, "question": {"constant": "score"}, "answered_at": "DATE",
            "choice": {"column": "VALUE", "values": _CHOICES}}}]}],
}  # fmt: skip


def take(at: Server, mapping: dict[str, Any], *files: Path, mode: Mode = Mode.DEMO) -> list[FhirReport]:
    keys = FileKeyring(at.secrets_folder / "keyring.json")
    what = FhirImport(FhirMapping.model_validate({"source": "fhir", **mapping}), keys, mode)
    return import_fhir(at, list(files), what, lambda *_: None)


def told_of(admin: psycopg.Connection, source: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every fact of a source's patients, without the ids of this instance."""
    found = {name: admin.execute(query, [source]).fetchall() for name, query in _TOLD.items()}  # type: ignore[call-overload]
    return {name: sorted(map(tuple, rows), key=repr) for name, rows in found.items()}


def addresses(at: Server, admin: psycopg.Connection, source: str) -> dict[str, str]:
    """Everybody's address in clear, by the source's id; Synthea writes states out in CSV, and no country."""
    whose = dict(
        admin.execute("select person_id, source_id from operational.person_source where source = %s", [source])
    )
    found = {whose[person]: told["address"] for person, told in contacts(admin, at).items() if person in whose}
    alike = {own: address.replace(", ", " ").replace("  ", " ") for own, address in found.items()}
    return {own: address.removesuffix(" CA US").removesuffix(" California") for own, address in alike.items()}


def test_bundles_and_csv_of_the_same_patients_give_the_same_facts(
    module_server: Server, data: Path, tmp_path: Path
) -> None:
    paired = data / "synthea_paired"
    add_clinics(module_server, [Clinic("harbour", "Harbour", country="US")], requested_by="test")
    # Synthea's CSV has days of where it ran.
    mapping = {"clinics": {"default": "harbour"}, "registered_on": "2020-01-01", "time_zone": "America/Los_Angeles"}
    reports = take(module_server, mapping, paired / "fhir")
    assert sum(report.refused for report in reports) == 0
    csv = [path for path in (paired / "csv").iterdir() if path.name.removesuffix(".csv.gz") in {
        "patients", "conditions", "allergies", "encounters", "observations", "careplans"}]  # fmt: skip
    for by in ("synthea.mapping.yml", Mapping.model_validate(_CHOSEN)):
        chosen = csv if isinstance(by, str) else [path for path in csv if path.name.startswith("observations")]
        assert [report.refused for report in bring(module_server, by, *chosen, clinic="north")] == [0] * len(chosen)
    with connect_admin(module_server) as admin:
        ours, theirs = told_of(admin, "fhir"), told_of(admin, "synthea_csv")
        lived, live = (addresses(module_server, admin, source) for source in ("fhir", "synthea_csv"))
    known = {row[0] for row in ours["people"]}
    assert len(known) == len(lived) == 25
    assert lived == {own: address for own, address in live.items() if own in known}
    for name, rows in ours.items():
        # Synthea writes no comma into its CSV files.
        assert sorted(repr(row).replace(", ", "  ") for row in rows) == sorted(
            repr(row).replace(", ", "  ") for row in theirs[name] if row[0] in known
        ), name
    assert len(ours["visits"]) == 838
    assert Counter(template.removeprefix("loinc-") for _, template, *_ in ours["answers"]) == ASKED


ASKED = {
    "pain": 259, "72166-2": 255, "55758-7": 94, "70274-6": 91, "75626-2": 40, "76504-0": 38, "89204-2": 38,
    "82667-7": 30, "59460-6": 21, "59461-4": 21, "38208-5": 10, "44261-6": 5,
}  # fmt: skip


# What becomes of each set, and how many resources are refused: in the larger one an email that is none.
TAKEN: dict[str, tuple[dict[str, int], int]] = {
    "fhir_100": ({"patient": 100, "fact": 11816, "appointment": 11004, "form": 4488, "answer": 4488, "plan": 862}, 1),
    "fhir_bulk_10": ({"patient": 13, "fact": 566, "appointment": 1215}, 0),
}
LEFT = {
    "fhir_100": {"Goal": 226, "Practitioner": 60, "Organization": 26},
    "fhir_bulk_10": {"MedicationRequest": 1745, "Location": 44, "Organization": 43, "Practitioner": 43},
}


@pytest.mark.check(42)
@pytest.mark.parametrize("name", ["fhir_100", "fhir_bulk_10"])
def test_whole_exports_come_in_and_again_change_nothing(module_server: Server, data: Path, name: str) -> None:
    mapping = {"source": name, "clinics": {"default": "south"}}
    first = take(module_server, mapping, data / name)
    with connect_admin(module_server) as admin:
        before, told = versions(admin), told_of(admin, name)
    again = take(module_server, mapping, data / name)
    with connect_admin(module_server) as admin:
        assert versions(admin) == before
        assert told_of(admin, name) == told
    assert [report.entities for report in again] == [report.entities for report in first]
    patients = {"fhir_100": 100, "fhir_bulk_10": 13}[name]
    assert len(told["people"]) == patients
    entities, left = Counter[str](), Counter[str]()
    for report in first:
        entities.update(report.entities)
        left.update(report.left)
    assert (dict(entities), sum(report.refused for report in first)) == TAKEN[name]
    assert {kind: left[kind] for kind in LEFT[name]} == LEFT[name]


def test_a_patient_is_of_every_clinic_they_visited_and_their_records_of_its_own(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    resources = [
        {"resourceType": "Organization", "id": "o2", "identifier": [_id("https://example.org/places", "w-2")]},
        _patient("p1"),
        _encounter("e1", "p1", "2024-01-05T09:00:00Z", "Organization/east"),
        _encounter("e2", "p1", "2024-02-05T09:00:00Z", "Organization?identifier=https://example.org/places|w-2"),
        _pain("s1", "p1", 7, encounter={"reference": "Encounter/e2"}),
        _pain("s2", "p1", 3),
    ]
    take(server, {"clinics": WEST}, _ndjson(tmp_path / "all.ndjson", resources))
    days = admin.execute(
        "select c.slug, r.registered_on from operational.registration as r join operational.clinic as c"
        " using (clinic_id) order by 1"
    ).fetchall()
    assert days == [("north", date(2024, 1, 5)), ("south", date(2024, 2, 5))]
    scores = admin.execute(
        "select c.slug, a.number from operational.form_answer as a join operational.clinic as c using (clinic_id)"
        " order by 1"
    ).fetchall()
    assert scores == [("north", 3.0), ("south", 7.0)]


@pytest.mark.check(53)
def test_families_consents_forms_and_plans(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    mapping = {
        "clinics": {"default": "north"},
        "registered_on": "2024-01-01",
        "consents": {"http://loinc.org|59284-0": "profile_sharing"},
        "consent_texts": {"profile_sharing": {"v7": "We share."}},
    }
    child, parent = _patient("kid", birth="2020-06-01"), "rp1"
    signed = {"resourceType": "Consent", "status": "active", "patient": {"reference": "Patient/kid"},
              "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
              "dateTime": "2024-03-01T10:00:00Z"}  # fmt: skip
    proof = {"policy": [{"uri": "v7"}], "performer": [{"reference": f"RelatedPerson/{parent}"}]}
    resources = [
        child,
        {"resourceType": "RelatedPerson", "id": parent, "patient": {"reference": "Patient/kid"},
         "relationship": [{"coding": [{"code": "MTH", "display": "mother"}]}], "name": [{"text": "Canary Parent"}]},
        {**signed, "id": "c1", **proof},
        {**signed, "id": "c2", "performer": proof["performer"]},
        {**signed, "id": "c3", "policy": proof["policy"]},
        {"resourceType": "QuestionnaireResponse", "id": "q1", "status": "completed", "authored": "2024-03-02T08:00:00Z",
         "questionnaire": "https://example.org/Questionnaire/Sleep|2", "subject": {"reference": "Patient/kid"},
         "item": [{"linkId": "hours", "answer": [{"valueDecimal": 7.5}]},
                  {"linkId": "more", "item": [{"linkId": "dreams", "answer": [{"valueBoolean": True}]}]}]},
        {"resourceType": "CarePlan", "id": "plan", "status": "active", "title": "Stretching",
         "subject": {"reference": "Patient/kid"}, "period": {"start": "2024-03-01"}},
        {"resourceType": "ServiceRequest", "id": "sr", "status": "active", "subject": {"reference": "Patient/kid"},
         "basedOn": [{"reference": "CarePlan/plan"}], "occurrenceDateTime": "2024-03-03"},
        {"resourceType": "Procedure", "id": "pr", "status": "completed", "subject": {"reference": "Patient/kid"},
         "basedOn": [{"reference": "ServiceRequest/sr"}], "performedDateTime": "2024-03-04"},
        {"resourceType": "Coverage", "id": "cov", "status": "active", "beneficiary": {"reference": "Patient/kid"},
         "type": {"text": "public"}, "period": {"start": "2024-01-01"}},
        {"resourceType": "Observation", "id": "bt", "status": "final", "subject": {"reference": "Patient/kid"},
         "code": {"coding": [{"system": "http://loinc.org", "code": "882-1"}]}, "valueString": "A Rh(D) positive"},
    ]  # fmt: skip
    report = take(server, mapping, _ndjson(tmp_path / "kid.ndjson", resources), mode=Mode.PRODUCTION)[0]
    assert [reason for _, reason in report.told] == ["text_version: is missing", "signer_id: is missing"]
    state = admin.execute(
        "select state, text_version from operational.consent join operational.consent_event using (event_id)"
    ).fetchall()
    assert state == [("signed", "v7")]
    assert admin.execute("select relationship from operational.guardianship").fetchall() == [("mother",)]
    answers = admin.execute("select template, question, number, choice from operational.form_answer order by 2")
    assert answers.fetchall() == [("sleep", "dreams", None, "yes"), ("sleep", "hours", 7.5, None)]
    days = admin.execute("select day, prescribed, done from operational.adherence order by 1").fetchall()
    assert days == [(date(2024, 3, 3), 1, 0), (date(2024, 3, 4), 1, 1)]
    told = admin.execute(
        "select insurance_type, blood_type from operational.profile where birth_date is not null"
    ).fetchall()
    assert told == [("public", "A+")]
    waiting = admin.execute("select distinct entity, fires from operational.outbox order by 1").fetchall()
    assert waiting == [(entity, False) for entity in ("adherence", "form", "patient")], "no automation acts on it"


@pytest.mark.check(43)
def test_a_bad_resource_is_kept_as_it_was_until_a_corrected_one_comes(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path, mapping = tmp_path / "Encounter.ndjson", {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
    bad = {**_encounter("e2", "p1", "2024-02-05T09:00:00Z", "Organization/o"), "status": "dreaming"}
    lines = [json.dumps(_patient("p1")), json.dumps(bad), "{", '{"resourceType": 5}', "[" * 100_000]
    path.write_text("\n".join([*lines, json.dumps(_encounter("e1", "p1", "2024-01-05T09:00:00Z", "Organization/o"))]))
    report = take(server, mapping, path)[0]
    assert (report.read, report.refused, report.entities["appointment"]) == (6, 4, 1)
    kept = quarantined(admin, server)
    assert [(line, reason) for _, line, reason, _ in kept] == [
        (2, "status: is none of R4"), (3, "is no JSON"), (4, "resourceType: is missing"), (5, "is nested too deeply"),
    ]  # fmt: skip
    assert kept[0][3] == lines[1].encode()
    path.write_text(json.dumps({**bad, "status": "finished"}))
    assert take(server, mapping, path)[0].refused == 0
    assert len(quarantined(admin, server)) == 3


def test_a_contact_that_is_none_keeps_nobody_out(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    telecom = [{"system": "phone", "value": "12"}, {"system": "email", "value": "canary@example.org"}]
    path = _ndjson(tmp_path / "Patient.ndjson", [{**_patient("p1"), "telecom": telecom}])
    report = take(server, {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}, path)[0]
    assert (report.entities["patient"], report.refused) == (1, 1)
    assert [row[2].split(":")[0] for row in quarantined(admin, server)] == ["phone"]
    stored = admin.execute("select phone is null, email is null from operational.profile").fetchall()
    assert stored == [(True, False)]


def test_what_ended_leaves_the_profile_and_what_stands_stays(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    mapping = {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1"), _condition("a", "asthma"), _condition("b", "gout")])
    take(server, mapping, path)
    _ndjson(path, [{**_condition("b", "gout"), "abatementDateTime": "2024-05-01"}])
    take(server, mapping, path)
    assert admin.execute("select chronic_conditions from operational.profile").fetchall() == [(["asthma"],)]


def test_a_mapping_of_unknown_clinics_is_refused_before_anything_is_read(server: Server, tmp_path: Path) -> None:
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1")])
    with pytest.raises(InvalidInput, match="there is no clinic 'east'"):
        take(server, {"clinics": {"default": "east"}}, path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"performer": [{"reference": "Practitioner/p1"}]}, "signer_id: is missing"),
        ({"organization": [{"reference": "Organization/elsewhere"}]}, "organization: is no clinic of the mapping"),
        ({"provision": {"period": {"start": "2024-03-01"}}}, "provision: limits the consent"),
        ({"provision": {"period": {"end": "2020-02-01"}}}, "expires_at: is before occurred_at"),
        ({"provision": {"period": {"end": "soon"}}}, "resource: is not of FHIR R4's shape"),
        ({"policy": []}, "text_version: is missing"),
    ],
)
@pytest.mark.check(53)
def test_a_consent_without_its_whole_evidence_grants_nothing(
    server: Server, admin: psycopg.Connection, tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    signed = {"resourceType": "Consent", "id": "c", "status": "active", "patient": {"reference": "Patient/p1"},
              "category": [{"coding": [{"system": "s", "code": "share"}]}], "dateTime": "2024-03-01T10:00:00Z",
              "policy": [{"uri": "v7"}], "performer": [{"reference": "Patient/p1"}]}  # fmt: skip
    texts = {"consents": {"s|share": "profile_sharing"}, "consent_texts": {"profile_sharing": {"v7": "We share."}}}
    mapping = {"clinics": {"default": "north"}, "registered_on": "2024-01-01", **texts}
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1"), {**signed, **changed}])
    (report,) = take(server, mapping, path)
    assert [why[: len(reason)] for _, why in report.told] == [reason]
    assert admin.execute("select count(*) from operational.consent").fetchone() == (0,)
    take(server, mapping, _ndjson(path, [_patient("p1"), signed]))
    assert admin.execute("select state from operational.consent").fetchall() == [("signed",)]


def test_nobody_is_taken_for_another(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    urn = "11111111-1111-4111-8111-111111111111"
    for name, person in (("a", "Canary A"), ("b", "Canary B")):  # one placeholder, two people
        entries = [
            {"fullUrl": f"urn:uuid:{urn}", "resource": {**_patient(name), "name": [{"text": person}]}},
            {"resource": {**_condition(f"c{name}", f"problem {name}"), "subject": {"reference": f"urn:uuid:{urn}"}}},
            {"fullUrl": "urn:uuid:a", "resource": {"resourceType": "Patient", "name": [{"text": "Canary none"}]}},
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps({"resourceType": "Bundle", "entry": entries}))
    shared = [{"system": "s", "value": "1"}]
    others = [
        {**_patient("x"), "identifier": shared}, {**_patient("y"), "identifier": shared}, _patient("RelatedPerson/r"),
        {**_condition("c1", "elsewhere"), "subject": {"reference": "https://other.example/fhir/Patient/x"}},
        {**_condition("c2", "whose"), "subject": {"reference": "Patient?identifier=s|1"}},
    ]  # fmt: skip
    _ndjson(tmp_path / "others.ndjson", others)
    reports = take(server, {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}, tmp_path)
    told = admin.execute(
        "select s.source_id, f.chronic_conditions from operational.profile as f"
        " join operational.person_source as s using (person_id) order by 1"
    ).fetchall()
    assert told == [("a", ["problem a"]), ("b", ["problem b"]), ("x", None), ("y", None)]
    assert [report.refused for report in reports] == [1, 1, 3]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("A Rh(D) positive", "A+"), ("O-positive", "O+"), ("A - Positive", "A+"), ("AB neg", "AB-"), ("B-", "B-"),
     ("Patient is a B positive", None), ("Group A, antibody screen negative", None), ("A " * 4000, None)],
)  # fmt: skip
def test_blood_types_are_read_whole_or_not_at_all(
    server: Server, admin: psycopg.Connection, tmp_path: Path, said: str, meant: str | None
) -> None:
    found = {**_pain("bt", "p1", 0), "code": {"coding": [{"system": "http://loinc.org", "code": "882-1"}]}}
    del found["valueInteger"]
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1"), {**found, "valueString": said}])
    (report,) = take(server, {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}, path)
    assert admin.execute("select blood_type from operational.profile").fetchall() == [(meant,)]
    assert report.refused == (meant is None)


def _id(system: str, value: str) -> dict[str, str]:
    return {"system": system, "value": value}


def _patient(own: str, birth: str = "1990-02-03") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": own, "name": [{"text": f"Canary {own}"}], "birthDate": birth}


def _encounter(own: str, patient: str, start: str, place: str) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": own,
        "status": "finished",
        "class": {"code": "AMB"},
        "type": [{"text": "Check-up"}],
        "subject": {"reference": f"Patient/{patient}"},
        "period": {"start": start},
        "serviceProvider": {"reference": place},
    }


def _pain(own: str, patient: str, score: int, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": own,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "72514-3"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2024-02-05T09:10:00Z",
        "valueInteger": score,
        **more,
    }


def _condition(own: str, name: str) -> dict[str, Any]:
    status = {"clinicalStatus": {"coding": [{"code": "active"}]}}
    return {"resourceType": "Condition", "id": own, "subject": {"reference": "Patient/p1"}, "code": {"text": name},
            **status}  # fmt: skip


def _ndjson(path: Path, resources: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(resource) + "\n" for resource in resources))
    return path
