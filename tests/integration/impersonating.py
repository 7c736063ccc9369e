"""How tests act as somebody: an impersonation opened by an admin over the API."""

from typing import Any
from uuid import UUID

import access_world
import httpx
from access_world import Api, World

REASON, TICKET = "patient_asked", "HELP-7"
TERMS: dict[str, Any] = {"reason": REASON, "ticket": TICKET, "minutes": 30}


def opening(api: Api, subject: str, login: str = "admin", **other: Any) -> httpx.Response:
    """What an attempt to act as `subject` is answered; `None` leaves a term out."""
    asked = {key: value for key, value in {"subject": subject, **TERMS, **other}.items() if value is not None}
    return api.post("/v1/impersonations", json=asked, headers=access_world.sign_in(api, login))


def act_as(api: Api, subject: str, login: str = "admin") -> tuple[str, dict[str, str]]:
    """The id of a fresh impersonation, and the headers of its token."""
    answer = opening(api, subject, login)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    return found["id"], {"Authorization": f"Bearer {found['access_token']}"}


def end(api: Api, impersonation: str, login: str = "admin") -> httpx.Response:
    """What an attempt to end an impersonation is answered."""
    return api.post(f"/v1/impersonations/{impersonation}/end", headers=access_world.sign_in(api, login))


def get(api: Api, path: str, headers: dict[str, str]) -> httpx.Response:
    """What a read of the API is answered."""
    return api.get(f"/v1/{path}", headers=headers)


def account(world: World, login: str) -> UUID:
    """The id of a login's principal."""
    found: UUID = world.look("select principal_id from operational.principal where login = %s", login)[0][0]
    return found
