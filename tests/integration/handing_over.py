"""Hand-overs as tests make them."""

from typing import Any

import access_world
import httpx
from access_world import Api

ZIP = {"content-type": "application/zip"}
DESK = "/v1/clinics/south/patients/{}/handovers"


def send(api: Api, login: str | dict[str, str], path: str, archive: bytes, **query: str) -> httpx.Response:
    headers = access_world.sign_in(api, login) if isinstance(login, str) else login
    return api.post(path, headers={**headers, **ZIP}, content=archive, params=query)


def shown(api: Api, login: str, archive: bytes, clinic: str = "south", whose: str = "/v1/me") -> dict[str, Any]:
    answer = send(api, login, f"{whose}/handovers/preview", archive, clinic=clinic)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bring(api: Api, login: str, archive: bytes, clinic: str = "south", whose: str = "/v1/me") -> httpx.Response:
    digest = shown(api, login, archive, clinic, whose)["digest"]
    return send(api, login, f"{whose}/handovers", archive, clinic=clinic, digest=digest)
