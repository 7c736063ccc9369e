"""What the query of a request may hold: what its route reads, each once, and text that is one."""

import re

import pytest
from access_world import Api
from test_hardening import NUL, callers, is_problem

__all__ = ["callers"]


def queries(api: Api) -> list[tuple[str, str, str]]:
    """Every parameter of a query that the document names: the method, a path, and its name."""
    found = [
        (method, path.replace("{clinic}", "north").replace("{segment}", "everybody"), parameter["name"])
        for path, operations in api.get("/v1/openapi.json").json()["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    ]
    assert len(found) > 8
    return found


@pytest.mark.check(41)
def test_a_nul_is_refused_in_every_parameter_of_every_route(api: Api, callers: list[dict[str, str]]) -> None:
    for method, path, name in queries(api):
        answer = api.request(method, f"{path}?{name}=a{NUL}b", headers=callers[1])
        assert is_problem(answer, 422) and answer.json()["errors"][0]["place"] == f"query.{name}", path


@pytest.mark.check(41)
def test_a_parameter_that_is_named_twice_is_refused_on_every_route(api: Api, callers: list[dict[str, str]]) -> None:
    for method, path, name in queries(api):
        answer = api.request(method, f"{path}?{name}=1&{name}=2", headers=callers[1])
        assert is_problem(answer, 422), path
        assert answer.json()["errors"] == [{"place": f"query.{name}", "rule": "repeated"}], path


@pytest.mark.check(41)
def test_a_parameter_that_a_route_does_not_have_is_refused_on_every_route(
    api: Api, callers: list[dict[str, str]]
) -> None:
    for method, path, name in queries(api):
        answer = api.request(method, f"{path}?{name}z=1", headers=callers[1])
        assert is_problem(answer, 422), path
        (told,) = answer.json()["errors"]
        assert (told["place"], told["rule"]) == ("query", "unknown_parameter"), path
        assert name in told["detail"].removeprefix("Known: ").split(", ")
    paths = api.get("/v1/openapi.json").json()["paths"]
    for method, path in ((method, path) for path, told in paths.items() for method in told if path.startswith("/v1/")):
        answer = api.request(method, f"{re.sub('{[a-z_]+}', 'x', path)}?unheard=1", headers=callers[1])
        assert is_problem(answer, 422) and answer.json()["errors"][0]["place"] == "query", (method, path)
    for path in ("/v1/openapi.json", "/healthz", "/sign-in"):
        assert api.get(f"{path}?unheard=1").status_code == 200
