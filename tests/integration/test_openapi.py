"""The API's document is true: whatever is asked, in whatever role, is answered as it says, and never with a 500.
What it does not allow is refused.

Cases come from the document itself, so a new route is under it at once. Seeds are fixed, one a caller, and the examples
are few: a run is the same everywhere.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress

import access_world
import pytest
import schemathesis
from access_world import FINCH, Api, World
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from things import Things

from api import problems

# The pool of the service, which answers in another thread, takes chances of its own while a case is made.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisWarning")
# A ZIP file is bytes like any other.
schemathesis.serializer.alias("application/zip", "application/octet-stream")
EXAMPLES = 4
BAD_EXAMPLES = 2
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Who asks, by the name of a sign-in or a key.
NOBODY = "nobody"
CALLERS = ("staff.north", "manager.north", "specialist.north", "admin", "auditor", "auditor.north", "finch",
           "key:north", "key:north.bookings", NOBODY)  # fmt: skip
# Of whom each may do what no other may: others are refused whatever they say.
DOERS = ("staff.north", "manager.north", "specialist.north", "admin", "finch", "key:north.bookings", NOBODY)


@pytest.fixture(scope="module")
def callers(world: World, api: Api) -> dict[str, dict[str, str]]:
    """The headers of each caller."""
    shown = {f"key:{name}": {"Authorization": f"Bearer {key}"} for name, key in world.keys.items()} | {NOBODY: {}}
    return {c: shown[c] if c in shown else access_world.sign_in(api, c) for c in CALLERS}


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


def ask(api: Api, case: schemathesis.Case, headers: dict[str, str], checks: list[CheckFunction]) -> None:
    api.cookies.clear()
    case.headers = {**(case.headers or {}), **headers}
    case.validate_response(case.call(base_url=str(api.base_url)), checks=checks)


def every_case(
    document: schemathesis.BaseSchema,
    there: dict[str, str],
    mode: GenerationMode,
    examples: int,
    caller: str,
    send: Callable[[schemathesis.Case], None],
) -> int:
    """Send so many cases of each operation, of each caller's own; how many that made.

    Half of them name what is there, the others what nobody has.
    """
    asked = 0
    for operation in operations(document):

        @seed(CALLERS.index(caller))
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def each(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            if asked % 2:
                case.path_parameters = {name: there.get(name, value) for name, value in case.path_parameters.items()}
            send(case)

        # Where nothing can be wrong there is no bad case.
        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
            each()
    return asked


@pytest.mark.parametrize("caller", CALLERS)
def test_whatever_is_asked_is_answered_as_the_document_says(
    world: World, api: Api, document: schemathesis.BaseSchema, callers: dict[str, dict[str, str]], caller: str
) -> None:
    def send(case: schemathesis.Case) -> None:
        ask(api, case, callers[caller], CHECKS)

    assert every_case(document, known(world), GenerationMode.POSITIVE, EXAMPLES, caller, send) >= EXAMPLES * 10


@pytest.mark.check(41)
@pytest.mark.parametrize("caller", DOERS)
def test_what_the_document_does_not_allow_is_refused_as_it_says(
    world: World, api: Api, document: schemathesis.BaseSchema, callers: dict[str, dict[str, str]], caller: str
) -> None:
    def send(case: schemathesis.Case) -> None:
        ask(api, case, callers[caller], [*CHECKS, negative_data_rejection])

    assert every_case(document, known(world), GenerationMode.NEGATIVE, BAD_EXAMPLES, caller, send) >= BAD_EXAMPLES * 10


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
