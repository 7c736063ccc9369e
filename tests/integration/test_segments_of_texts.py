"""A rule about how a text answer begins means the same patients as it is tried, as it is saved, and one by one."""

from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from access_world import Api, World

from tests.integration.live_twins import evaluate

NORTH = "/v1/clinics/north/segments"
TEXTS = [
    "Dor de cabeça", "dor", "Dor", "Do", "", "100%", "100 %", "1005", "a_b", "acb", "back\\slash", "Élan", "E\u0301lan",
    "Dor\nnas costas", "'; drop table", "[Dor",
]  # fmt: skip


@pytest.fixture(scope="module")
def answered(world: World) -> dict[UUID, str]:
    """Patients of north by what each last answered in words, having answered `Dor` before; one never did."""
    found: dict[UUID, str] = {}
    world.change("update clinic_north.segment_clock set run = 9")  # after those that made the world's members
    for text in [*TEXTS, None]:
        patient = uuid4()
        world.change(
            "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
            " values (%s, 1, 'Canary', '2020-01-01', false)",
            patient,
        )
        for day, body in (("2026-01-01", "Dor"), ("2026-02-01", text)) if text is not None else ():
            world.change(
                "insert into clinic_north.raw_answers (patient_id, answer_id, version, form_id, template, question,"
                " body, answered_at, answered_on) values (%s, %s, 1, %s, 'pain', 'where', %s, %s, %s)",
                patient, uuid4(), uuid4(), body, day, day,
            )  # fmt: skip
        if text is not None:
            found[patient] = text
    return found


@pytest.mark.check(45)
@pytest.mark.parametrize("start", ["Dor", "100%", "a_", "back\\", "É", "E\u0301", "'", "[", "Dor\n", "nobody's"])
def test_tried_saved_and_explained_it_means_the_same(
    world: World, api: Api, manager: dict[str, str], answered: dict[UUID, str], start: str
) -> None:
    rule = {"measure": "answers.latest_text", "form": "pain", "question": "where", "op": "starts_with", "value": start}
    meant = {patient for patient, text in answered.items() if text.startswith(start)}

    def post(path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = api.post(f"{NORTH}{path}", headers=manager, json=body)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    tried = post("/preview", rule=rule, limit=100)
    assert (tried["members"], tried["patients"] - tried["undecided"]) == (len(meant), len(answered))
    assert {UUID(patient["patient_id"]) for patient in tried["sample"]} == meant
    slug = f"begins-{uuid4()}"
    saved = post("", 201, slug=slug, name="Begins", rule=rule)
    text = api.get(f"{NORTH}/{slug}", headers=manager).json()["text"]
    assert post("/preview", rule=text, limit=100) == tried and saved["version"] == 1
    assert post(f"/{slug}/diff", rule=f"not ({text})")["after"] == len(answered) - len(meant)
    evaluate(world.server, "north", date(2026, 3, 4))
    members = api.get(f"{NORTH}/{slug}/members", headers=manager, params={"limit": 100}).json()["members"]
    assert {UUID(member["patient_id"]) for member in members} == meant
    for patient in answered:
        explained = api.get(f"{NORTH}/{slug}/patients/{patient}/explanation", headers=manager)
        found = explained.json()
        assert (found["member"] is not None, found["holds"]) == (patient in meant,) * 2
