"""The document that a patient carries: a Bundle after HL7's International Patient Summary (IPS 2.0, FHIR R4).

Problems, allergies and medications are always sections of it, and say so where nothing is known; what this clinic has
besides are further sections. Ids are made for this document alone, so that no two documents share one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from policies.fhir import people, records
from policies.fhir.carried import Carried, Row
from policies.fhir.types import (
    LOINC,
    TERMINOLOGY,
    Json,
    coding,
    concept,
    is_restricted,
    joined,
    known,
    narrative,
    reference,
)

_PROBLEMS = ("Problems", "11450-4", "Problem list - Reported")
_ALLERGIES = ("Allergies", "48765-2", "Allergies and adverse reactions Document")
_MEDICATIONS = ("Medications", "10160-0", "History of Medication use Narrative")
_RESULTS = ("Blood type", "30954-2", "Relevant diagnostic tests/laboratory data Narrative")
_INSURANCE = ("Insurance", "48768-6", "Payment sources Document")
_VISITS = ("Appointments", "46240-8", "History of Hospitalizations+Outpatient visits Narrative")
_FORMS = ("Forms", "74465-6", "Questionnaire response Document")
_PLANS = ("Treatment plans", "18776-5", "Plan of care note")
_CONSENTS = ("Consents", "59284-0", "Consent Document")
# LOINC codes of the sections that are about a clinic's records, and of those that no document goes without.
OF_RECORDS = frozenset(code for _, code, _ in (_VISITS, _FORMS, _PLANS, _CONSENTS))
ALWAYS = frozenset(code for _, code, _ in (_PROBLEMS, _ALLERGIES, _MEDICATIONS))
_NOT_KNOWN, _NONE = "unavailable", "nilknown"
Title = tuple[str, str, str]


@dataclass
class _Document:
    """The resources so far, each under an id of its own."""

    fresh: Callable[[], str]
    entries: list[Json] = field(default_factory=list)
    sections: list[Json] = field(default_factory=list)

    def add(self, resource: Json) -> str:
        """Take a resource in; its full URL, by which others refer to it."""
        own = self.fresh()
        self.entries.append({"fullUrl": f"urn:uuid:{own}", "resource": {**resource, "id": own}})
        return f"urn:uuid:{own}"

    def section(self, title: Title, lines: Sequence[str], to: Sequence[str], nothing: str = "") -> None:
        """A section with these lines for people and these resources; where there is nothing, why."""
        name, code, display = title
        empty = concept(None, coding(f"{TERMINOLOGY}list-empty-reason", nothing)) if not to and nothing else None
        self.sections.append(
            known(
                title=name,
                code=concept(None, coding(LOINC, code, display)),
                text=narrative(lines),
                entry=[reference(each) for each in to],
                emptyReason=empty,
            )
        )


def document(carried: Carried, fresh: Callable[[], str]) -> Json:
    """The document Bundle; `fresh` makes a new random UUID at each call."""
    made = _Document(fresh)
    clinic = made.add(people.organization(carried.clinic))
    patient = made.add(people.patient(carried.profile, clinic))
    _add_profile(made, carried, patient)
    guardians = [made.add(people.guardian(row, patient)) for row in carried.guardians]
    _add_visits(made, carried, patient)
    _add_forms(made, carried, patient)
    _add_plans(made, carried, patient)
    _add_consents(made, carried, patient, clinic, guardians)
    hidden = any(is_restricted(entry["resource"]) for entry in made.entries)
    composition = {
        "resourceType": "Composition",
        "id": fresh(),
        **known(confidentiality="R" if hidden else None),
        "status": "final",
        "type": concept(None, coding(LOINC, "60591-5", "Patient summary Document")),
        "subject": reference(patient),
        "date": carried.at.isoformat(),
        "author": [reference(clinic)],
        "title": f"Patient summary of {carried.clinic}",
        "custodian": reference(clinic),
        "section": made.sections,
    }
    first = {"fullUrl": f"urn:uuid:{composition['id']}", "resource": composition}
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{fresh()}"},
        "type": "document",
        "timestamp": carried.at.isoformat(),
        "entry": [first, *made.entries],
    }


def _add_profile(made: _Document, carried: Carried, patient: str) -> None:
    profile = carried.profile
    _add_list(made, _PROBLEMS, profile.get("chronic_conditions"), lambda text: people.condition(text, patient))
    _add_list(made, _ALLERGIES, profile.get("allergies"), lambda text: people.allergy(text, patient))
    made.section(_MEDICATIONS, ["Not kept here."], [], _NOT_KNOWN)
    if (blood := profile.get("blood_type")) is not None:
        made.section(_RESULTS, [f"Blood type {blood}"], [made.add(people.blood_type(blood, patient))])
    if (insured := people.coverage(profile, patient)) is not None:
        told = joined([profile.get("insurance_type"), profile.get("insurance_payer")])
        made.section(_INSURANCE, [told], [made.add(insured)])


def _add_list(made: _Document, title: Title, texts: Sequence[str] | None, build: Callable[[str], Json]) -> None:
    """A section of what the person says; an empty list says that there is none, no list that nobody knows."""
    if texts:
        made.section(title, texts, [made.add(build(text)) for text in texts])
    elif texts is None:
        made.section(title, ["Not known."], [], _NOT_KNOWN)
    else:
        made.section(title, ["None, as the person says."], [], _NONE)


def _add_visits(made: _Document, carried: Carried, patient: str) -> None:
    rows = carried.appointments
    if rows:
        lines = [joined([row["starts_at"] or row["starts_on"], row["service_name"], row["status"]]) for row in rows]
        to = [made.add(records.appointment(row, patient, carried.zone)) for row in rows]
        made.section(_VISITS, lines, to)


def _add_forms(made: _Document, carried: Carried, patient: str) -> None:
    if carried.forms:
        begun = [row for row in carried.forms if row["status"] in records.ANSWERED]
        lines = [joined([row["title"], row["status"], row["assigned_on"]]) for row in carried.forms]
        made.section(_FORMS, lines, [made.add(records.questionnaire_response(row, patient)) for row in begun])


def _add_plans(made: _Document, carried: Carried, patient: str) -> None:
    today, to = carried.at.astimezone(carried.zone).date(), []
    for row in carried.plans:
        plan = made.add(records.care_plan(row, patient, today))
        to += [plan, *(made.add(day) for day in records.adherence(row, patient, plan))]
    if to:
        made.section(_PLANS, [_plan_line(row) for row in carried.plans], to)


def _plan_line(row: Row) -> str:
    done, asked = (sum(day[name] for day in row["days"]) for name in ("done", "prescribed"))
    return joined([row["title"], row["starts_on"], f"{done} of {asked} exercises done" if asked else None])


def _add_consents(made: _Document, carried: Carried, patient: str, clinic: str, guardians: Sequence[str]) -> None:
    """Who signed is told if it is the patient, or a guardian of the document."""
    signers = {"self": patient, **{row["id"]: to for row, to in zip(carried.guardians, guardians, strict=True)}}
    rows = carried.consents
    if rows:
        to = [made.add(records.consent(row, patient, clinic, signers.get(row["signer"]))) for row in rows]
        states = {True: "stands", False: "does not stand"}
        lines = [joined([row["purpose"].replace("_", " "), states[row["stands"]], row["occurred_at"]]) for row in rows]
        made.section(_CONSENTS, lines, to)
