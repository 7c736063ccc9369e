"""What is asked of the gateway and by whom: the question to the policies, and the event that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from api.directory import ClinicEntry
from api.identity.principals import NOBODY, Principal
from api.recording import Event
from infra.errors import InvalidInput
from policies.access.decide import Ruling, Rulings
from policies.access.model import DEPENDENT, NO_TERMS, PLATFORM, Request, Resource, Terms
from policies.words import Action, Category, Decision, Purpose, Role

PURPOSE_HEADER = "purpose-of-use"

# What an action discloses beyond the fields it asks for.
CATEGORIES = {
    Action.CLINIC_OVERVIEW: [Category.AGGREGATE],
    Action.SEGMENT_LIST: [Category.AGGREGATE],
    Action.SEGMENT_READ: [Category.AGGREGATE],
    Action.MEMBER_LIST: [Category.MEMBERSHIP],
    Action.MEMBER_REACH: [Category.MEMBERSHIP],
    Action.SEGMENT_EXPLAIN: [Category.MEMBERSHIP],
    Action.SEGMENT_UNDECIDED: [Category.MEMBERSHIP],
    Action.SEGMENT_PREVIEW: [Category.IDENTIFIER, Category.NAME, Category.MEMBERSHIP, Category.AGGREGATE],
    Action.SEGMENT_COMPARE: [Category.IDENTIFIER, Category.NAME, Category.MEMBERSHIP, Category.AGGREGATE],
    Action.APPOINTMENT_LIST: [Category.NAME, Category.CLINICAL],
    Action.AGENDA_READ: [Category.NAME, Category.CLINICAL],
    Action.SEGMENT_REACH: [Category.AGGREGATE],
    Action.CAMPAIGN_SEND: [Category.MEMBERSHIP, Category.AGGREGATE],
    Action.CAMPAIGN_READ: [Category.AGGREGATE],
    Action.CAMPAIGN_STOP: [Category.AGGREGATE],
    Action.MAILBOX_READ: [Category.CONTACT],
}
# Reads of a clinic's records in the operational zone, and not of its mart.
OF_RECORDS = frozenset({
    Action.MERGE_LIST, Action.TEMPLATE_READ, Action.FORM_LIST, Action.CONSENT_CHECK, Action.CONSENT_TEXT_LIST,
    Action.SERVICE_LIST, Action.APPOINTMENT_LIST, Action.AGENDA_READ, Action.WEBHOOK_LIST, Action.QUARANTINE_LIST,
})  # fmt: skip
# Works that begin in a clinic's mart: its segments are the clinic's own, and no other zone's.
OF_CAMPAIGNS = frozenset({Action.SEGMENT_REACH, Action.CAMPAIGN_SEND, Action.CAMPAIGN_READ, Action.CAMPAIGN_STOP})
OF_MARTS = frozenset({Action.SEGMENT_EDIT, Action.WEBHOOK_EDIT, *OF_CAMPAIGNS})
# What judges by the day that a clinic's members stand for: by that of the moment.
OF_A_DAY = frozenset({Action.SEGMENT_PREVIEW, Action.SEGMENT_COMPARE, Action.SEGMENT_EXPLAIN, Action.SEGMENT_UNDECIDED})
OF_THE_LOG = frozenset({Action.AUDIT_SEARCH, Action.AUDIT_EXPORT, Action.AUDIT_REVIEW})
# Why something is asked for, where nobody says.
PURPOSES = {
    Action.AGENDA_READ: Purpose.CARE,
    **dict.fromkeys(OF_THE_LOG, Purpose.AUDIT),
    **dict.fromkeys(OF_CAMPAIGNS, Purpose.COMMUNICATIONS),
    Action.MESSAGE_REFUSE: Purpose.PATIENT_REQUEST,
    Action.PROFILE_READ: Purpose.CARE,
    Action.PERSON_READ: Purpose.PATIENT_REQUEST,
    Action.DEPENDENT_LIST: Purpose.PATIENT_REQUEST,
    Action.ACCESS_LIST: Purpose.PATIENT_REQUEST,
    Action.RECORD_READ: Purpose.CARE,
    Action.RECORD_HIDE: Purpose.CARE,
    Action.PLAN_SAVE: Purpose.CARE,
    Action.BRIEF_READ: Purpose.CARE,
    Action.OWN_RECORD_READ: Purpose.PATIENT_REQUEST,
    Action.OWN_RECORD_HIDE: Purpose.PATIENT_REQUEST,
    Action.FORM_ANSWER: Purpose.PATIENT_REQUEST,
    Action.EXERCISE_TICK: Purpose.PATIENT_REQUEST,
    Action.OWN_APPOINTMENT_BOOK: Purpose.PATIENT_REQUEST,
    Action.OWN_APPOINTMENT_READ: Purpose.PATIENT_REQUEST,
    Action.OWN_APPOINTMENT_CHANGE: Purpose.PATIENT_REQUEST,
    Action.OWN_VISIT_JOIN: Purpose.PATIENT_REQUEST,
    Action.VISIT_JOIN: Purpose.CARE,
    Action.IMPERSONATION_REVIEW: Purpose.PATIENT_REQUEST,
    Action.VERIFICATION_ANSWER: Purpose.PATIENT_REQUEST,
    Action.VERIFICATION_RENEW: Purpose.PATIENT_REQUEST,
    Action.PASSWORD_FORGET: Purpose.PATIENT_REQUEST,
    Action.ACCOUNT_READ: Purpose.PATIENT_REQUEST,
    Action.ACCOUNT_CHANGE: Purpose.PATIENT_REQUEST,
    Action.PERSON_EDIT: Purpose.PATIENT_REQUEST,
    Action.PERSON_HISTORY: Purpose.PATIENT_REQUEST,
    Action.CONSENT_LIST: Purpose.PATIENT_REQUEST,
    Action.CONSENT_SIGN: Purpose.PATIENT_REQUEST,
    Action.CONSENT_REVOKE: Purpose.PATIENT_REQUEST,
    Action.DEPENDENT_ADD: Purpose.PATIENT_REQUEST,
    Action.DEPENDENT_LEAVE: Purpose.PATIENT_REQUEST,
    Action.GUARDIAN_INVITE: Purpose.PATIENT_REQUEST,
    Action.GUARDIAN_UNINVITE: Purpose.PATIENT_REQUEST,
    Action.GUARDIAN_JOIN: Purpose.PATIENT_REQUEST,
    Action.GUARDIAN_LIST: Purpose.PATIENT_REQUEST,
    Action.GUARDIAN_END: Purpose.PATIENT_REQUEST,
    Action.GUARDIAN_CONTEST: Purpose.PATIENT_REQUEST,
    Action.CO_GUARDIAN_LIST: Purpose.PATIENT_REQUEST,
    Action.CO_GUARDIAN_END: Purpose.PATIENT_REQUEST,
    Action.EXPORT_MAKE: Purpose.PATIENT_REQUEST,
    Action.OWN_HANDOVER_PREVIEW: Purpose.PATIENT_REQUEST,
    Action.OWN_HANDOVER_BRING: Purpose.PATIENT_REQUEST,
    Action.OWN_HANDOVER_LIST: Purpose.PATIENT_REQUEST,
    Action.HANDOVER_READ: Purpose.CARE,
}


@dataclass(frozen=True)
class Caller:
    """Who asks, with which request from where, and for which purpose, if they said so."""

    principal: Principal
    request_id: UUID
    origin: str | None = None
    purpose: Purpose | None = None


@dataclass(frozen=True)
class Access:
    """What is asked for."""

    action: Action
    resource: Resource = PLATFORM
    fields: frozenset[str] = frozenset()
    terms: Terms = NO_TERMS
    # What a segment told before it was archived is told afterwards as well; who is in it now is nobody.
    archived_too: bool = False


def origin_of(address: str | None) -> str | None:
    """An address as the log stores it; None if it is none (a socket's name)."""
    try:
        return str(ip_address(address or ""))
    except ValueError:
        return None


def purpose_of(headers: Mapping[str, str]) -> Purpose | None:
    """The purpose of use that a request names in its header.

    Raises:
        InvalidInput: it is none of ours.
    """
    named = headers.get(PURPOSE_HEADER)
    try:
        return None if named is None else Purpose(named)
    except ValueError:
        raise InvalidInput("no purpose of use", place=f"header.{PURPOSE_HEADER}") from None


def request_of(caller: Caller, access: Access) -> Request:
    """The question that the policies are asked."""
    key = caller.principal.key
    usual = PURPOSES.get(access.action, Purpose.OPERATIONS) if key is None else key.purpose
    purpose = caller.purpose or usual
    return Request(caller.principal.subject, access.action, access.resource, purpose, access.fields, terms=access.terms)


def event_of(caller: Caller, request: Request, clinic: ClinicEntry | None, ruling: Ruling) -> Event:
    """The event of a request; one for a clinic that does not exist is a denial."""
    resource = request.resource
    permitted = ruling.permitted and (clinic is not None or resource.clinic is None)
    return Event(
        **who(caller.principal),
        **_capacity(caller.principal, resource),
        action=request.action.value,
        resource_type=resource.type,
        resource_id=_resource_id(resource, clinic),
        clinic_id=clinic.clinic_id if clinic else None,
        purpose=request.purpose.value,
        decision=(Decision.PERMIT if permitted else Decision.DENY).value,
        policies=list(ruling.policies),
        policy_version=ruling.policy_version,
        categories=sorted([*request.categories, *CATEGORIES.get(request.action, [])]),
        request_id=caller.request_id,
        session_id=caller.principal.session_id,
        origin=caller.origin,
    )


def who(principal: Principal) -> dict[str, Any]:
    """Whom an event names: who asked in truth, and in whose name and by which impersonation if in another's."""
    acting = principal.acting
    return {
        "principal_id": None if principal == NOBODY else principal.actor_id,
        "principal_kind": principal.kind,
        "acting_for": principal.person_id if acting else None,
        "impersonation_id": acting.impersonation_id if acting else None,
    }


def ruling_parameters(rulings: Rulings) -> dict[str, str]:
    """The rulings of every state as the statement that reads takes them."""
    decisions, policies, categories = rulings.arrays
    return {"ruling__decisions": decisions, "ruling__policies": policies, "ruling__categories": categories}


def _resource_id(resource: Resource, clinic: ClinicEntry | None) -> str | None:
    """What is known of the resource before it is read. A segment's name is not: what was merely typed is not logged."""
    if resource.account is not None:
        return resource.account.id or None
    return clinic.slug if clinic and resource.type == "clinic" else None


def _capacity(principal: Principal, resource: Resource) -> dict[str, Any]:
    """The role that a person is asked for in, if it is held, else the one nearest to the resource; and for whom."""
    nearest = {"role": principal.role_for(resource), "organisation": principal.organisation_for(resource)}
    if principal.acting is not None:
        return nearest
    if resource.person is not None:
        asked_in = Role.GUARDIAN if resource.person == DEPENDENT else Role.PATIENT
    else:
        asked_in = Role.SPECIALIST
    held = (asked_in, resource.clinic) in principal.roles and (resource.patient or resource.person is not None)
    return {"role": asked_in.value, "organisation": resource.clinic} if held else nearest
