"""The access policies mean what their cases say, and are refused when they are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

import policies.access
from policies.access.decide import CLINIC_ROLE_ATTRIBUTES, InvalidPolicies, Policies, load
from policies.access.model import KeyScope, Request, Resource, Subject, roles
from policies.words import CLINIC_ROLES, PLATFORM_ROLES, Action, Decision, Purpose, Role

FOLDER = Path(policies.access.__file__).parent
CASES = sorted((FOLDER / "cases").glob("*/*.json"))
SCHEMA = (FOLDER / "schema.cedarschema").read_text()
DELEGATED = {Role.PATIENT, Role.GUARDIAN, Role.AUTOMATION_SYSTEM}


def request_of(case: dict[str, Any]) -> Request:
    scope = case["who"].get("key")
    key = scope and KeyScope(
        scope["clinic"],
        frozenset(scope["fields"]),
        Purpose(scope["purpose"]),
        frozenset(scope["segments"]) if "segments" in scope else None,
    )
    return Request(
        Subject("someone", roles(tuple(pair) for pair in case["who"].get("roles", [])), key),
        Action(case["action"]),
        Resource(**case["resource"]),
        Purpose(case["purpose"]),
        frozenset(case["fields"]),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_case_is_decided_as_it_says(path: Path) -> None:
    case = json.loads(path.read_text())
    ruling = load().decide(request_of(case))
    assert ruling.decision is (Decision.PERMIT if path.parent.name == "ALLOW" else Decision.DENY)
    assert list(ruling.policies) == case["policies"]


def test_every_policy_decides_a_case() -> None:
    texts = "".join(path.read_text() for path in FOLDER.glob("*.cedar"))
    declared = {line.split('"')[1] for line in texts.splitlines() if line.startswith("@id(")}
    decided = {name for path in CASES for name in json.loads(path.read_text())["policies"]}
    assert decided == declared


def test_every_action_has_a_permitted_and_a_denied_case() -> None:
    seen = {(path.parent.name, json.loads(path.read_text())["action"]) for path in CASES}
    assert {action for kind, action in seen if kind == "ALLOW"} == set(Action)
    assert {action for kind, action in seen if kind == "DENY"} == set(Action) - {Action.CLINIC_LIST}


def test_every_role_is_a_clinics_the_platforms_or_delegated() -> None:
    assert set(CLINIC_ROLE_ATTRIBUTES) == set(CLINIC_ROLES)
    assert set(Role) == CLINIC_ROLES | PLATFORM_ROLES | DELEGATED


@pytest.mark.parametrize(
    "text",
    [
        "permit (principal, action, resource",
        "permit (principal, action, resource);",
        '@id("x") permit (principal is Cloister::Nobody, action, resource);',
        '@id("x") permit (principal is Cloister::User, action, resource) when { principal.owns };',
    ],
    ids=["no syntax", "no id", "unknown type", "unknown attribute"],
)
def test_wrong_policies_are_refused(text: str) -> None:
    with pytest.raises(InvalidPolicies):
        Policies(text, SCHEMA)


def test_adding_a_forbid_never_widens_access() -> None:
    texts = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.cedar")))
    narrower = Policies(texts + '\n@id("later") forbid (principal is Cloister::User, action, resource);', SCHEMA)
    for path in CASES:
        request = request_of(json.loads(path.read_text()))
        assert narrower.decide(request).permitted <= load().decide(request).permitted


def mutants(text: str) -> list[str]:
    """Mutants: the policies without one policy, or with one condition's line turned to true."""
    blocks = text.split("\n@id(")
    without = ["\n@id(".join(blocks[:i] + blocks[i + 1 :]) for i in range(1, len(blocks))]
    lines = text.splitlines()
    loosened = [
        "\n".join([*lines[:i], "  true &&", *lines[i + 1 :]])
        for i, line in enumerate(lines)
        if line.startswith("  ") and line.rstrip().endswith("&&")
    ]
    return without + loosened


def test_every_mutant_of_the_policies_fails_a_case() -> None:
    text = "\n" + "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.cedar")))
    cases = [(path.parent.name == "ALLOW", json.loads(path.read_text())) for path in CASES]
    for mutant in mutants(text):
        judged = Policies(mutant, SCHEMA)
        rulings = [(allowed, case, judged.decide(request_of(case))) for allowed, case in cases]
        assert any(
            ruling.permitted is not allowed or list(ruling.policies) != case["policies"]
            for allowed, case, ruling in rulings
        ), mutant
