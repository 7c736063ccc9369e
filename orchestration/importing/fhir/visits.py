"""Appointments, and encounters that had none."""

from collections.abc import Iterator
from typing import Any

from orchestration.importing.fhir.index import places_of
from orchestration.importing.fhir.rows import Left, Row, Source, Unfit, patient_named, required
from orchestration.importing.fhir.values import Body, an_object, codes, first, hidden, objects, start_of, text_of
from policies.fhir.types import DAY_ALONE, is_restricted

_APPOINTMENT = {
    "proposed": "booked", "pending": "booked", "booked": "booked", "waitlist": "booked", "arrived": "arrived",
    "checked-in": "arrived", "fulfilled": "fulfilled", "cancelled": "cancelled", "noshow": "noshow",
}  # fmt: skip
_ENCOUNTER = {
    "planned": "booked", "arrived": "arrived", "triaged": "arrived", "in-progress": "arrived", "onleave": "arrived",
    "finished": "fulfilled", "cancelled": "cancelled", "unknown": "arrived",
}  # fmt: skip
VIRTUAL = "VR"


def appointment(body: Body, source: Source) -> Iterator[Row]:
    """An appointment as it was booked."""
    service = text_of(first(body.get("serviceType"))) or text_of(body.get("appointmentType")) or body.get("description")
    video = any(VIRTUAL in codes(each) for each in objects(body.get("serviceType")))
    start = body.get("start")
    if isinstance(start, str) and any(each.get("url") == DAY_ALONE for each in objects(body.get("extension"))):
        start = start[: len("2000-01-01")]
    yield _visit(body, source, _status(body, _APPOINTMENT), service, start, body.get("created"), video=video)


def encounter(body: Body, source: Source) -> Iterator[Row]:
    """A visit that nobody had booked, as far as the source says."""
    if body.get("appointment"):
        booked = [source.index.named(each, "Appointment") for each in objects(body["appointment"])]
        if is_restricted(body) and not all(source.index.is_restricted(each) for each in booked):
            raise Unfit("meta.security: is restricted, and its Appointment is not")
        raise Left("Encounter of an Appointment")
    start, video = start_of(body.get("period")), an_object(body.get("class")).get("code") == VIRTUAL
    yield _visit(body, source, _status(body, _ENCOUNTER), text_of(first(body.get("type"))), start, start, video=video)


def _status(body: Body, known: dict[str, str]) -> str:
    status = body.get("status")
    if status == "entered-in-error":
        raise Left(f"{body['resourceType']} that is {status}")
    if status not in known:
        raise Unfit("status: is none of R4")
    return known[status]


def _visit(body: Body, source: Source, status: str, service: Any, start: Any, booked: Any, *, video: bool) -> Row:
    key = patient_named(body, source)
    patient = key.partition("/")[2]
    places = places_of(body, source.index)
    clinic = source.index.clinic_of_places(places, key)
    if clinic is None:
        raise Unfit("place: is no clinic of the mapping" if places else "clinic: is named nowhere")
    if not isinstance(start, str):
        raise Unfit("start: is missing")
    timed, day = "T" in start, source.day(start)
    told = {
        "source_id": patient,
        "record_id": f"{body['resourceType']}/{required(body)}",
        "service": service,
        "modality": "video" if video else "in_person",
        "specialist": _specialist(body),
        "status": status,
        "booked_on": source.day(booked) if booked and (not timed or "T" not in str(booked)) else None,
        "booked_at": booked if booked and timed and "T" in str(booked) else None,
        "starts_on": None if timed else day,
        "starts_at": start if timed else None,
        **hidden(body),
    }
    if not booked:
        told |= {"booked_on": None if timed else day, "booked_at": start if timed else None}
    return Row(("appointment",), clinic, {"appointment": told})


def _specialist(body: Body) -> str | None:
    """Who the patient came to: the primary performer of an encounter, a practitioner of an appointment."""
    for each in objects(body.get("participant")):
        person = an_object(each.get("individual") or each.get("actor"))
        name, whom = person.get("display"), str(person.get("reference", "Practitioner"))
        if whom.startswith("Practitioner") and isinstance(name, str):
            return name[:200]
    return None
