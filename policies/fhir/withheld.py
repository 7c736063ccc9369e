"""A carried document for a clinic that may not see the profile: the records that it is about, and nothing of the person
but the name.

What is shown is listed, so that a document of another make shows no more than that, and nothing that may mean the
opposite by what is not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.fhir.summary import ALWAYS, OF_RECORDS
from policies.fhir.types import (
    ABSENT,
    ADHERENCE,
    ASSIGNED_ON,
    DAY_ALONE,
    DUE_ON,
    LOINC,
    RECORD,
    TERMINOLOGY,
    Json,
    coding,
    concept,
    modified_by,
    narrative,
)

REDACTED = coding(f"{TERMINOLOGY}v3-ObservationValue", "REDACTED", "redacted")
_RECORDS = frozenset({"Appointment", "CarePlan", "Consent", "Organization", "QuestionnaireResponse"})
_OF_BUNDLE = ("resourceType", "id", "identifier", "type", "timestamp")
_OF_PATIENT = ("resourceType", "id", "name", "managingOrganization")
_OF_COMPOSITION = (
    "resourceType", "id", "status", "type", "subject", "date", "author", "title", "custodian",
    "confidentiality",
)  # fmt: skip
_CLINICS = {"Composition": ("author", "custodian"), "Patient": ("managingOrganization",)}
_OF_SECTION = ("title", "code", "entry", "emptyReason")
# What repeats elements in words, or holds resources that nobody looked at.
_UNLOOKED = frozenset({"text", "contained"})
# Who treats the patient is told by name where there is no resource to refer to; nobody and nothing else is.
_TREATING = frozenset({"actor", "author", "contributor"})
_FAMILY = ("Patient", "RelatedPerson")
# Another one may hold anything, such as a contact.
_EXTENSIONS = (ABSENT, ASSIGNED_ON, DAY_ALONE, DUE_ON)
_REFERENCE = frozenset({"id", "extension", "type", "identifier", "display"})


def without_profile(bundle: Json) -> Json:
    """A document Bundle without profile and contacts, of the patient or of anybody else, and labelled as redacted."""
    entries = [entry for entry in bundle.get("entry", []) if not modified_by(entry) and _is_shown(entry["resource"])]
    clinics = {to for entry in entries for to in _clinics(entry["resource"])}
    entries = [each for each in entries if each["resource"]["resourceType"] != "Organization" or clinics & _urls(each)]
    urls = {url for entry in entries for url in _urls(entry)}
    shown = [
        {**_some(entry, ("fullUrl",)), "resource": _linked(_shown(entry["resource"], urls), urls)} for entry in entries
    ]
    return {**_some(bundle, _OF_BUNDLE), "meta": {"security": [REDACTED]}, "entry": shown}


def _is_shown(resource: Json) -> bool:
    kind = resource["resourceType"]
    done = kind == "Observation" and (RECORD, ADHERENCE) in _codes(resource)
    return done or kind in _RECORDS or kind in ("Composition", "Patient")


def _clinics(resource: Json) -> Iterator[str]:
    """References to the clinics of a document: who made it and keeps it, and who manages the patient's record."""
    for name in _CLINICS.get(resource["resourceType"], ()):
        told = resource.get(name, [])
        yield from (each["reference"] for each in (told if isinstance(told, list) else [told]) if "reference" in each)


def _urls(entry: Json) -> set[str]:
    """By what others refer to an entry: its full URL, or type and id, be it relative to a server or of the document."""
    resource, url = entry["resource"], entry.get("fullUrl", "")
    return {url, "/".join(url.split("/")[-2:]), f"{resource['resourceType']}/{resource.get('id', '')}"}


def _shown(resource: Json, urls: set[str]) -> Json:
    if resource["resourceType"] == "Patient":
        return _some(resource, _OF_PATIENT)
    if resource["resourceType"] == "Composition":
        return {**_some(resource, _OF_COMPOSITION), "section": [*_sections(resource, urls)]}
    return {name: value for name, value in resource.items() if name not in _UNLOOKED}


def _sections(composition: Json, urls: set[str]) -> Iterator[Json]:
    """Those of records, and those that every document has without what they say; no others, and none within them.

    What one says in words stays only if all that it is about does.
    """
    for section in composition.get("section", []):
        codes = {code for system, code in _codes(section) if system == LOINC}
        left = [each.get("reference") in urls for each in section.get("entry", [])]
        if codes & OF_RECORDS and all(left):
            yield _some(section, (*_OF_SECTION, "text"))
        elif codes & OF_RECORDS and any(left):
            yield _some(section, _OF_SECTION)
        elif codes & (OF_RECORDS | ALWAYS):
            withheld = concept(None, coding(f"{TERMINOLOGY}list-empty-reason", "withheld", "Information Withheld"))
            told = narrative(["Not shared with this clinic."])
            yield {**_some(section, ("title", "code")), "text": told, "emptyReason": withheld}


def _codes(element: Json) -> Iterator[tuple[str, str]]:
    for each in element.get("code", {}).get("coding", []):
        yield each.get("system", ""), each.get("code", "")


def _some(element: Json, names: tuple[str, ...]) -> Json:
    return {name: element[name] for name in names if name in element}


def _linked(value: Any, urls: set[str], name: str = "") -> Any:
    """An element whose references lead to what is shown, and say no more; FHIR has no empty elements."""
    if isinstance(value, list):
        return [left for each in value if (left := _linked(each, urls, name)) not in ({}, [], None)]
    if not isinstance(value, Mapping):
        return value
    if isinstance(to := value.get("reference"), str):
        return {"reference": to} if to in urls else None
    if value.keys() & {"identifier", "display"} and value.keys() <= _REFERENCE:
        treats = name in _TREATING and value.get("type") not in _FAMILY
        return _some(dict(value), ("display",)) if treats else None
    if name == "extension" and value.get("url") not in _EXTENSIONS:
        return None
    left = {part: _linked(each, urls, part) for part, each in value.items()}
    return {part: each for part, each in left.items() if each not in ({}, [], None)}
