"""Resources as JSON's shapes: what services return, in FHIR R4's words.

Ids are this platform's own: of a patient the clinic's, of a group the segment's slug, of a consent both of its parts.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from policies.classification import Field, ProfileField
from policies.words import ConsentPurpose

_HL7 = "http://terminology.hl7.org/CodeSystem"
_OURS = "urn:cloister"
LONGEST_ID = 64
# What of a profile a Patient says.
PATIENT_FIELDS = (
    ProfileField.PATIENT_ID,
    ProfileField.NAME,
    ProfileField.BIRTH_DATE,
    ProfileField.SEX,
    ProfileField.PHONE,
    ProfileField.EMAIL,
    ProfileField.ADDRESS,
    ProfileField.EMERGENCY_CONTACTS,
)


def patient(found: Mapping[str, Any], clinic: str) -> dict[str, Any]:
    """The Patient of a profile, as far as it is shared."""
    telecom = [_contact_point(kind, found.get(kind)) for kind in (ProfileField.PHONE, ProfileField.EMAIL)]
    made = {
        "resourceType": "Patient",
        "id": str(found[ProfileField.PATIENT_ID]),
        "name": _texts(found.get(ProfileField.NAME)),
        "gender": found.get(ProfileField.SEX),
        "birthDate": _day(found.get(ProfileField.BIRTH_DATE)),
        "telecom": [point for point in telecom if point],
        "address": _texts(found.get(ProfileField.ADDRESS)),
        "contact": _contacts(found.get(ProfileField.EMERGENCY_CONTACTS)),
        "managingOrganization": _organization(clinic),
    }
    return _given(made)


def group(segment: str, clinic: str, members: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The Group of a segment's members of now."""
    shown = [{"entity": _member(member)} for member in members]
    return _given({**_group(segment, clinic), "quantity": len(shown), "member": shown})


def group_without_members(found: Mapping[str, Any], clinic: str) -> dict[str, Any]:
    """The Group of a segment in a list, with its size alone."""
    made = {**_group(found["slug"], clinic), "name": found["name"], "quantity": found["members"]}
    return made if len(found["slug"]) <= LONGEST_ID else {name: made[name] for name in made if name != "id"}


def consent(patient_id: UUID, clinic: str, purpose: ConsentPurpose, *, stands: bool) -> dict[str, Any]:
    """Whether a patient's consent stands, as a clinic learns it: no text, signer or date."""
    return {
        "resourceType": "Consent",
        "id": f"{patient_id}.{purpose.value.replace('_', '-')}",
        "status": "active" if stands else "inactive",
        "scope": {"coding": [_coding(f"{_HL7}/consentscope", "patient-privacy")]},
        "category": [
            {"coding": [_coding("http://loinc.org", "59284-0", "Consent Document")]},
            {"coding": [_coding(f"{_OURS}:consent-purpose", purpose.value)]},
        ],
        "patient": {"reference": f"Patient/{patient_id}"},
        "organization": [_organization(clinic)],
        # Nothing is shared, and nobody written to, without a signature.
        "policyRule": {"coding": [_coding(f"{_HL7}/v3-ActCode", "OPTIN")]},
    }


def consent_named(name: str) -> tuple[str, ConsentPurpose] | None:
    """The patient's id and the purpose that a Consent's id is made of; None if it is none."""
    patient_id, _, purpose = name.rpartition(".")
    known = {each.value.replace("_", "-"): each for each in ConsentPurpose}
    return (patient_id, known[purpose]) if purpose in known else None


def searchset(base: str, found: Iterable[dict[str, Any]], links: Mapping[str, str]) -> dict[str, Any]:
    """A page of a search: resources, and where this page and the next one are."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
        "entry": [_entry(base, resource) for resource in found],
    }


def _entry(base: str, resource: dict[str, Any]) -> dict[str, Any]:
    kind, name = resource["resourceType"], resource.get("id")
    # An event is found, and has no address of its own.
    url = f"urn:uuid:{name}" if kind == "AuditEvent" else f"{base}/{kind}/{name}"
    return _given({"fullUrl": url if name else None, "resource": resource, "search": {"mode": "match"}})


def _group(segment: str, clinic: str) -> dict[str, Any]:
    return {
        "resourceType": "Group",
        "id": segment,
        "identifier": [{"system": f"{_OURS}:segment", "value": segment}],
        "type": "person",
        "actual": True,
        "managingEntity": _organization(clinic),
    }


def _member(member: Mapping[str, Any]) -> dict[str, Any]:
    reference = f"Patient/{member[Field.PATIENT_ID]}"
    return _given({"reference": reference, "display": member.get(Field.NAME)})


def _contacts(found: Any) -> list[dict[str, Any]]:
    """Whom to call; a text of an import, which may hold anything, as it is."""
    if not isinstance(found, list):
        return [{"name": text} for text in _texts(found)]
    return [_called(one) for one in found]


def _called(one: Mapping[str, str]) -> dict[str, Any]:
    point = _contact_point("phone", one["phone"])
    made = {"relationship": _texts(one["relationship"]), "name": {"text": one["name"]}}
    return _given({**made, "telecom": [point] if point else []})


def _contact_point(kind: str, value: str | None) -> dict[str, str] | None:
    return {"system": kind, "value": value} if value else None


def _organization(clinic: str) -> dict[str, Any]:
    return {"identifier": {"system": f"{_OURS}:clinic", "value": clinic}}


def _texts(text: str | None) -> list[dict[str, str]]:
    return [{"text": text}] if text else []


def _day(value: Any) -> str | None:
    return None if value is None else str(value)


def _given(made: dict[str, Any]) -> dict[str, Any]:
    """Without what is not there: FHIR knows neither null nor an empty list."""
    return {name: value for name, value in made.items() if value is not None and value != []}


def _coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}
