"""Which clinic a place is, however it is named: by a whole address, by what it is part of, in whatever order."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from test_fhir_clinics import VISITS, at_location
from test_fhir_import import _encounter, _ndjson, _pain, _patient, take

from infra.database import Server

Body = dict[str, Any]
BASE = "https://ehr.example/fhir/"


@pytest.mark.check(43)
@pytest.mark.parametrize("base", [BASE, BASE.removesuffix("/")])
def test_a_place_named_by_the_sources_own_address_is_the_same_place(
    server: Server, admin: psycopg.Connection, tmp_path: Path, base: str
) -> None:
    resources: list[Body] = [
        {"resourceType": "Location", "id": "room", "managingOrganization": {"reference": f"{BASE}Organization/west"}},
        _patient("p1"), {**_patient("p2"), "managingOrganization": {"reference": f"{BASE}Organization/west"}},
        _encounter("e1", "p1", "2024-01-05T09:00:00Z", f"{BASE}Organization/west"),
        at_location("e2", f"{BASE}Location/room"),
        _encounter("e3", "p1", "2024-01-05T09:00:00Z", "https://other.example/fhir/Organization/west"),
        _pain("s2", "p2", 3),
    ]  # fmt: skip
    mapping = {"base": base, "clinics": {"default": "north", "of": {"Organization/west": "south"}}}
    take(server, mapping, _ndjson(tmp_path / "all.ndjson", resources))
    assert admin.execute(VISITS).fetchall() == [("north", "p1", 1), ("south", "p1", 2)]
    of_p2 = "select c.slug from operational.form_answer as a inner join operational.clinic as c using (clinic_id)"
    assert admin.execute(of_p2).fetchall() == [("south",)]


@pytest.mark.check(43)
def test_a_location_whose_organization_is_no_clinic_is_the_clinic_that_it_is_part_of(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    places: list[Body] = [
        {"resourceType": "Organization", "id": "group"},
        {"resourceType": "Location", "id": "house", "name": "South house"},
        {"resourceType": "Location", "id": "room", "managingOrganization": {"reference": "Organization/group"},
         "partOf": {"reference": "Location/house"}},
    ]  # fmt: skip
    path = _ndjson(tmp_path / "all.ndjson", [*places, _patient("p1"), at_location("e1", "Location/room")])
    take(server, {"clinics": {"default": "north", "of": {"Location/house": "south"}}}, path)
    assert admin.execute(VISITS).fetchall() == [("south", "p1", 1)]


@pytest.mark.check(42)
@pytest.mark.parametrize("backwards", [False, True])
def test_a_patient_is_of_the_clinics_that_they_visited_wherever_the_visits_stand_in_a_bundle(
    server: Server, admin: psycopg.Connection, tmp_path: Path, backwards: bool
) -> None:
    who, where = "urn:uuid:11111111-1111-4111-8111-111111111111", "urn:uuid:22222222-2222-4222-8222-222222222222"
    visit = {**_encounter("e1", "p1", "2024-01-05T09:00:00Z", where), "subject": {"reference": who}}
    entries: list[Body] = [
        {"fullUrl": where, "resource": {"resourceType": "Organization", "id": "west"}},
        {"fullUrl": who, "resource": _patient("p1")},
        {"resource": visit},
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries[::-1] if backwards else entries}
    path = tmp_path / "all.json"
    path.write_text(json.dumps(bundle))
    (report,) = take(server, {"clinics": {"default": "north", "of": {"Organization/west": "south"}}}, path)
    assert report.refused == 0
    assert admin.execute(VISITS).fetchall() == [("south", "p1", 1)]


@pytest.mark.check(43)
@pytest.mark.parametrize("default", [None, "north"])
def test_a_visit_that_names_no_place_is_of_the_patients_own_clinic_with_what_belongs_to_it(
    server: Server, admin: psycopg.Connection, tmp_path: Path, default: str | None
) -> None:
    nowhere = _encounter("e1", "p1", "2024-01-05T09:00:00Z", "")
    del nowhere["serviceProvider"]
    elsewhere = _encounter("e2", "p1", "2024-01-06T09:00:00Z", "Organization/elsewhere")
    scores = [_pain(f"s{own}", "p1", 3, encounter={"reference": f"Encounter/{own}"}) for own in ("e1", "e2")]
    person = {**_patient("p1"), "managingOrganization": {"reference": "Organization/west"}}
    path = _ndjson(tmp_path / "all.ndjson", [person, nowhere, elsewhere, *scores])
    (report,) = take(server, {"clinics": {"default": default, "of": {"Organization/west": "south"}}}, path)
    told = (
        "select c.slug, x.source_id from operational.{} as x inner join operational.clinic as c using (clinic_id)"
        " order by x.source_id"
    )
    expected = [("south", "e1"), *([(default, "e2")] if default else [])]
    for table, kind in (("appointment", "Encounter/{}"), ("form", "Observation/s{}")):
        assert admin.execute(told.format(table)).fetchall() == [(slug, kind.format(own)) for slug, own in expected]
    reasons = ["place: is no clinic of the mapping", "encounter: is unknown, or at no clinic of the mapping"]
    assert [why for _, why in report.told] == ([] if default else reasons)


@pytest.mark.check(42)
def test_a_placeholder_means_the_place_of_its_own_bundle_and_of_no_other(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    where = "urn:uuid:22222222-2222-4222-8222-222222222222"
    for own, place in (("a", "west"), ("b", "east")):  # one placeholder, two places
        entries: list[Body] = [
            {"fullUrl": where, "resource": {"resourceType": "Organization", "id": place}},
            {"resource": _patient(own)},
            {"resource": _encounter(f"e{own}", own, "2024-01-05T09:00:00Z", where)},
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        (tmp_path / f"{own}.json").write_text(json.dumps(bundle))
    scores = [_pain(f"s{own}", own, 3, encounter={"reference": f"Encounter/e{own}"}) for own in ("a", "b")]
    _ndjson(tmp_path / "scores.ndjson", scores)
    of = {"Organization/west": "south", "Organization/east": "north"}
    reports = take(server, {"clinics": {"of": of}}, tmp_path)
    assert [report.told for report in reports] == [[], [], []]
    assert admin.execute(VISITS).fetchall() == [("north", "b", 1), ("south", "a", 1)]
    told = "select c.slug, x.source_id from operational.form as x inner join operational.clinic as c using (clinic_id)"
    assert sorted(admin.execute(told).fetchall()) == [("north", "Observation/sb"), ("south", "Observation/sa")]
