"""What an import brought in, patients carry out, and another instance imports: the same facts, and no shared id."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import access_world
import psycopg
import pytest
from exporting import Export, opened, validate

from api.identity.issuer import open_issuer
from infra.database import Server, connect_admin
from infra.encryption.keyring import FileKeyring
from infra.settings import Mode
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.run import FhirImport, FhirReport, import_fhir
from policies.fhir.types import ASSIGNED_ON, DUE_ON
from tests.integration.importing import SEALED, contacts

_PERSON = """
inner join operational.registration as r on r.clinic_id = x.clinic_id and r.patient_id = x.patient_id
inner join operational.person as p on p.person_id = r.person_id"""
FACTS = {
    "people": "select p.name, birth_date, birth_date_estimated, sex, blood_type, insurance_type,"
    " array(select unnest(allergies) order by 1),"
    " array(select unnest(chronic_conditions) order by 1) from operational.profile as f"
    " inner join operational.person as p using (person_id) where birth_date is not null",
    "guardians": "select p.name, h.name, relationship, ends_on from operational.guardianship"
    " inner join operational.person as p on p.person_id = dependent_id"
    " inner join operational.person as h on h.person_id = guardian_id",
    "consents": "select p.name, h.name, purpose, state, text_version, c.occurred_at, c.expires_at"
    " from operational.consent as c"
    " inner join operational.consent_event as e using (event_id, purpose)"
    " inner join operational.person as p on p.person_id = e.person_id"
    " inner join operational.person as h on h.person_id = e.signer_id",
    "visits": "select p.name, service, modality, specialist, status, booked_on, starts_on, starts_at, confidential"
    f" from operational.appointment as x {_PERSON}",
    "forms": "select p.name, template, status, assigned_on, due_on, completed_at, confidential"
    f" from operational.form as x {_PERSON}",
    "answers": "select p.name, template, question, number, choice, body, day, answered_at"
    f" from operational.form_answer as x {_PERSON}",
    "plans": "select p.name, title, starts_on, ends_on, prescribed_by, confidential"
    f" from operational.treatment_plan as x {_PERSON}",
    "adherence": "select p.name, title, day, prescribed, done from operational.adherence as x"
    f" inner join operational.treatment_plan as t using (clinic_id, plan_id) {_PERSON}",
}
ZONE = {"time_zone": "America/Los_Angeles", "registered_on": "2020-01-01"}
TEXTS = {"profile_sharing": {"v7": "We share."}, "communications": {"v7": "We write."}}


def take(at: Server, mapping: dict[str, Any], *files: Path, mode: Mode = Mode.DEMO) -> list[FhirReport]:
    keys = FileKeyring(at.secrets_folder / "keyring.json")
    what = FhirImport(FhirMapping.model_validate({**ZONE, **mapping}), keys, mode)
    return import_fhir(at, list(files), what, lambda *_: None)


def told_of(at: Server) -> dict[str, list[Any]]:
    with connect_admin(at) as admin:
        found = {name: sorted(admin.execute(query).fetchall(), key=repr) for name, query in FACTS.items()}  # type: ignore[call-overload]
        # Of a guardian an export tells the name alone.
        patients = (
            "select person_id, name from operational.registration inner join operational.person using (person_id)"
        )
        names, sealed = dict(admin.execute(patients).fetchall()), contacts(admin, at)
    found["contacts"] = sorted((name, sealed.get(person)) for person, name in names.items())
    return found


def account(admin: psycopg.Connection, person: UUID) -> UUID:
    """A sign-in of a person whom an import brought."""
    principal = uuid4()
    admin.execute(
        "insert into operational.principal (principal_id, kind, login, display_name, person_id)"
        " values (%s, 'human', %s, 'Somebody', %s)",
        [principal, str(principal), person],
    )
    admin.execute("insert into operational.principal_role (principal_id, role) values (%s, 'patient')", [principal])
    return principal


def exports(at: Server) -> list[Export]:
    """Everybody's of clinic north."""
    with connect_admin(at) as admin:
        people = admin.execute("select person_id from operational.registration order by person_id").fetchall()
        accounts = [account(admin, person) for (person,) in people]
    issuer = open_issuer(at)
    with access_world.client(at) as api:
        made = []
        for principal in accounts:
            headers = {"Authorization": f"Bearer {issuer.issue(principal)}"}
            answer = api.post("/v1/me/exports", headers=headers, json={"clinic": "north"})
            assert answer.status_code == 200, answer.text
            made.append(opened(answer.content))
    return made


@pytest.mark.check(53)
@pytest.mark.check(54)
def test_what_was_imported_is_carried_into_another_instance(
    module_server: Server, server: Server, data: Path, tmp_path: Path
) -> None:
    family = tmp_path / "family.ndjson"
    family.write_text("".join(json.dumps(each) + "\n" for each in FAMILY))
    mapping = {"clinics": {"default": "north"}, "consent_texts": TEXTS}
    take(module_server, {**mapping, "source": "synthea"}, data / "synthea_paired" / "fhir")
    report = take(module_server, {**mapping, "source": "family", "consents": OURS}, family, mode=Mode.PRODUCTION)
    assert report[0].refused == 0
    with connect_admin(module_server) as admin:
        admin.execute(OUTDATED)
    made = exports(module_server)
    assert len(made) == 27
    for number, each in enumerate(made):
        (tmp_path / f"{number}.json").write_bytes(each.files["bundle.json"])
    for each in made:
        validate(each.bundle)
    carried = {**mapping, "clinics": {"default": "north", "of": {"North": "north"}}, "source": "carried"}
    files = [tmp_path / f"{number}.json" for number in range(len(made))]
    reports = take(server, {**carried, "consents": CARRIED}, *files, mode=Mode.PRODUCTION)
    assert [told for each in reports for told in each.told] == []
    ours, theirs = told_of(module_server), told_of(server)
    assert all(ours[name] for name in FACTS)
    assert any(assigned < done.date() and due for *_, assigned, due, done, _ in ours["forms"] if done)
    assert any(specialist for *_, specialist, _ in ours["plans"])
    for name in ("visits", "forms", "plans"):
        assert {row[-1] for row in ours[name]} == {False, True}, name
    now = datetime.now(UTC)
    ends = [(purpose, state, end and end <= now) for _, _, purpose, state, _, _, end in ours["consents"]]
    assert sorted(ends, key=repr) == [
        ("communications", "revoked", None), ("communications", "signed", True),
        ("profile_sharing", "signed", False), ("profile_sharing", "signed", True),
    ]  # fmt: skip
    assert {field for _, told in ours["contacts"] for field in told or ()} == set(SEALED)
    assert {row[2] for row in ours["people"]} == {False, True}
    assert all(end for *_, end in ours["guardians"])
    for name in ours:
        assert theirs[name] == ours[name], name


OURS = {"http://loinc.org|59284-0": "profile_sharing", "urn:family|news": "communications"}
CARRIED = {f"urn:cloister:consent-purpose|{purpose}": purpose for purpose in ("profile_sharing", "communications")}
# A newer text that everybody has to sign from now on: who signed the one before has a signature that has ended.
OUTDATED = """
insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, created_at, required_from)
select clinic_id, purpose, 'v8', 'We write more.', sha256, statement_timestamp(), statement_timestamp()
from operational.consent_text where purpose = 'communications' and text_version = 'v7'"""
KID, GRAN = {"reference": "Patient/kid"}, {"reference": "Patient/gran"}
PARENT = {"reference": "RelatedPerson/rp1"}
RESTRICTED = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
FAMILY = [
    {"resourceType": "Patient", "id": "kid", "name": [{"text": "Canary Kid <b>"}], "birthDate": "2020-02-29",
     "telecom": [{"system": "email", "value": "canary@example.org"}], "address": [{"text": "Canary Street 1"}],
     "identifier": [{"type": {"coding": [{"code": "SN"}]}, "value": "CANARY-1"}],
     "contact": [{"relationship": [{"coding": [{"code": "C"}], "text": "aunt"}], "name": {"text": "Canary Aunt"},
                  "telecom": [{"system": "phone", "value": "+4930901821"}]},
                 {"relationship": [{"coding": [{"code": "C"}]}], "name": {"text": "Canary Owl"}}]},
    {"resourceType": "RelatedPerson", "id": "rp1", "patient": KID, "name": [{"text": "Canary Parent"}],
     "relationship": [{"coding": [{"code": "MTH", "display": "mother"}]}], "period": {"end": "2124-01-01"}},
    {"resourceType": "Consent", "id": "c1", "status": "active", "patient": KID, "dateTime": "2024-03-01T10:00:00Z",
     "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}], "policy": [{"uri": "v7"}],
     "performer": [PARENT], "provision": {"period": {"end": "2124-03-01T10:00:00Z"}}},
    {"resourceType": "Consent", "id": "c2", "status": "active", "patient": KID, "dateTime": "2024-03-02T10:00:00Z",
     "category": [{"coding": [{"system": "urn:family", "code": "news"}]}], "policy": [{"uri": "v7"}],
     "performer": [PARENT]},
    {"resourceType": "Patient", "id": "gran", "name": [{"text": "Canary Gran"}], "birthDate": "1950-02",
     "identifier": [{"type": {"coding": [{"code": "SN"}]}, "value": "CANARY-2"}],
     "contact": [{"relationship": [{"coding": [{"code": "C"}]}], "name": {"text": "Canary Neighbour, next door"}}]},
    {"resourceType": "Consent", "id": "c3", "status": "active", "patient": GRAN, "dateTime": "2024-03-01T10:00:00Z",
     "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}], "policy": [{"uri": "v7"}],
     "performer": [GRAN], "provision": {"period": {"end": "2024-05-01"}}},
    {"resourceType": "Consent", "id": "c4", "status": "inactive", "patient": GRAN, "dateTime": "2024-03-01T10:00:00Z",
     "category": [{"coding": [{"system": "urn:family", "code": "news"}]}], "policy": [{"uri": "v7"}],
     "performer": [GRAN]},
    {"resourceType": "QuestionnaireResponse", "id": "q1", "status": "completed", "authored": "2024-03-02T08:00:00Z",
     "questionnaire": "https://example.org/Questionnaire/Sleep|2", "subject": KID,
     "extension": [{"url": ASSIGNED_ON, "valueDate": "2024-02-20"}, {"url": DUE_ON, "valueDate": "2024-03-10"}],
     "item": [{"linkId": "hours", "answer": [{"valueDecimal": 7.5}]}, {"linkId": "bed", "answer": [
         {"valueDate": "2024-03-01"}]}, {"linkId": "dreams", "answer": [{"valueCoding": {"code": "yes"}}]},
         {"linkId": "story", "answer": [{"valueString": "<script>canary</script>"}]}]},
    {"resourceType": "QuestionnaireResponse", "id": "q2", "status": "in-progress", "authored": "2024-03-05",
     "questionnaire": "https://example.org/Questionnaire/Sleep|2", "subject": KID},
    {"resourceType": "CarePlan", "id": "plan", "status": "active", "title": "Stretching", "subject": KID,
     "period": {"start": "2024-03-01"}, "contributor": [{"display": "Dr. North"}]},
    {"resourceType": "ServiceRequest", "id": "sr", "status": "active", "subject": KID,
     "basedOn": [{"reference": "CarePlan/plan"}], "occurrenceDateTime": "2024-03-03"},
    {"resourceType": "Procedure", "id": "pr", "status": "completed", "subject": KID,
     "basedOn": [{"reference": "ServiceRequest/sr"}], "performedDateTime": "2024-03-04"},
    {"resourceType": "Coverage", "id": "cov", "status": "active", "beneficiary": KID, "type": {"text": "public"}},
    {"resourceType": "Observation", "id": "bt", "status": "final", "subject": KID, "valueString": "A Rh(D) positive",
     "code": {"coding": [{"system": "http://loinc.org", "code": "882-1"}]}},
    {"resourceType": "Encounter", "id": "e1", "status": "cancelled", "subject": KID, "class": {"code": "VR"},
     "type": [{"text": "talk"}], "period": {"start": "2024-03-09"}},
    {"resourceType": "Appointment", "id": "a1", "status": "noshow", "start": "2024-03-10T08:00:00+01:00",
     "created": "2024-03-01", "serviceType": [{"text": "visit"}],
     "participant": [{"actor": KID}, {"actor": {"display": "Dr. North"}}]},
]  # fmt: skip
for each in FAMILY:
    if each["id"] in ("q2", "plan", "a1"):
        each["meta"] = RESTRICTED
