"""Who a document is about: Patient, RelatedPerson, and what a profile says, as resources of their own."""

from collections.abc import Mapping
from typing import Any

from policies.fhir.types import (
    ESTIMATED,
    LOINC,
    TERMINOLOGY,
    Json,
    coding,
    concept,
    extension,
    known,
    period,
    reference,
)

EMERGENCY = coding(f"{TERMINOLOGY}v2-0131", "C", "Emergency Contact")
SUBSCRIBER = coding(f"{TERMINOLOGY}v2-0203", "SN", "Subscriber Number")
GUARDIAN = coding(f"{TERMINOLOGY}v3-RoleCode", "GUARD", "guardian")


def patient(profile: Mapping[str, Any], clinic: str) -> Json:
    """A Patient of a profile's fields, those that are there; `clinic` is the reference of who manages the record."""
    telecom = [
        known(system=system, value=profile[system]) for system in ("phone", "email") if profile.get(system) is not None
    ]
    called, number = profile.get("emergency_contacts") or [], profile.get("policy_number")
    return known(
        resourceType="Patient",
        extension=[extension(ESTIMATED, valueBoolean=True)] if profile.get("birth_date_estimated") else None,
        identifier=[{"type": concept(None, SUBSCRIBER), "value": number}] if number else None,
        name=[{"text": profile["name"]}],
        gender=profile.get("sex"),
        birthDate=profile.get("birth_date"),
        telecom=telecom,
        address=[{"text": profile["address"]}] if profile.get("address") else None,
        contact=[_emergency_contact(each) for each in ([called] if isinstance(called, str) else called)],
        managingOrganization=reference(clinic),
    )


def organization(name: str) -> Json:
    """A clinic: nothing of it but its name."""
    return {"resourceType": "Organization", "active": True, "name": name}


def guardian(row: Mapping[str, Any], of: str) -> Json:
    """A RelatedPerson of `name` and `relationship` who manages the patient `until` a day; no contact of theirs."""
    return known(
        resourceType="RelatedPerson",
        active=True,
        patient=reference(of),
        relationship=[concept(row["relationship"], GUARDIAN)],
        name=[{"text": row["name"]}],
        period=period(None, row["until"]),
    )


def _emergency_contact(row: Mapping[str, Any] | str) -> Json:
    """A person to call, within a Patient; a text, as imports bring it, stands for the name."""
    told: Mapping[str, Any] = {"name": row} if isinstance(row, str) else row
    return known(
        relationship=[concept(told.get("relationship"), EMERGENCY)],
        name={"text": told["name"]},
        telecom=[known(system="phone", value=told["phone"])] if told.get("phone") else None,
    )


def allergy(text: str, of: str) -> Json:
    """An AllergyIntolerance as the person says it."""
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": concept(None, coding(f"{TERMINOLOGY}allergyintolerance-clinical", "active")),
        "verificationStatus": concept(None, coding(f"{TERMINOLOGY}allergyintolerance-verification", "unconfirmed")),
        "code": concept(text),
        "patient": reference(of),
    }


def condition(text: str, of: str) -> Json:
    """A Condition as the person says it."""
    return {
        "resourceType": "Condition",
        "clinicalStatus": concept(None, coding(f"{TERMINOLOGY}condition-clinical", "active")),
        "verificationStatus": concept(None, coding(f"{TERMINOLOGY}condition-ver-status", "provisional")),
        "category": [concept(None, coding(f"{TERMINOLOGY}condition-category", "problem-list-item"))],
        "code": concept(text),
        "subject": reference(of),
    }


def blood_type(text: str, of: str) -> Json:
    """An Observation of the blood group, such as `A+`."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [concept(None, coding(f"{TERMINOLOGY}observation-category", "laboratory"))],
        "code": concept("Blood type", coding(LOINC, "882-1", "ABO and Rh group [Type] in Blood")),
        "subject": reference(of),
        "valueCodeableConcept": concept(text),
    }


def coverage(profile: Mapping[str, Any], of: str) -> Json | None:
    """A Coverage of what is known of the insurance; none of a number alone, which the Patient has: it names a payer."""
    kind, payer, number = (profile.get(name) for name in ("insurance_type", "insurance_payer", "policy_number"))
    if not (kind or payer):
        return None
    return known(
        resourceType="Coverage",
        status="active",
        type=concept(kind),
        subscriberId=number,
        beneficiary=reference(of),
        payor=[{"display": payer or "not told"}],
    )
