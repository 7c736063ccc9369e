"""Guardians by law of a clinic's patients: an admin proposes one, a manager confirms it, either ends it."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.legal_guardians import service
from api.legal_guardians.schemas import Confirming, EndingByLaw, Proposing
from api.pages.code_words import BASES, REASONS
from api.pages.faults import Faults, of, one, read_as
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.services import Services, Serving
from infra.errors import InvalidInput, NotThere, Refused
from policies.words import Role

router = APIRouter(prefix="/clinics/{clinic}/legal-guardians")

Typed = Annotated[str, Form(max_length=300)]
REFUSED = {
    "own_proposal": N_("You, or who made you a manager, proposed this: somebody else confirms it."),
    "new_manager": N_("Who was made a manager by an administrator confirms this after 30 days: somebody else can."),
    "not_of_age": N_("Only who is known to be of age has a guardian by law. The clinic can enter the birth date."),
}
GONE = N_("This does not wait any more, or there is no such patient.")


@router.get("")
async def legal_guardians_page(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """What is proposed, confirmed or stands."""
    return await _page(request, serving, visiting, clinic)


@router.post("")
async def propose(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    patient: Typed = "",
    basis: Typed = "",
    until: Typed = "",
    email: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Propose one, by the clinic's id of the patient."""
    visiting.sent(csrf)
    typed = {"basis": basis, "until": until, "email": email}
    asked, faults = read_as(Proposing, typed)
    kept: dict[str, Any] = {"typed": {**typed, "patient": patient}, "faults": faults}
    if asked is None:
        return await _page(request, serving, visiting, clinic, 422, **kept)
    try:
        await service.propose(serving, visiting.caller, clinic, patient.strip(), asked)
    except InvalidInput as error:
        return await _page(request, serving, visiting, clinic, 422, **{**kept, "faults": of(error)})
    except (NotThere, Refused) as error:
        return await _refused(request, serving, visiting, clinic, error, **kept)
    return RedirectResponse(f"/clinics/{clinic}/legal-guardians", 303)


@router.post("/{legal_guardian}/confirm")
async def confirm(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    legal_guardian: str,
    document: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Confirm a proposal by its document."""
    visiting.sent(csrf)
    asked, faults = read_as(Confirming, {"document": document})
    if asked is None:
        return await _page(request, serving, visiting, clinic, 422, confirming=legal_guardian, faults=faults)
    try:
        await service.confirm(serving, visiting.caller, clinic, legal_guardian, asked)
    except (NotThere, Refused) as error:
        return await _refused(request, serving, visiting, clinic, error)
    return RedirectResponse(f"/clinics/{clinic}/legal-guardians", 303)


@router.post("/{legal_guardian}/end")
async def end(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    legal_guardian: str,
    reason: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """End one, or take it back."""
    visiting.sent(csrf)
    try:
        asked = one(EndingByLaw, {"reason": reason})
        await service.end(serving, visiting.caller, clinic, legal_guardian, asked)
    except NotThere as error:
        return await _refused(request, serving, visiting, clinic, error)
    return RedirectResponse(f"/clinics/{clinic}/legal-guardians", 303)


async def _refused(
    request: Request, serving: Services, visiting: Visitor, clinic: str, error: NotThere | Refused, **values: Any
) -> Response:
    # Whoever may not see the list is told nothing by it.
    status, why = (409, REFUSED.get(error.rule, GONE)) if isinstance(error, Refused) else (404, GONE)
    return await _page(request, serving, visiting, clinic, status, refused=why, **values)


async def _page(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    status: int = 200,
    faults: Faults | None = None,
    **values: Any,
) -> Response:
    found = await service.review(serving, visiting.caller, clinic)
    manages = clinic in visiting.caller.principal.subject.clinics(Role.CLINIC_MANAGER)
    return page(
        request, "manager/legal_guardians.html", status, visitor=visiting, clinic=await serving.directory.find(clinic),
        guardians=found.guardians, manages=manages, bases=BASES, reasons=REASONS, faults=faults, **values,
    )  # fmt: skip
