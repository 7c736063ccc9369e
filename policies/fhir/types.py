"""FHIR's data types as every builder writes them, and the systems of codes that they name.

A code of ours is in a system `urn:cloister:…`; an extension of ours has an address that begins alike.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Json = dict[str, Any]

CHANGES = "changes the meaning in a way that is not known here"

LOINC = "http://loinc.org"
SERVICE = "urn:cloister:service"
CONSENT_PURPOSE = "urn:cloister:consent-purpose"
QUESTIONNAIRE = "urn:cloister:questionnaire/"
RECORD = "urn:cloister:record"
ADHERENCE = "adherence"
# That an appointment has a day and no time of day: its start and end are that day's.
DAY_ALONE = "urn:cloister:extension:day-alone"
# That a birth date is an estimate.
ESTIMATED = "urn:cloister:extension:birth-date-estimated"
ASSIGNED_ON = "urn:cloister:extension:assigned-on"
DUE_ON = "urn:cloister:extension:due-on"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
CONFIDENTIALITY = f"{TERMINOLOGY}v3-Confidentiality"
# Restricted, and very restricted: hidden from guardians here.
_RESTRICTED = ("R", "V")
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
# What XML 1.0 cannot hold, whatever came to be stored.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def coding(system: str, code: str, display: str | None = None) -> Json:
    """A Coding."""
    return known(system=system, code=code, display=display)


def concept(text: str | None = None, *codings: Json) -> Json:
    """A CodeableConcept: what people said, and codes for it."""
    return known(coding=list(codings), text=text)


def reference(to: str, display: str | None = None) -> Json:
    """A reference to another resource of the document, by its full URL."""
    return known(reference=to, display=display)


def period(start: str | None, end: str | None) -> Json | None:
    """A Period, if either end is known."""
    return known(start=start, end=end) or None


def extension(url: str, **value: Any) -> Json:
    """An extension with one value, such as `valueDate`."""
    return {"url": url, **value}


def unknown_value() -> Json:
    """What stands beside a value that is not known, for the underscored name of its element."""
    return {"extension": [extension(ABSENT, valueCode="unknown")]}


def labels(*, confidential: bool) -> Json | None:
    """The Meta of a resource that guardians of the patient are not to see; none of another."""
    return {"security": [coding(CONFIDENTIALITY, "R", "restricted")]} if confidential else None


def is_restricted(resource: Mapping[str, Any]) -> bool:
    """Whether a resource or Bundle, whoever made it, is labelled so, or a Composition says so of its document."""
    if resource.get("resourceType") == "Composition" and resource.get("confidentiality") in _RESTRICTED:
        return True
    meta = resource.get("meta")
    given = meta.get("security") if isinstance(meta, Mapping) else None
    found = [label for label in (given if isinstance(given, list) else []) if isinstance(label, Mapping)]
    return any(label.get("system") == CONFIDENTIALITY and label.get("code") in _RESTRICTED for label in found)


def modified_by(resource: Json) -> str | None:
    """What makes a resource or a part of it mean another thing than it says, in a way that is not known here.

    `implicitRules` or `modifierExtension`, by which whoever does not know them must not go by the rest (FHIR R4,
    Extensibility and Resource); None if it means what it says.
    """
    waiting: list[Any] = [resource]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            if found := next((name for name in ("implicitRules", "modifierExtension") if part.get(name)), None):
                return found
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return None


def known(**fields: Any) -> Json:
    """The fields that have a value: FHIR has neither null nor empty lists."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def narrative(lines: Iterable[str], status: str = "generated") -> Json:
    """A Narrative that lists these texts, escaped."""
    items = "".join(f"<li>{escape(_NO_XML.sub('�', line))}</li>" for line in lines)
    return {"status": status, "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def joined(parts: Sequence[Any]) -> str:
    """Parts of a line with a comma between, without those that are not known."""
    return ", ".join(str(part) for part in parts if part not in (None, ""))
