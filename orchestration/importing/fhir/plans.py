"""Treatment plans, and what was asked for and done of them, a day at a time."""

from collections.abc import Iterator
from typing import Any

from orchestration.importing.fhir.rows import Left, NotYet, Row, Source, clinic_and_patient, required
from orchestration.importing.fhir.values import (
    Body,
    an_object,
    coded,
    end_of,
    first,
    hidden,
    objects,
    start_of,
    text_of,
    whole,
)
from policies.fhir.types import ADHERENCE, RECORD

_NEVER = {"entered-in-error", "revoked", "draft"}
# A request that has not come yet, or an identifier that nothing has yet, may lead to a plan.
_LEADING = ("ServiceRequest", "CarePlan?")


def care_plan(body: Body, source: Source) -> Iterator[Row]:
    """A plan, named by its title or by what it is about."""
    if body.get("status") in _NEVER:
        raise Left(f"CarePlan that is {body['status']}")
    clinic, patient = clinic_and_patient(body, source)
    # The first category says that it is a plan; what it is about comes after it.
    about = [text_of(each) for each in objects(body.get("category"))]
    told = {
        "source_id": patient,
        "record_id": required(body),
        "title": body.get("title") or next((each for each in reversed(about) if each), None),
        "starts_on": source.day(whole(start_of(body.get("period")) or body.get("created"))),
        "ends_on": source.day(whole(end_of(body.get("period")))),
        "specialist": an_object(first(body.get("contributor"))).get("display"),
        **hidden(body),
    }
    yield Row(("plan",), clinic, {"plan": told})


def service_request(body: Body, source: Source) -> Iterator[Row]:
    """What a plan asks for on a day."""
    plan = _plan(body, source)
    source.index.note_request(f"ServiceRequest/{required(body)}", plan)
    day = source.day(body.get("occurrenceDateTime") or start_of(body.get("occurrencePeriod")))
    if body.get("status") in _NEVER or day is None:
        raise Left("ServiceRequest of no day")
    yield _on_a_day(body, source, plan, day, "presumed", done=body.get("status") == "completed")


def procedure(body: Body, source: Source) -> Iterator[Row]:
    """What was done of a plan on a day, or was not."""
    plan = _plan(body, source)
    if body.get("status") not in ("completed", "not-done"):
        raise Left("Procedure that is neither done nor left undone")
    day = source.day(body.get("performedDateTime") or start_of(body.get("performedPeriod")))
    yield _on_a_day(body, source, plan, day, "done", done=body["status"] == "completed")


def is_adherence(body: Body) -> bool:
    """Whether an observation is of what was done of a plan, as our own exports have it."""
    return f"{RECORD}|{ADHERENCE}" in coded(body.get("code"))


def adherence(body: Body, source: Source) -> Iterator[Row]:
    """How many exercises of a plan were done on a day, of how many."""
    plan, (clinic, patient) = _plan(body, source), clinic_and_patient(body, source)
    ratio = an_object(body.get("valueRatio"))
    done, prescribed = (an_object(ratio.get(part)).get("value") for part in ("numerator", "denominator"))
    told = {"source_id": patient, "plan_id": plan, "day": source.day(body.get("effectiveDateTime"))}
    yield Row(("adherence",), clinic, {"adherence": {**told, "prescribed": prescribed, "done": done}})


def _plan(body: Body, source: Source) -> str:
    """The plan that it is part of, directly or by way of a request."""
    found = [source.index.means(each, "CarePlan") for each in objects(body.get("basedOn"))]
    keys = [key for key in found if key]
    for key in keys:
        if (plan := source.index.plan_of(key)) is not None:
            return plan
        if key.startswith("CarePlan/"):
            return key.partition("/")[2]
    of_none = Left(f"{body['resourceType']} of no plan")
    raise NotYet(of_none) if any(key.startswith(_LEADING) for key in keys) else of_none


def _on_a_day(body: Body, source: Source, plan: str, day: Any, field: str, *, done: bool) -> Row:
    clinic, patient = clinic_and_patient(body, source)
    told = {"source_id": patient, "plan_id": plan, "day": day, "prescribed": "1", field: str(int(done))}
    return Row(("adherence",), clinic, {"adherence": told})
