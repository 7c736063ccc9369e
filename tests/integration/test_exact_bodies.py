"""Numbers and truth values in bodies are what JSON has for them, and a fault of one says where."""

from typing import Any

import access_world
import pytest
from access_world import Api

QUESTION = {"id": "q", "type": "text", "text": "Q"}
# Bodies of several areas with a number or a truth value that is only like one, and its place.
ALMOST = [
    ("manager.north", "POST", "templates/knees/versions",
     {"title": "Knees", "due_days": "14", "questions": [QUESTION]}, "body.due_days", "int"),
    ("manager.north", "POST", "templates/knees/versions",
     {"title": "Knees", "questions": [{**QUESTION, "required": "yes"}]},
     "body.questions.0.text.required", "bool"),
    ("manager.north", "PUT", "settings/bookings", {"days_ahead": 90.0}, "body.days_ahead", "int"),
    ("manager.north", "PUT", "settings/services/visit", {"name": "V", "open": 1}, "body.open", "bool"),
    ("manager.north", "POST", "segments/preview", {"rule": "age > 40", "limit": True}, "body.limit", "int"),
    ("manager.north", "POST", "segments/empty/revive", {"fires": "true"}, "body.fires", "bool"),
    ("admin", "POST", "api-keys", {"login": "a.north", "fields": [], "days": "30"}, "body.days", "int"),
    ("admin", "PUT", "settings/retention", {"consent_grace_days": "60"}, "body.consent_grace_days", "int"),
]  # fmt: skip


@pytest.mark.check(41)
@pytest.mark.parametrize(("login", "method", "path", "body", "place", "kind"), ALMOST)
def test_what_is_only_like_a_number_or_a_truth_is_a_422_that_names_it(
    api: Api, login: str, method: str, path: str, body: Any, place: str, kind: str
) -> None:
    answer = api.request(method, f"/v1/clinics/north/{path}", json=body, headers=access_world.sign_in(api, login))
    assert answer.status_code == 422
    first = answer.json()["errors"][0]
    assert (first["place"], first["rule"]) == (place, f"{kind}_type")
