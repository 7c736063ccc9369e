"""Which clinic a FHIR resource is of, and whom a conditional reference means."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from test_fhir_import import _condition, _encounter, _id, _ndjson, _pain, _patient, take

from infra.database import Server
from tests.integration.importing import quarantined

Body = dict[str, Any]
SYNTHEA = "https://github.com/synthetichealth/synthea"
VISITS = """
select c.slug, s.source_id, count(*) from operational.appointment as x
inner join operational.clinic as c using (clinic_id)
inner join operational.registration as r using (clinic_id, patient_id)
inner join operational.person_source as s using (person_id)
where s.source = 'fhir' group by 1, 2 order by 1, 2"""


def resources(path: Path) -> list[Body]:
    with gzip.open(path) as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.check(43)
def test_conditional_references_lead_to_two_clinics_and_to_people(
    server: Server, admin: psycopg.Connection, data: Path, tmp_path: Path
) -> None:
    bulk = data / "fhir_bulk_10"
    at = Counter[tuple[str, str]]()
    for each in resources(bulk / "Encounter.000.ndjson.gz"):
        place = each["serviceProvider"]["reference"].removeprefix("Organization?identifier=")
        at[place, each["subject"]["reference"].removeprefix("Patient/")] += 1
    busy = Counter(place for place, _ in at.elements()).most_common(2)
    clinics = {busy[0][0]: "north", busy[1][0]: "south"}
    met = {patient for place, patient in at if place in clinics}
    known = min(met)

    said = [
        {**_condition("known", "canary"), "subject": {"reference": f"Patient?identifier={SYNTHEA}|{known}"}},
        {**_condition("nobody", "canary"), "subject": {"reference": f"Patient?identifier={SYNTHEA}|nobody"}},
    ]
    extra = _ndjson(tmp_path / "extra.ndjson", said)
    files = [bulk / f"{kind}.000.ndjson.gz" for kind in ("Organization", "Location", "Patient", "Encounter")]
    reports = {each.file: each for each in take(server, {"clinics": {"of": clinics}}, *files, extra)}

    expected = [(clinics[place], patient, count) for (place, patient), count in at.items() if place in clinics]
    assert admin.execute(VISITS).fetchall() == sorted(expected)
    refused = sum(count for (place, _), count in at.items() if place not in clinics)
    assert reports["Encounter.000.ndjson.gz"].refused == refused > 0
    assert reports["Patient.000.ndjson.gz"].refused == 13 - len(met) > 0

    fact = "select source_id from operational.profile_fact inner join operational.person_source using (person_id)"
    assert admin.execute(fact).fetchall() == [(known,)]
    assert reports["extra.ndjson"].told == [(2, "subject: names no patient")]
    kept = quarantined(admin, server)
    assert [each for each in kept if each[0] == "extra.ndjson"] == [
        ("extra.ndjson", 2, "subject: names no patient", json.dumps(said[1]).encode())
    ]
    assert {(file.partition(".")[0], why) for file, _, why, _ in kept if file != "extra.ndjson"} == {
        ("Encounter", "place: is no clinic of the mapping"), ("Patient", "clinic: is named nowhere"),
    }  # fmt: skip


PLACES: list[Body] = [
    {"resourceType": "Organization", "id": "west", "name": "West", "identifier": [_id("s", "w")]},
    {"resourceType": "Location", "id": "ward", "name": "Ward"},
    {"resourceType": "Location", "id": "room", "managingOrganization": {"reference": "Organization/west"}},
    {"resourceType": "Location", "id": "hall", "managingOrganization": {"identifier": _id("s", "w")}},
    {"resourceType": "Location", "id": "bed", "partOf": {"reference": "Location/ward"}},
    {"resourceType": "Location", "id": "shed"},
]
OF = {"Location/ward": "north", "West": "south"}


def at_location(own: str, place: str) -> Body:
    visit = _encounter(own, "p1", "2024-01-05T09:00:00Z", "")
    del visit["serviceProvider"]
    return {**visit, "location": [{"location": {"reference": place}}]}


@pytest.mark.check(43)
@pytest.mark.parametrize("default", [None, "north"])
def test_a_location_is_a_clinic_by_itself_or_by_whose_it_is_and_another_is_refused_or_the_defaults(
    server: Server, admin: psycopg.Connection, tmp_path: Path, default: str | None
) -> None:
    places = {"bed": "north", "hall": "south", "room": "south", "ward": "north"}
    visits = [at_location(name, f"Location/{name}") for name in places]
    unknown = [at_location("shed", "Location/shed"), at_location("absent", "Location?identifier=s|absent")]
    scored = _pain("s1", "p1", 3, encounter={"reference": "Encounter/shed"})
    path = _ndjson(tmp_path / "all.ndjson", [*PLACES, _patient("p1"), *visits, *unknown, scored])
    (report,) = take(server, {"clinics": {"of": OF, "default": default}}, path)
    query = (
        "select split_part(a.source_id, '/', 2), c.slug from operational.appointment as a"
        " inner join operational.clinic as c using (clinic_id)"
    )
    found = dict(admin.execute(query).fetchall())
    assert found == (places | dict.fromkeys(("shed", "absent"), default) if default else places)
    lines = len(PLACES) + 1 + len(visits)
    reasons = ["place: is no clinic of the mapping"] * 2 + ["encounter: is unknown, or at no clinic of the mapping"]
    assert report.told == ([] if default else list(enumerate(reasons, lines + 1)))
