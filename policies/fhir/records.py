"""A clinic's records of one patient as resources: appointments, answers, plans and what was done of them, consents.

Rows hold days and instants in ISO 8601, as JSON does. Each builder names the patient by a reference. What is
`confidential`, hidden from guardians, is labelled as restricted.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from policies.fhir.types import (
    ADHERENCE,
    ASSIGNED_ON,
    CONSENT_PURPOSE,
    DAY_ALONE,
    DUE_ON,
    LOINC,
    QUESTIONNAIRE,
    RECORD,
    SERVICE,
    TERMINOLOGY,
    Json,
    coding,
    concept,
    extension,
    known,
    labels,
    period,
    reference,
    unknown_value,
)

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_VIDEO = coding(f"{TERMINOLOGY}v3-ActCode", "VR", "virtual")
# What was begun, and what was completed: of the others there is no answer to carry.
ANSWERED = {"in_progress": "in-progress", "completed": "completed"}


def appointment(row: Mapping[str, Any], of: str, zone: ZoneInfo) -> Json:
    """An Appointment; one that has a day alone lasts that day, in the clinic's zone, and says so."""
    people: list[Json] = [{"actor": reference(of), "status": "accepted"}]
    if row["specialist"]:
        people.append({"actor": {"display": row["specialist"]}, "status": "accepted"})
    codes = [_VIDEO] if row["modality"] == "video" else []
    service = coding(SERVICE, row["service"], row["service_name"])
    return known(
        resourceType="Appointment",
        meta=labels(confidential=row["confidential"]),
        status=row["status"],
        serviceType=[concept(row["service"], *codes, service)],
        created=row["booked_on"],
        participant=people,
        **_when(row, zone),
    )


def _when(row: Mapping[str, Any], zone: ZoneInfo) -> Json:
    if row["starts_at"] is None:
        day = date.fromisoformat(row["starts_on"])
        start, end = (_midnight(each, zone) for each in (day, day + timedelta(days=1)))
        return {"start": start, "end": end, "extension": [extension(DAY_ALONE, valueBoolean=True)]}
    if row["ends_at"] is None:
        return {"start": row["starts_at"], "_end": unknown_value()}
    return {"start": row["starts_at"], "end": row["ends_at"]}


def _midnight(day: date, zone: ZoneInfo) -> str:
    return datetime.combine(day, time(), zone).isoformat()


def questionnaire_response(row: Mapping[str, Any], of: str) -> Json:
    """A QuestionnaireResponse of a form that was begun; `answers` are rows with `question` and one value."""
    asked = {question["id"]: question for question in row["questions"]}
    by_question: dict[str, list[Json]] = {}
    for answer in row["answers"]:
        by_question.setdefault(answer["question"], []).append(_answer(answer, asked.get(answer["question"], {})))
    items = [
        known(linkId=name, text=asked.get(name, {}).get("text"), answer=values) for name, values in by_question.items()
    ]
    days = {ASSIGNED_ON: row["assigned_on"], DUE_ON: row["due_on"]}
    return known(
        resourceType="QuestionnaireResponse",
        meta=labels(confidential=row["confidential"]),
        extension=[extension(url, valueDate=day) for url, day in days.items() if day],
        questionnaire=f"{QUESTIONNAIRE}{row['template']}|{row['template_version']}",
        status=ANSWERED[row["status"]],
        subject=reference(of),
        authored=row["completed_at"] or row["assigned_on"],
        item=items,
    )


def _answer(row: Mapping[str, Any], question: Mapping[str, Any]) -> Json:
    if row.get("number") is not None:
        return {"valueDecimal": row["number"]}
    if row.get("choice") is not None:
        texts = {option["value"]: option["text"] for option in question.get("options", [])}
        return {"valueCoding": known(code=row["choice"], display=texts.get(row["choice"]))}
    return {"valueDate": row["day"]} if row.get("day") is not None else {"valueString": row["body"]}


def care_plan(row: Mapping[str, Any], of: str, today: date) -> Json:
    """A CarePlan with its exercises; what was done of it is `adherence`'s."""
    over = row["ends_on"] is not None and date.fromisoformat(row["ends_on"]) < today
    return known(
        resourceType="CarePlan",
        meta=labels(confidential=row["confidential"]),
        status="completed" if over else "active",
        intent="plan",
        title=row["title"],
        subject=reference(of),
        period=period(row["starts_on"], row["ends_on"]),
        contributor=[{"display": row["prescribed_by"]}] if row["prescribed_by"] else None,
        activity=[{"detail": _exercise(exercise, over=over)} for exercise in row["exercises"]],
    )


def _exercise(row: Mapping[str, Any], *, over: bool) -> Json:
    repeat = {
        "boundsPeriod": period(row["starts_on"], row["ends_on"]),
        "frequency": row["times"],
        "period": 1,
        "periodUnit": "d",
        "dayOfWeek": [WEEKDAYS[day - 1] for day in row["weekdays"]],
    }
    return known(
        code=concept(row["name"]),
        status="completed" if over else "in-progress",
        description=row["instructions"],
        scheduledTiming={"repeat": repeat},
    )


def adherence(row: Mapping[str, Any], of: str, plan: str) -> Iterator[Json]:
    """An Observation for each of the `days` of a plan: how many exercises were done, of how many."""
    code = concept("Exercises done of those prescribed", coding(RECORD, ADHERENCE))
    for day in row["days"]:
        yield known(
            resourceType="Observation",
            meta=labels(confidential=row["confidential"]),
            status="final",
            basedOn=[reference(plan)],
            code=code,
            subject=reference(of),
            effectiveDateTime=day["day"],
            valueRatio={"numerator": {"value": day["done"]}, "denominator": {"value": day["prescribed"]}},
        )


def consent(row: Mapping[str, Any], of: str, clinic: str, signer: str | None) -> Json:
    """A Consent as it stands: purpose, version of the text, when it was signed or revoked, and by whom if that is told.

    `stands` says whether it is active. One that ended by itself has that end (`expires_at`), one that was revoked the
    time of the revocation, and none.
    """
    return known(
        resourceType="Consent",
        status="active" if row["stands"] else "inactive",
        scope=concept(None, coding(f"{TERMINOLOGY}consentscope", "patient-privacy")),
        category=[
            concept(None, coding(LOINC, "59284-0", "Consent Document")),
            concept(None, coding(CONSENT_PURPOSE, row["purpose"])),
        ],
        patient=reference(of),
        dateTime=row["occurred_at"],
        performer=[reference(signer)] if signer else None,
        organization=[reference(clinic)],
        policyRule=concept(row["text_version"]),
        provision={"period": {"end": row["expires_at"]}} if row["expires_at"] else None,
    )
