"""The API's routes are looked through for requests of the API alone."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.app import OnlyUnderV1

SEEN: list[str] = []


class Noting(APIRoute):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        SEEN.append(scope["path"])
        return super().matches(scope)


def served() -> FastAPI:
    app, v1 = FastAPI(), OnlyUnderV1(route_class=Noting)

    async def told() -> str:
        return "told"

    v1.add_api_route("/clinics", told)
    app.include_router(v1, prefix="/v1")
    for path in ("/me", "/v1x/clinics"):
        app.add_api_route(path, told)
    return app


def ask(path: str) -> Any:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=served())
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path)

    SEEN.clear()
    return asyncio.run(asked()).status_code, bool(SEEN)


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/me", (200, False)), ("/v1x/clinics", (200, False)), ("/none", (404, False)), ("/v1/clinics", (200, True))],
)
def test_a_page_never_reaches_the_routes_of_the_api(path: str, answer: tuple[int, bool]) -> None:
    assert ask(path) == answer
