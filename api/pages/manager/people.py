"""Patients of a segment one by one: why somebody is in it or not, and for whom that is undecided."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.forms import service as forms
from api.forms.schemas import Assigning
from api.messages import service as messages
from api.pages.texts import N_
from api.pages.visitors import Csrf, Cursor, Visiting, page
from api.segments import explaining_service as explaining
from api.segments import service as segments
from api.segments.explaining_schemas import Part
from api.services import Serving
from infra.errors import InvalidInput, Refused

PATIENTS_A_PAGE = 50
# What became of asking a patient, by the word in the address that the form leads to.
ASKED = {
    "consent": N_("The patient is asked to sign, by whatever address there is."),
    "form": N_("The patient has the form now, and is told so."),
    "already": N_("The patient was asked already, a short while ago."),
    "none": N_("The clinic has no such form to send."),
}

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}")


@router.get("/patients/{patient}")
async def explanation_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str, patient: str
) -> Response:
    """Why a patient is in the segment, or not: each condition, its value, its records, when it changes."""
    found = await explaining.explain_patient(serving, visiting.caller, clinic, segment, patient)
    known = await segments.read_segment(serving, visiting.caller, clinic, segment)
    return page(
        request,
        "manager/explanation.html",
        visitor=visiting,
        clinic=known.clinic,
        segment=known.segments[0],
        found=found,
        lines=list(_lines(found.explanation)),
        named={slug: list(_lines(part)) for slug, part in found.named.items()},
    )


@router.get("/undecided")
async def undecided_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    cursor: Cursor = None,
    asked: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """For whom the segment is undecided, what is missing, and buttons to ask for it."""
    found = await explaining.list_undecided(serving, visiting.caller, clinic, segment, PATIENTS_A_PAGE, cursor)
    known = await segments.read_segment(serving, visiting.caller, clinic, segment)
    return page(
        request,
        "manager/undecided.html",
        visitor=visiting,
        clinic=known.clinic,
        segment=known.segments[0],
        found=found,
        said=ASKED.get(asked),
        first=cursor is None,
    )


@router.post("/undecided/{patient}")
async def ask(
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    patient: str,
    form: Annotated[str, Form(max_length=100)] = "",
    csrf: Csrf = "",
) -> Response:
    """Have a patient sign the consent that is missing, or answer the form."""
    visiting.sent(csrf)
    try:
        if form:
            assigned = await forms.assign(serving, visiting.caller, clinic, patient, Assigning(templates=[form]))
            word = "form" if assigned.forms else "already"
        else:
            await messages.request_consent(serving, visiting.caller, clinic, patient)
            word = "consent"
    except Refused:
        word = "already"
    except InvalidInput:
        word = "none"
    return RedirectResponse(f"/clinics/{clinic}/segments/{segment}/undecided?asked={word}", 303)


def _lines(part: Part, depth: int = 0) -> Any:
    """A rule's parts from above to below, each with how deep it stands."""
    yield depth, part
    for inner in part.parts:
        yield from _lines(inner, depth + 1)
