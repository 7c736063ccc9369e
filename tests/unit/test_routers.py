"""The API's routes are looked through for requests of the API alone, and once for each."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from api.routers import AllUnder

SEEN: list[str] = []


class Noting(APIRoute):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        SEEN.append(scope["path"])
        return super().matches(scope)


def served() -> FastAPI:
    app, router = FastAPI(openapi_url="/v1/openapi.json"), APIRouter(route_class=Noting)

    async def told() -> str:
        return "told"

    router.add_api_route("/clinics", told)
    app.include_router(AllUnder("/v1/", [router]), prefix="/v1")
    for path in ("/me", "/v1x/clinics"):
        app.add_api_route(path, told)
    return app


def ask(method: str, path: str) -> Any:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=served())
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path)

    SEEN.clear()
    return asyncio.run(asked()).status_code, len(SEEN)


@pytest.mark.parametrize(("path", "status"), [("/me", 200), ("/v1x/clinics", 200), ("/none", 404)])
def test_a_page_never_reaches_the_routes_of_the_api(path: str, status: int) -> None:
    assert ask("GET", path) == (status, 0)


@pytest.mark.parametrize("path", ["/me", "/v1x/clinics", "/v1/openapi.json"])
def test_another_verb_of_what_is_beside_the_api_is_not_allowed(path: str) -> None:
    assert ask("DELETE", path) == (405, 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/clinics", 200), ("GET", "/v1/none", 404), ("DELETE", "/v1/clinics", 405)],
)
def test_a_request_is_compared_with_a_route_of_the_api_once(method: str, path: str, status: int) -> None:
    assert ask(method, path) == (status, 1)
