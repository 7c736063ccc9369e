"""What the builder offers of a clinic's own words: nothing that an answer to a rule says the clinic does not have."""

import json
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import FINCH, WREN, Api, World

from infra.database import connect_admin
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset

NORTH = "/v1/clinics/north/segments"
DELETED = "deleted_at = now(), deleted_by = gen_random_uuid(), delete_reason = 'mistake'"


@pytest.fixture(scope="module")
def ingested(world: World) -> World:
    """North asks in two versions, has imported answers of no form, and had a patient with a service of their own."""
    clinic, finch, wren = (
        {"clinic_id": world.clinic_ids["north"]}, world.patients["north", FINCH], world.patients["north", WREN],
    )  # fmt: skip
    form, asked = uuid4(), {"template": "back", "title": "Back"}
    answer = {"patient_id": finch, "form_id": form, "answered_at": "2026-02-03", "number": 4}
    visit = {"modality": "video", "status": "fulfilled", "booked_on": "2026-02-01", "starts_on": "2026-02-01"}
    with connect_admin(world.server) as admin:
        for table, row in (
            ("form_template", {**asked, "template_version": 1, "questions": json.dumps([{"id": "sleep"}])}),
            ("form_template", {**asked, "template_version": 2, "questions": json.dumps([{"id": "score"}])}),
            ("form", {"patient_id": finch, "form_id": form, "template": "imported", "status": "pending",
                      "assigned_on": "2026-02-01"}),
            ("form_answer", {**answer, "template": "answered", "question": "hours"}),
            ("form_answer", {**answer, "template": "back", "question": "sleep"}),
            ("appointment", {**visit, "patient_id": finch, "service": "hydro"}),
            ("appointment", {**visit, "patient_id": wren, "service": "cryo"}),
        ):  # fmt: skip
            access_world.insert(admin, table, clinic | row)
    world.change(f"update operational.registration set {DELETED} where patient_id = %s", wren)
    for slug in ("north", "south"):
        for asset in Asset:
            ingest(world.server, slug, asset, uuid4())
    return world


def rules(words: dict[str, Any]) -> list[str]:
    """A rule for each service, form and question that is offered."""
    found = [f'appointments.count(service="{service}") > 0' for service in words["services"]]
    for each in words["templates"]:
        form = f'form="{each["template"]}"'
        found += [f"forms.completed({form}) > 0"]
        found += [f'answers.count({form}, question="{asked["id"]}") > 0' for asked in each["questions"]]
    return found


@pytest.mark.parametrize("clinic", ["north", "south"])
def test_nothing_is_offered_that_is_then_said_not_to_be_there(ingested: World, api: Api, clinic: str) -> None:
    at, headers = f"/v1/clinics/{clinic}/segments", access_world.sign_in(api, f"manager.{clinic}")
    offered = api.get(f"{at}/vocabulary", headers=headers).json()
    assert offered["services"] and offered["templates"]
    for rule in rules(offered):
        answer = api.post(f"{at}/preview", headers=headers, json={"rule": rule})
        assert (answer.status_code, answer.json()["warnings"]) == (200, []), rule


def test_offered_is_what_is_asked_now_and_what_the_mart_has(
    ingested: World, api: Api, manager: dict[str, str]
) -> None:  # fmt: skip
    offered = api.get(f"{NORTH}/vocabulary", headers=manager).json()
    asked = {each["template"]: [question["id"] for question in each["questions"]] for each in offered["templates"]}
    assert asked.items() >= {"answered": ["hours"], "back": ["score", "sleep"], "i": ["q"], "imported": []}.items()
    assert "hydro" in offered["services"] and "cryo" not in offered["services"]
    assert offered["modalities"] == ["in_person", "video"]
    south = api.get("/v1/clinics/south/segments/vocabulary", headers=access_world.sign_in(api, "manager.south")).json()
    assert {"answered", "back", "imported"}.isdisjoint(each["template"] for each in south["templates"])
    assert "visit" in south["services"] and "hydro" not in south["services"]
