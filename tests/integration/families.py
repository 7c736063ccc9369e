"""A family as its people make it: dependents whom they add, and codes by which somebody becomes a guardian."""

from datetime import timedelta
from typing import Any

import access_world
from access_world import Api

from tests.utc import today

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
CHILD = {"name": "Canary Chick", "birth_date": str(today() - timedelta(days=2000)), "relationship": "parent"}
PARENT = {"relationship": "parent"}


def call(api: Api, login: str, method: str, path: str, body: Any = None) -> Any:
    return api.request(method, f"/v1/{path}", headers=access_world.sign_in(api, login), json=body)


def add(api: Api, login: str, **other: Any) -> Any:
    return call(api, login, "POST", "me/dependents", {**CHILD, **other})


def dependents(api: Api, login: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(api, login, "GET", "me/dependents").json()["dependents"]
    return found


def invitation(api: Api, login: str, whose: str = "me") -> str:
    answer = call(api, login, "POST", f"{whose}/invitations")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def join(api: Api, login: str, code: str) -> Any:
    return call(api, login, "POST", "me/guardianships", {"code": code, **PARENT})
