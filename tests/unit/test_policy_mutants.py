"""A policy with a mistake in it fails one of the cases: all mutants are tried, none survives."""

import json

from policy_mutants import mutants

from policies.access.decide import InvalidPolicies, Policies
from policies.words import Decision
from tests.unit.test_access_policies import CASES, FOLDER, SCHEMA, request_of

TEXT = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.cedar")))
# What no case can notice, since it decides the same for every request that can be made.
_ROLE_OF_USERS = "only a User can be in a PlatformRole"
_NO_SUCH_FIELD = "no field has this category: it stands for what an action discloses beside fields"
_FORBIDDEN_ANYWAY = "no-contact-or-free-text-in-lists forbids it as well, and a denial names what forbids"
_ACCOUNTS = "only an account is a User, and only one action asks for an account"
_BY_NAME = "manager-reads-members-by-name: condition 0 /&&/right/containsAll/left with"
_CONSENT = "profile-needs-its-consent: condition 0"
EQUIVALENT = {
    "platform-auditor-searches-every-log: any principal": _ROLE_OF_USERS,
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
}


def killed(mutant: str) -> bool | None:
    """Whether a case fails under a mutant; None if the schema refuses it, so that it could not start."""
    try:
        judged = Policies(mutant, SCHEMA)
    except InvalidPolicies:
        return None
    for allowed, request, policies in EXPECTED:
        ruling = judged.decide(request)
        if (ruling.decision is Decision.PERMIT) is not allowed or list(ruling.policies) != policies:
            return True
    return False


EXPECTED = [
    (path.parent.name == "ALLOW", request_of(case), case["policies"])
    for path in CASES
    for case in [json.loads(path.read_text())]
]


def test_no_mutant_of_the_policies_survives_the_cases() -> None:
    fates = {name: killed(mutant) for name, mutant in mutants(TEXT)}
    survivors = {name for name, fate in fates.items() if fate is False}
    assert survivors == set(EQUIVALENT), sorted(survivors ^ set(EQUIVALENT))
    # Enough of them, most of which the schema alone would let pass.
    assert sum(fate is True for fate in fates.values()) > 300
    assert sum(fate is None for fate in fates.values()) < len(fates) / 2
