"""The API's document is true: whatever is asked, in whatever role, is answered as it says, and never with a 500.

Cases come from the document itself, so a new route is under it at once. The seed is fixed and the examples
are few: a run is the same everywhere.
"""

from collections.abc import Iterator

import access_world
import httpx
import pytest
import schemathesis
from access_world import FINCH, Api, World
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from things import Things

from api import problems

# A ZIP file is bytes like any other.
schemathesis.serializer.alias("application/zip", "application/octet-stream")
EXAMPLES = 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Who asks, by the name of a sign-in or a key.
CALLERS = ("staff.north", "manager.north", "specialist.north", "admin", "auditor", "finch", "key:north")


@pytest.fixture(scope="module")
def callers(world: World, api: Api) -> dict[str, dict[str, str]]:
    """The headers of each caller."""
    keys = {f"key:{name}": {"Authorization": f"Bearer {key}"} for name, key in world.keys.items()}
    return {c: keys[c] if c in keys else access_world.sign_in(api, c) for c in CALLERS}


@pytest.fixture(scope="module")
def document(api: Api) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(api.get("/v1/openapi.json").json())


def operations(document: schemathesis.BaseSchema) -> Iterator[schemathesis.APIOperation]:
    for found in document.get_all_operations():
        yield found.ok()


def known(world: World) -> dict[str, str]:
    """Path parameters with something behind them, so that a case gets past the first door."""
    return {
        "clinic": "north",
        "segment": "everybody",
        "patient": str(world.patients["north", FINCH]),
        "dependent": str(world.guardianship),
        "impersonation": str(Things(world, "")["impersonation"]),
        "appointment": str(world.appointments["north"]),
        "case": str(world.cases["north"]),
        "campaign": str(world.campaigns["north"]),
        "template": "pain",
        "kind": "registration",
        "guardianship": str(world.guardianship),
        "account": str(world.account),
        "key": world.keys["north.bookings"].split("_")[1],
        "offered": "visit",
        **{kind: str(world.items["north", kind]) for kind in ("form", "plan", "exercise", "handover")},
    }


def ask(api: Api, case: schemathesis.Case, headers: dict[str, str]) -> httpx.Response:
    api.cookies.clear()
    case.headers = {**(case.headers or {}), **headers}
    answer = case.call(base_url=str(api.base_url))
    case.validate_response(answer, checks=CHECKS)
    return answer


@pytest.mark.parametrize("caller", CALLERS)
def test_whatever_is_asked_is_answered_as_the_document_says(
    world: World, api: Api, document: schemathesis.BaseSchema, callers: dict[str, dict[str, str]], caller: str
) -> None:
    there, asked = known(world), 0
    for operation in operations(document):

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def each(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            # Half of the cases name what is there, the others what nobody has.
            if asked % 2:
                case.path_parameters = {name: there.get(name, value) for name, value in case.path_parameters.items()}
            ask(api, case, callers[caller])

        each()
    assert asked >= EXAMPLES * 10


def test_every_operation_documents_its_problems_in_their_one_shape(api: Api) -> None:
    document = api.get("/v1/openapi.json").json()
    assert len(document["paths"]) >= 14 and "Problem" in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status in problems.RESPONSES:
                content = operation["responses"][str(status)]["content"]
                assert content == {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}, (
                    method,
                    path,
                    status,
                )
