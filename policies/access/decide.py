"""The policies, parsed once, and the decision they make: deny unless one permits and none forbids."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import cedarpy

from policies.access.model import Request, Resource, Subject
from policies.words import CLINIC_ROLES, PLATFORM_ROLES, Decision, Role

# The attribute of a user that holds the clinics of each role.
CLINIC_ROLE_ATTRIBUTES = {
    Role.CLINIC_STAFF: "staffOf",
    Role.SPECIALIST: "specialistOf",
    Role.CLINIC_MANAGER: "managerOf",
    Role.CLINIC_AUDITOR: "auditorOf",
}


class InvalidPolicies(ValueError):
    """The policies do not parse, break their schema, or one has no @id."""


@dataclass(frozen=True)
class Ruling:
    """A decision, the ids of the policies that made it, and the version of the whole set."""

    decision: Decision
    policies: tuple[str, ...]
    policy_version: str

    @property
    def permitted(self) -> bool:
        """Whether the request may go on."""
        return self.decision is Decision.PERMIT


class Policies:
    """A validated set of policies. Immutable, and safe to share between threads."""

    def __init__(self, policies: str, schema: str) -> None:
        try:
            checked = cedarpy.validate_policies(policies, cedarpy.Schema.from_str(schema))
            self._set = cedarpy.PolicySet.from_str(policies)
        except ValueError as error:
            raise InvalidPolicies(str(error)) from None
        if not checked.validation_passed:
            raise InvalidPolicies("; ".join(str(error) for error in checked.errors))
        if policies.count("@id(") != len(self._set):
            raise InvalidPolicies("every policy needs an @id")
        self.version = hashlib.sha256(f"{schema}\0{policies}".encode()).hexdigest()[:16]

    def decide(self, request: Request) -> Ruling:
        """Decide one request. A policy that cannot be evaluated denies: it fails closed."""
        answer = cedarpy.is_authorized(_question(request), self._set, _entities(request))
        names = answer.diagnostics.id_annotations_by_reason
        permitted = answer.allowed and not answer.diagnostics.errors
        return Ruling(
            Decision.PERMIT if permitted else Decision.DENY,
            tuple(sorted(names.values())),
            self.version,
        )


@cache
def load() -> Policies:
    """The policies of this package.

    Raises:
        InvalidPolicies: they do not parse or break their schema.
    """
    folder = files("policies.access")
    texts = sorted((item.name, item.read_text()) for item in folder.iterdir() if item.name.endswith(".cedar"))
    return Policies("\n".join(text for _, text in texts), (folder / "schema.cedarschema").read_text())


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": f"Cloister::{kind}", "id": name}


def _reference(kind: str, name: str) -> dict[str, Any]:
    return {"__entity": _uid(kind, name)}


def _resource_uid(resource: Resource) -> dict[str, str]:
    if resource.segment is not None:
        return _uid("Segment", f"{resource.clinic}/{resource.segment}")
    return _uid("Platform", "platform") if resource.clinic is None else _uid("Clinic", resource.clinic)


def _question(request: Request) -> dict[str, Any]:
    return {
        "principal": _uid("ApiKey" if request.subject.key else "User", request.subject.id),
        "action": _uid("Action", request.action.value),
        "resource": _resource_uid(request.resource),
        "context": {
            "purpose": request.purpose.value,
            "fields": sorted(request.fields),
            "categories": request.categories,
        },
    }


def _entities(request: Request) -> list[dict[str, Any]]:
    resource = request.resource
    attributes = {"clinic": _reference("Clinic", resource.clinic or "")} if resource.segment is not None else {}
    return [_subject(request.subject), {"uid": _resource_uid(resource), "attrs": attributes, "parents": []}]


def _subject(subject: Subject) -> dict[str, Any]:
    if subject.key is not None:
        return _key(subject)
    return {
        "uid": _uid("User", subject.id),
        "attrs": {
            CLINIC_ROLE_ATTRIBUTES[role]: [_reference("Clinic", clinic) for clinic in subject.clinics(role)]
            for role in CLINIC_ROLES
        },
        "parents": [_uid("PlatformRole", role.value) for role in PLATFORM_ROLES if (role, None) in subject.roles],
    }


def _key(subject: Subject) -> dict[str, Any]:
    scope = subject.key
    if scope is None:
        raise ValueError("the subject is no API key")
    attributes: dict[str, Any] = {
        "clinic": _reference("Clinic", scope.clinic),
        "fields": sorted(scope.fields),
        "purpose": scope.purpose.value,
    }
    if scope.segments is not None:
        attributes["segments"] = [_reference("Segment", f"{scope.clinic}/{name}") for name in sorted(scope.segments)]
    return {"uid": _uid("ApiKey", subject.id), "attrs": attributes, "parents": []}
