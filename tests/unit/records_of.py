"""A patient and records, as the reference takes them."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from policies.segments.measure import FactTable
from policies.segments.reference import Patient
from policies.segments.values import Row

AS_OF = date(2024, 5, 31)
PROFILE = ("birth_date", "sex", "blood_type", "insurance_type", "chronic_conditions", "allergies")


def patient(facts: dict[FactTable, list[Row]] | None = None, **columns: Any) -> Patient:
    known = {"registered_on": date(2020, 1, 1), **dict.fromkeys(PROFILE), **columns}
    return Patient(known, facts or {})


def visit(number: int, starts_on: str, status: str = "fulfilled", **more: Any) -> Row:
    ids = {"appointment_id": UUID(int=number), "service": "physio", "modality": "video", "status": status}
    return {**ids, "starts_on": date.fromisoformat(starts_on), **more}


def form(number: int, assigned_on: str, status: str = "pending", **more: Any) -> Row:
    days = {"assigned_on": date.fromisoformat(assigned_on), "due_on": None, "completed_on": None}
    return {"form_id": UUID(int=number), "template": "intake", "status": status, **days, **more}


def answer(index: int, at: str, **more: Any) -> Row:
    given = datetime.fromisoformat(at).replace(tzinfo=UTC)
    ids = {"answer_id": UUID(int=index), "form_id": UUID(int=index), "template": "pain", "question": "score"}
    values = {"number": None, "choice": None, "body": None, "day": None}
    return {**ids, "answered_at": given, "answered_on": given.date(), **values, **more}


def exercises(plan: int, day: str, done: int = 1, prescribed: int = 2) -> Row:
    return {"plan_id": UUID(int=plan), "day": date.fromisoformat(day), "done": done, "prescribed": prescribed}
