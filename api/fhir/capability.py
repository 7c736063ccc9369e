"""What /fhir can do, in FHIR's own words: the CapabilityStatement."""

from typing import Any

from api.fhir.outcomes import MEDIA_TYPE

FHIR_VERSION = "4.0.1"
# The day of the last change of what stands here.
_CHANGED = "2026-11-29"
_TOKEN, _DATE, _REFERENCE = "token", "date", "reference"  # nosec B105 # types of search parameters
# Resource, interactions, parameters with their types, what else there is to know.
_RESOURCES: tuple[tuple[str, tuple[str, ...], dict[str, str], str], ...] = (
    ("Group", ("read", "search-type"), {}, "Members of a segment now; a big one is pulled under /v1 instead."),
    ("Patient", ("read",), {}, "The name; the rest only while the patient shares the profile with the clinic."),
    ("Consent", ("read", "search-type"), {"patient": _REFERENCE}, "Whether a consent stands. A patient is required."),
    (
        "AuditEvent",
        ("read", "search-type"),
        {"patient": _REFERENCE, "agent": _REFERENCE, "date": _DATE, "outcome": _TOKEN, "subtype": _TOKEN},
        "The access log, for auditors; `agent:identifier` is who asked, `subtype` what was done.",
    ),
)


def statement(base: str) -> dict[str, Any]:
    """The CapabilityStatement of this instance, whose FHIR is reached at `base`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _CHANGED,
        "kind": "instance",
        "software": {"name": "Cloister"},
        "implementation": {"description": "A multi-clinic patient data platform, for reading", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": [MEDIA_TYPE, "json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "description": "A bearer token or an API key. Whoever is of several clinics names one by `clinic`.",
                },
                "resource": [_resource(*each) for each in _RESOURCES],
            }
        ],
    }


def _resource(kind: str, interactions: tuple[str, ...], parameters: dict[str, str], says: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": kind,
        "documentation": says,
        "interaction": [{"code": code} for code in interactions],
    }
    if parameters:
        made["searchParam"] = [{"name": name, "type": type_} for name, type_ in parameters.items()]
    return made
