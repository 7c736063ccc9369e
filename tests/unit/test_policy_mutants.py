"""A policy with a mistake in it fails one of the cases: all mutants are tried, none survives."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy
from policy_mutants import mutants

from policies.access.entities import entities, question
from tests.unit.test_access_policies import CASES, FOLDER, SCHEMA, request_of

TEXT = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.cedar")))
# What no case can notice, since it decides the same for every request that can be made.
_ROLE_OF_USERS = "only a User can be in a PlatformRole"
_NO_SUCH_FIELD = "no field has this category: it stands for what an action discloses beside fields"
_FORBIDDEN_ANYWAY = "no-contact-or-free-text-in-lists forbids it as well, and a denial names what forbids"
_ACCOUNTS = "only an account is a User, and only one action asks for an account"
_BY_NAME = "manager-reads-members-by-name: condition 0 /&&/right/containsAll/left with"
_EXPLAINED = "manager-explains-segments: condition 0 /&&/right/containsAll/left with"
_CONSENT = "profile-needs-its-consent: condition 0"
EQUIVALENT = {
    "platform-auditor-searches-every-log: any principal": _ROLE_OF_USERS,
    "people-and-platform-roles-check-the-seal: any principal": _ROLE_OF_USERS,
    "platform-roles-list-clinics: any principal": _ROLE_OF_USERS,
    "platform-roles-see-every-clinic: any principal": _ROLE_OF_USERS,
    "patient-reads-own-data: any principal": _ROLE_OF_USERS,
    "guardian-lists-dependents: any principal": _ROLE_OF_USERS,
    "guardian-reads-dependents-data: any principal": _ROLE_OF_USERS,
    "patient-works-with-own-records: any principal": _ROLE_OF_USERS,
    "guardian-works-with-dependents-records: any principal": _ROLE_OF_USERS,
    "people-see-services: any principal": _ROLE_OF_USERS,
    "patient-has-own-appointments: any principal": _ROLE_OF_USERS,
    "guardian-has-dependents-appointments: any principal": _ROLE_OF_USERS,
    "admin-opens-impersonation: any principal": _ROLE_OF_USERS,
    "admin-opens-impersonation: any action": _ACCOUNTS,
    "admin-lists-and-ends-impersonations: any principal": _ROLE_OF_USERS,
    "people-see-who-acted-as-them: any principal": _ROLE_OF_USERS,
    "people-keep-their-own-contacts: any principal": _ROLE_OF_USERS,
    "admin-reads-demo-mail: any principal": _ROLE_OF_USERS,
    "person-keeps-own-records: any principal": _ROLE_OF_USERS,
    "guardian-keeps-dependents-records: any principal": _ROLE_OF_USERS,
    "people-become-guardians: any principal": _ROLE_OF_USERS,
    "admin-restores-what-was-deleted: any principal": _ROLE_OF_USERS,
    "nobody-impersonates-themselves: any principal": _ACCOUNTS,
    "nobody-impersonates-themselves: any action": _ACCOUNTS,
    f"{_CONSENT} sides changed": "two sets have something in common, whichever is named first",
    f"{_CONSENT} /containsAny/right with membership": _NO_SUCH_FIELD,
    f"{_CONSENT} /containsAny/right with aggregate": _NO_SUCH_FIELD,
    f"{_BY_NAME} membership": _NO_SUCH_FIELD,
    f"{_BY_NAME} aggregate": _NO_SUCH_FIELD,
    f"{_BY_NAME} confidential": _NO_SUCH_FIELD,
    f"{_BY_NAME} contact": _FORBIDDEN_ANYWAY,
    f"{_BY_NAME} free_text": _FORBIDDEN_ANYWAY,
    f"{_EXPLAINED} membership": _NO_SUCH_FIELD,
    f"{_EXPLAINED} aggregate": _NO_SUCH_FIELD,
    f"{_EXPLAINED} confidential": _NO_SUCH_FIELD,
    f"{_EXPLAINED} contact": _FORBIDDEN_ANYWAY,
    f"{_EXPLAINED} free_text": _FORBIDDEN_ANYWAY,
}


@dataclass(frozen=True)
class Case:
    """A case as Cedar is asked, and what it says."""

    allowed: bool
    policies: list[str]
    question: dict[str, Any]
    entities: list[dict[str, Any]]

    def holds(self, judged: cedarpy.PolicySet) -> bool:
        """Whether a set of policies decides as the case says."""
        answer = cedarpy.is_authorized(self.question, judged, self.entities)
        named = sorted(answer.diagnostics.id_annotations_by_reason.values())
        return (answer.allowed and not answer.diagnostics.errors) is self.allowed and named == self.policies


def case_of(path: Path) -> Case:
    case = json.loads(path.read_text())
    request = request_of(case)
    return Case(path.parent.name == "ALLOW", case["policies"], question(request), entities(request))


EXPECTED = [case_of(path) for path in CASES]
CHECKED = cedarpy.Schema.from_str(SCHEMA)


def killed(name: str, own: str, mutant: str) -> bool | None:
    """Whether a case fails under a mutant; None if the schema refuses it, so that it could not start."""
    if own and not cedarpy.validate_policies(own, CHECKED).validation_passed:
        return None
    judged = cedarpy.PolicySet.from_str(mutant)
    policy = name.split(":")[0]
    # The cases that its policy decides come first: one of them is likely to fail.
    return any(not case.holds(judged) for case in sorted(EXPECTED, key=lambda case: policy not in case.policies))


def test_no_mutant_of_the_policies_survives_the_cases() -> None:
    fates = {name: killed(name, own, mutant) for name, own, mutant in mutants(TEXT)}
    survivors = {name for name, fate in fates.items() if fate is False}
    assert survivors == set(EQUIVALENT), sorted(survivors ^ set(EQUIVALENT))
    # Enough of them, most of which the schema alone would let pass.
    assert sum(fate is True for fate in fates.values()) > 300
    assert sum(fate is None for fate in fates.values()) < len(fates) / 2
