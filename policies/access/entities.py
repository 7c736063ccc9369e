"""A request in Cedar's terms: the question with its context, and the entities it names."""

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import cedarpy

from policies.access.model import KeyScope, Request, Resource, Subject
from policies.access.states import CONSENTS, FACTS
from policies.words import CLINIC_ROLES, PERSONAL_ROLES, PLATFORM_ROLES, Action, Role

# The attribute of a user that holds the clinics of each role.
CLINIC_ROLE_ATTRIBUTES = {
    Role.CLINIC_STAFF: "staffOf",
    Role.SPECIALIST: "specialistOf",
    Role.CLINIC_MANAGER: "managerOf",
    Role.CLINIC_AUDITOR: "auditorOf",
}
# Callers whose parsed entities are kept, and requests whose rulings are.
REMEMBERED = 4096
_ROLES_ANYWHERE = PLATFORM_ROLES | PERSONAL_ROLES


def question(request: Request) -> dict[str, Any]:
    """Who, what, on what, in which context."""
    return {
        "principal": _subject_uid(request.subject),
        "action": _uid("Action", request.action.value),
        "resource": _resource_uid(request.resource),
        "context": {
            "purpose": request.purpose.value,
            "fields": sorted(request.fields),
            "categories": request.categories,
            "impersonated": request.subject.impersonated,
            **_facts(request),
        },
    }


def entities(request: Request) -> cedarpy.Entities:
    """The one who asks and what is asked for, with their attributes.

    Who asks is parsed once, or it would be a third of a decision's time. What is asked for may be named as somebody
    typed it, and is not kept.
    """
    asking, added = _asking(request.subject), _asked_for(request)
    return asking if added is None else asking.with_added_json_str(json.dumps([added]))


@lru_cache(REMEMBERED)
def _asking(subject: Subject) -> cedarpy.Entities:
    return cedarpy.Entities.from_json_str(json.dumps([_account(subject)]))


def _asked_for(request: Request) -> dict[str, Any] | None:
    """What is asked for; None where there is nothing to say of it, or it is the one who asks."""
    resource = request.resource
    if resource.account is not None:
        return None if _resource_uid(resource) == _subject_uid(request.subject) else _account(resource.account)
    if not resource.patient and resource.segment is None:
        return None
    attributes = {"clinic": _reference("Clinic", resource.clinic or "")}
    return {"uid": _resource_uid(resource), "attrs": attributes, "parents": []}


def _account(subject: Subject) -> dict[str, Any]:
    attributes = _user(subject) if subject.key is None else _key(subject.key)
    parents = [_uid("PlatformRole", role.value) for role in _ROLES_ANYWHERE if (role, None) in subject.roles]
    return {"uid": _subject_uid(subject), "attrs": attributes, "parents": [] if subject.key else parents}


def _facts(request: Request) -> dict[str, Any]:
    """What the context says besides: the facts that the action is decided by, or the terms of an impersonation."""
    if request.action is Action.IMPERSONATION_OPEN:
        return asdict(request.terms)
    names = FACTS.get(request.action, ())
    facts: dict[str, Any] = {name: getattr(request.facts, name) for name in names if name not in CONSENTS}
    return {**facts, "consents": sorted(request.facts.consents)} if CONSENTS.keys() & set(names) else facts


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": f"Cloister::{kind}", "id": name}


def _reference(kind: str, name: str) -> dict[str, Any]:
    return {"__entity": _uid(kind, name)}


def _subject_uid(subject: Subject) -> dict[str, str]:
    return _uid("ApiKey" if subject.key else "User", subject.id)


def _resource_uid(resource: Resource) -> dict[str, str]:
    if resource.account is not None:
        return _subject_uid(resource.account)
    if resource.person is not None:
        return _uid("Person", resource.person)
    if resource.patient:
        return _uid("Patient", resource.clinic or "")
    if resource.segment is not None:
        return _uid("Segment", f"{resource.clinic}/{resource.segment}")
    return _uid("Platform", "platform") if resource.clinic is None else _uid("Clinic", resource.clinic)


def _user(subject: Subject) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        CLINIC_ROLE_ATTRIBUTES[role]: [_reference("Clinic", clinic) for clinic in subject.clinics(role)]
        for role in CLINIC_ROLES
    }
    return attributes if subject.person is None else {**attributes, "person": _reference("Person", subject.person)}


def _key(scope: KeyScope) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "clinic": _reference("Clinic", scope.clinic),
        "fields": sorted(scope.fields),
        "purpose": scope.purpose.value,
    }
    if scope.segments is not None:
        attributes["segments"] = [_reference("Segment", f"{scope.clinic}/{name}") for name in sorted(scope.segments)]
    return attributes
