"""The access policies mean what their cases say, and are refused when they are wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import policies.access
from policies.access.decide import InvalidPolicies, Policies, load
from policies.access.entities import CLINIC_ROLE_ATTRIBUTES, entities
from policies.access.model import PLATFORM, Facts, KeyScope, Request, Resource, Subject, Terms, roles
from policies.access.states import FACTS
from policies.words import (
    CLINIC_ROLES,
    PERSONAL_ROLES,
    PLATFORM_ROLES,
    Action,
    ConsentPurpose,
    Decision,
    Purpose,
    Role,
)

FOLDER = Path(policies.access.__file__).parent
CASES = sorted((FOLDER / "cases").glob("*/*.json"))
SCHEMA = (FOLDER / "schema.cedarschema").read_text()


def request_of(case: dict[str, Any]) -> Request:
    scope = case["who"].get("key")
    key = scope and KeyScope(
        scope["clinic"],
        frozenset(scope["fields"]),
        Purpose(scope["purpose"]),
        frozenset(scope["segments"]) if "segments" in scope else None,
    )
    return Request(
        subject_of({"id": "someone", **case["who"]}, key),
        Action(case["action"]),
        resource_of(case["resource"]),
        Purpose(case["purpose"]),
        frozenset(case["fields"]),
        facts_of(case.get("facts", {})),
        Terms(**case.get("terms", {})),
    )


def subject_of(case: dict[str, Any], key: KeyScope | None = None) -> Subject:
    held = roles(tuple(pair) for pair in case.get("roles", []))
    return Subject(case["id"], held, key, case.get("person"), case.get("impersonated", False))


def resource_of(case: dict[str, Any]) -> Resource:
    return Resource(account=subject_of(case["account"])) if "account" in case else Resource(**case)


def facts_of(case: dict[str, Any]) -> Facts:
    consents = frozenset(ConsentPurpose(name) for name in case.get("consents", []))
    return Facts(**{**case, "consents": consents})


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
    assert {action for kind, action in seen if kind == "DENY"} == set(Action)


def test_every_role_is_a_clinics_the_platforms_personal_or_a_keys() -> None:
    assert set(CLINIC_ROLE_ATTRIBUTES) == set(CLINIC_ROLES)
    assert set(Role) == CLINIC_ROLES | PLATFORM_ROLES | PERSONAL_ROLES | {Role.AUTOMATION_SYSTEM}


@pytest.mark.parametrize(
    "text",
    [
        "permit (principal, action, resource",
        "permit (principal, action, resource);",
        '@id("x") permit (principal is Cloister::Nobody, action, resource);',
        '@id("x") permit (principal is Cloister::User, action, resource) when { principal.owns };',
        '@id("x") permit (principal, action == Cloister::Action::"profile.steal", resource);',
        '@id("x") permit (principal, action == Cloister::Action::"clinic.read", resource is Cloister::Person);',
    ],
    ids=["no syntax", "no id", "unknown type", "unknown attribute", "unknown action", "no action of this resource"],
)
def test_wrong_policies_are_refused(text: str) -> None:
    with pytest.raises(InvalidPolicies):
        Policies(text, SCHEMA)


def test_a_policy_about_a_group_of_actions_is_refused_since_none_is_known() -> None:
    grouped = SCHEMA.replace('"record.restore" appliesTo', '"record.restore" in ["everything"] appliesTo')
    grouped = grouped.rstrip().removesuffix("}") + 'action "everything"; }'
    with pytest.raises(InvalidPolicies, match="no single action: everything"):
        Policies('@id("x") forbid (principal, action in Cloister::Action::"everything", resource);', grouped)


def test_a_decision_for_every_state_is_the_decision_in_that_state() -> None:
    for path in CASES:
        request = request_of(json.loads(path.read_text()))
        if request.action in FACTS:
            found = load().in_every_state(request)
            assert list(found.rulings) == [load().decide(asked) for asked in found.requests]
            assert len(found.rulings) == 2 ** len(FACTS[request.action])
            assert len({asked.facts for asked in found.requests}) == len(found.requests)


def test_who_asked_before_is_decided_anew_about_other_things_and_with_other_roles() -> None:
    case = json.loads((FOLDER / "cases" / "ALLOW" / "manager-reads-members-by-name.json").read_text())
    asked, elsewhere = request_of(case), Resource("south", segment="everybody")
    assert load().decide(asked).permitted
    assert not load().decide(replace(asked, resource=elsewhere)).permitted
    assert not load().decide(replace(asked, subject=replace(asked.subject, roles=frozenset()))).permitted
    assert load().decide(asked).permitted
    kept = str(entities(replace(asked, resource=PLATFORM)))
    assert asked.subject.id in kept and "over-65" not in kept and "south" not in kept


def test_without_the_consent_no_state_asks_for_the_profile() -> None:
    case = json.loads((FOLDER / "cases" / "ALLOW" / "specialist-reads-shared-profile.json").read_text())
    for asked in load().in_every_state(request_of(case)).requests:
        shared = ConsentPurpose.PROFILE_SHARING in asked.facts.consents
        assert asked.fields == (frozenset(case["fields"]) if shared else {"patient_id", "name"})
