"""A policy with a mistake in it fails one of the cases: all mutants are tried, none survives."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy
from policy_mutants import mutants, text_of

from policies.access.entities import entities, question
from tests.unit.test_access_policies import CASES, FOLDER, SCHEMA, request_of

TEXT = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.cedar")))
# What no case can notice, since it decides the same for every request that can be made.
_ROLE_OF_USERS = "only a User can be in a PlatformRole"
_NO_SUCH_FIELD = "no field has this category: it stands for what an action discloses beside fields"
_FORBIDDEN_ANYWAY = "no-contact-or-free-text-in-lists forbids it as well, and a denial names what forbids"
_ACCOUNTS = "only an account is a User, and what is asked of accounts is asked by users"
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
    "patient-carries-own-records: any principal": _ROLE_OF_USERS,
    "guardian-carries-dependents-records: any principal": _ROLE_OF_USERS,
    "people-see-services: any principal": _ROLE_OF_USERS,
    "patient-has-own-appointments: any principal": _ROLE_OF_USERS,
    "guardian-has-dependents-appointments: any principal": _ROLE_OF_USERS,
    "admin-opens-impersonation: any principal": _ROLE_OF_USERS,
    "admin-opens-impersonation: any action": "whatever else is done to accounts is forbidden of patients'",
    "admin-lists-and-ends-impersonations: any principal": _ROLE_OF_USERS,
    "people-see-who-acted-as-them: any principal": _ROLE_OF_USERS,
    "people-keep-their-own-contacts: any principal": _ROLE_OF_USERS,
    "admin-reads-demo-mail: any principal": _ROLE_OF_USERS,
    "person-keeps-own-records: any principal": _ROLE_OF_USERS,
    "guardian-keeps-dependents-records: any principal": _ROLE_OF_USERS,
    "people-become-guardians: any principal": _ROLE_OF_USERS,
    "admin-restores-what-was-deleted: any principal": _ROLE_OF_USERS,
    "admin-handles-quarantine: any principal": _ROLE_OF_USERS,
    "admin-sets-up-the-platform: any principal": _ROLE_OF_USERS,
    "admin-proposes-legal-guardians: any principal": _ROLE_OF_USERS,
    "admin-reviews-legal-guardians: any principal": _ROLE_OF_USERS,
    "admin-configures-clinics: any principal": _ROLE_OF_USERS,
    "nobody-impersonates-themselves: any principal": _ACCOUNTS,
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


PARSED = json.loads(cedarpy.policies_to_json_str(TEXT))["staticPolicies"].values()
CHECKED = cedarpy.Schema.from_str(SCHEMA)


def satisfied(judged: cedarpy.PolicySet, asked: Any, known: Any) -> frozenset[str]:
    """Which policies of one effect a request satisfies."""
    return frozenset(cedarpy.is_authorized(asked, judged, known).diagnostics.id_annotations_by_reason.values())


def of_effect(effect: str) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_str("\n".join(text_of(policy) for policy in PARSED if policy["effect"] == effect))


@dataclass(frozen=True)
class Case:
    """A case as Cedar is asked, and the policies that it satisfies: what decides, and what is overruled.

    Cedar asks each policy for itself: a request is allowed if it satisfies a permit and no forbid. So a
    mutant need not be tried beside all the others, only alone.
    """

    question: dict[str, Any]
    entities: cedarpy.Entities
    satisfied: dict[str, frozenset[str]]

    @property
    def policies(self) -> frozenset[str]:
        """Every policy that the case satisfies, overruled or not."""
        return self.satisfied["permit"] | self.satisfied["forbid"]

    def holds(self, policy: str, mutant: cedarpy.PolicySet | None, effect: str) -> bool:
        """Whether the case is decided as ever, by the same policies, with a mutant in a policy's place."""
        changed = {each: named - {policy} for each, named in self.satisfied.items()}
        if mutant is not None:
            changed[effect] |= satisfied(mutant, self.question, self.entities)
        return decided(changed) == decided(self.satisfied)


def decided(found: dict[str, frozenset[str]]) -> tuple[bool, frozenset[str]]:
    """What Cedar makes of the satisfied policies: allowed or not, and the policies that it names for it."""
    allowed = bool(found["permit"]) and not found["forbid"]
    return allowed, found["permit"] if allowed else found["forbid"]


def case_of(path: Path, judges: dict[str, cedarpy.PolicySet]) -> Case:
    case = json.loads(path.read_text())
    request = request_of(case)
    asked = question(request), entities(request)
    found = Case(*asked, {effect: satisfied(judge, *asked) for effect, judge in judges.items()})
    assert decided(found.satisfied) == (path.parent.name == "ALLOW", frozenset(case["policies"])), path.name
    return found


def killed(policy: str, mutant: str, cases: list[Case]) -> bool | None:
    """Whether a case fails under a mutant; None if the schema refuses it, so that it could not start."""
    if mutant and not cedarpy.validate_policies(mutant, CHECKED).validation_passed:
        return None
    judge = cedarpy.PolicySet.from_str(mutant) if mutant else None
    effect = json.loads(cedarpy.policies_to_json_str(mutant))["staticPolicies"]["policy0"]["effect"] if mutant else ""
    # The cases that its policy decides come first: one of them is likely to fail.
    return any(
        not case.holds(policy, judge, effect) for case in sorted(cases, key=lambda case: policy not in case.policies)
    )


def test_no_mutant_of_the_policies_survives_the_cases() -> None:
    judges = {effect: of_effect(effect) for effect in ("permit", "forbid")}
    cases = [case_of(path, judges) for path in CASES]
    fates = {f"{policy}: {what}": killed(policy, text, cases) for policy, what, text in mutants(TEXT)}
    survivors = {name for name, fate in fates.items() if fate is False}
    assert survivors == set(EQUIVALENT), sorted(survivors ^ set(EQUIVALENT))
    # Enough of them, most of which the schema alone would let pass.
    assert sum(fate is True for fate in fates.values()) > 300
    assert sum(fate is None for fate in fates.values()) < len(fates) / 2
