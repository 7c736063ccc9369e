"""An event as a FHIR R4 AuditEvent, after IHE's Basic Audit Log Patterns (BALP).

A read of one patient that was permitted follows `IHE.BasicAudit.PatientRead`. That profile is of successes, of one
patient and of a client with an address: other events say as much, and claim no profile. Patients are named by their
clinic's id. https://profiles.ihe.net/ITI/BALP/
"""

from typing import Any

from api.audit.schemas import ExportedEvent
from policies.words import Decision, Purpose

PATIENT_READ = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_OURS = "urn:cloister"
# The last word of an action, as FHIR's action codes and restful interactions have it; others execute something.
_INTERACTIONS = {
    **dict.fromkeys(("read", "check", "review", "history"), ("R", "read")),
    **dict.fromkeys(("list", "search"), ("E", "search-type")),
    **dict.fromkeys(("add", "save", "assign", "book", "sign", "publish", "open"), ("C", "create")),
    **dict.fromkeys(("change", "edit", "hide", "answer", "tick", "correct", "attend", "revoke"), ("U", "update")),
    **dict.fromkeys(("delete",), ("D", "delete")),
}
_PURPOSES = {
    Purpose.CARE: "TREAT",
    Purpose.OPERATIONS: "HOPERAT",
    Purpose.COMMUNICATIONS: "HOPERAT",
    Purpose.AUDIT: "HCOMPL",
    Purpose.PATIENT_REQUEST: "PATRQT",
}


def audit_event(event: ExportedEvent) -> dict[str, Any]:
    """The AuditEvent of an event, as JSON's shapes."""
    action, interaction = _INTERACTIONS.get(event.action.rpartition(".")[2], ("E", None))
    permitted = event.decision == Decision.PERMIT
    found: dict[str, Any] = {"resourceType": "AuditEvent", "id": str(event.event_id)}
    if permitted and action == "R" and len(event.patient_ids) == 1 and event.origin:
        found["meta"] = {"profile": [PATIENT_READ]}
    subtype = [_coding(f"{_OURS}:action", event.action)]
    if interaction:
        subtype.insert(0, _coding("http://hl7.org/fhir/restful-interaction", interaction))
    return found | {
        "type": _coding(f"{_HL7}/audit-event-type", "rest", "Restful Operation"),
        "subtype": subtype,
        "action": action,
        "recorded": event.occurred_at.isoformat(),
        "outcome": "0" if permitted else "4",
        **({} if permitted else {"outcomeDesc": "denied"}),
        "agent": [_user(event, action), *_machines(event, action)],
        "source": {
            "site": event.organisation or "cloister",
            "observer": _named("cloister"),
            "type": [_coding(f"{_HL7}/security-source-type", "4", "Application Server")],
        },
        "entity": _entities(event),
    }


def _user(event: ExportedEvent, action: str) -> dict[str, Any]:
    recipient = action in ("R", "E")
    kind = ("IRCP", "information recipient") if recipient else ("AUT", "author (originator)")
    who: dict[str, Any] = {"display": event.principal or event.principal_kind}
    if event.principal_id:
        who["identifier"] = {"system": f"{_OURS}:principal", "value": str(event.principal_id)}
    agent = {
        "type": {"coding": [_coding(f"{_HL7}/v3-ParticipationType", *kind)]},
        "role": [{"coding": [_coding(f"{_OURS}:role", event.role)]}],
        "who": who,
        "requestor": True,
        "policy": [f"{_OURS}:policy:{name}" for name in event.policies],
    }
    if event.purpose:
        code = _PURPOSES[Purpose(event.purpose)]
        agent["purposeOfUse"] = [{"coding": [_coding(f"{_HL7}/v3-ActReason", code)], "text": event.purpose}]
    return {name: value for name, value in agent.items() if value != []}


def _machines(event: ExportedEvent, action: str) -> list[dict[str, Any]]:
    """The client and the server: data flows to whoever reads it, and from whoever writes it."""
    to, of = ("110152", "Destination Role ID"), ("110153", "Source Role ID")
    client, server = (to, of) if action == "R" else (of, to)
    machines = [
        {
            "type": {"coding": [_coding(_DICOM, *server)]},
            "who": _named("cloister"),
            "requestor": False,
            "network": {"address": "cloister", "type": "1"},
        }
    ]
    if event.origin:
        address = {"address": event.origin, "type": "2"}
        machines.append(
            {
                "type": {"coding": [_coding(_DICOM, *client)]},
                "who": _named(event.session_id or event.principal_kind),
                "requestor": False,
                "network": address,
            }
        )
    return machines


def _entities(event: ExportedEvent) -> list[dict[str, Any]]:
    """The patients disclosed, what was asked for, with its categories, and the request."""
    person, thing = (
        _coding(f"{_HL7}/audit-entity-type", "1", "Person"),
        _coding(f"{_HL7}/audit-entity-type", "2", "System Object"),
    )
    entities: list[dict[str, Any]] = [
        {"what": {"reference": f"Patient/{patient}"}, "type": person, "role": _role("1", "Patient")}
        for patient in event.patient_ids
    ]
    name = "/".join(part for part in (event.clinic, event.resource_type, event.resource_id) if part)
    data: dict[str, Any] = {
        "what": {"identifier": {"system": f"{_OURS}:resource", "value": name}},
        "type": thing,
        "role": _role("4", "Domain Resource"),
    }
    if event.categories:
        data["securityLabel"] = [_coding(f"{_OURS}:category", category) for category in event.categories]
    entities.append(data)
    if event.request_id:
        kind = _coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
        entities.append({"what": {"identifier": {"value": str(event.request_id)}}, "type": kind})
    return entities


def _role(code: str, display: str) -> dict[str, str]:
    return _coding(f"{_HL7}/object-role", code, display)


def _named(display: str) -> dict[str, str]:
    return {"display": display}


def _coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}
