"""Families: who is in one's care, who cares for oneself, and the codes by which somebody becomes a guardian."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.families import service
from api.families.schemas import Ending, Invitation, Joining, NewDependent
from api.idempotency import key_after
from api.legal_guardians import service as legal_guardians
from api.me import service as me
from api.pages.code_words import BASES, REASONS
from api.pages.faults import of, one, read_as
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.texts import N_
from api.pages.visitors import Csrf, visitor
from api.services import Services, Serving
from infra.errors import InvalidInput, NotThere, Refused

router = APIRouter(prefix="/family")
own = APIRouter(prefix="/family")
of_dependents = APIRouter(prefix="/family")
linked = APIRouter()

Typed = Annotated[str, Form(max_length=300)]

REFUSED = {
    "last_guardian": N_(
        "You are the last guardian of a clinic's patient who has no account. Invite another one first."
    ),
    "of_age": N_("Who is of age invites and ends guardians alone."),
    "not_of_age": N_("Only who is known to be of age can do that. A clinic can enter the birth date."),
    "guardian_already": N_("You are a guardian already."),
    "oneself": N_("Nobody is their own guardian: give the code to the other person."),
    "role_revoked": N_("You are not allowed to be a guardian any more. Ask the platform's administration."),
}
OTHERWISE = N_("That cannot be done now.")
NO_CODE = {"code": "no_code"}


@linked.get("/guardians", dependencies=[Depends(visitor)])
async def from_a_message() -> Response:
    """Where the link of a message leads."""
    return RedirectResponse("/me/family", 303)


@router.get("")
async def family_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """One's dependents and guardians; of a dependent what a guardian may do."""
    return await _page(request, serving, whose)


@own.post("/dependents")
async def add(
    request: Request,
    serving: Serving,
    whose: AsWhose,
    name: Typed = "",
    birth_date: Typed = "",
    sex: Typed = "unknown",
    relationship: Typed = "",
    key: Typed = "",
    csrf: Csrf = "",
) -> Response:
    """Add a child without an account; the key goes with the form, so that one that is sent twice adds one."""
    whose.visitor.sent(csrf)
    said = {"name": name, "birth_date": birth_date, "sex": sex, "relationship": relationship}
    typed = {**said, "key": key}
    asked, faults = read_as(NewDependent, said)
    if asked is None:
        return await _page(request, serving, whose, 422, typed=typed, faults=faults)
    try:
        made = await service.add_dependent(serving, whose.caller, asked, key or None)
    except InvalidInput as error:
        typed["key"] = key_after(error, key)
        return await _page(request, serving, whose, 422, typed=typed, faults=of(error))
    return RedirectResponse(f"/me/dependents/{made.id}", 303)


@own.post("/join")
async def join(
    request: Request, serving: Serving, whose: AsWhose, code: Typed = "", relationship: Typed = "", csrf: Csrf = ""
) -> Response:
    """Become a guardian by a code."""
    whose.visitor.sent(csrf)
    typed = {"code": code.strip(), "relationship": relationship}
    asked, faults = read_as(Joining, typed)
    if asked is None:
        faults = {**faults, **NO_CODE} if "code" in faults else faults
        return await _page(request, serving, whose, 422, joining=typed, join_faults=faults)
    try:
        made = await service.join(serving, whose.caller, asked)
    except NotThere:
        return await _page(request, serving, whose, 422, joining=typed, join_faults=NO_CODE)
    except Refused as error:
        return await _page(request, serving, whose, 409, joining=typed, refused=_why(error))
    return RedirectResponse(f"/me/dependents/{made.id}", 303)


@router.post("/invitations")
async def invite(request: Request, serving: Serving, whose: AsWhose, csrf: Csrf = "") -> Response:
    """A code by which somebody becomes a guardian, shown this once."""
    whose.visitor.sent(csrf)
    try:
        made = await service.invite(serving, whose.caller, whose.dependent)
    except Refused as error:
        return await _page(request, serving, whose, 409, refused=_why(error))
    return await _page(request, serving, whose, invited=made)


@router.post("/invitations/{invitation}/take-back")
async def uninvite(serving: Serving, whose: AsWhose, invitation: str, csrf: Csrf = "") -> Response:
    """Take back a code that nobody has used."""
    whose.visitor.sent(csrf)
    await service.uninvite(serving, whose.caller, invitation, whose.dependent)
    return whose.to("/family")


@of_dependents.post("/leave")
async def leave(request: Request, serving: Serving, whose: AsWhose, reason: Typed = "", csrf: Csrf = "") -> Response:
    """Cease to be a dependent's guardian."""
    whose.visitor.sent(csrf)
    try:
        await service.leave(serving, whose.caller, whose.dependent or "", one(Ending, {"reason": reason}))
    except Refused as error:
        return await _page(request, serving, whose, 409, refused=_why(error))
    return RedirectResponse("/me/family", 303)


@of_dependents.get("/others")
async def others_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """A dependent's other guardians, for who holds the account."""
    return await _others(request, serving, whose)


@of_dependents.post("/others/{guardianship}/end")
async def end_other(
    request: Request, serving: Serving, whose: AsWhose, guardianship: str, reason: Typed = "", csrf: Csrf = ""
) -> Response:
    """End another guardian's guardianship of a dependent."""
    whose.visitor.sent(csrf)
    asked = one(Ending, {"reason": reason})
    try:
        await service.end_co_guardian(serving, whose.caller, whose.dependent or "", guardianship, asked)
    except Refused as error:
        return await _others(request, serving, whose, 409, refused=_why(error))
    return whose.to("/family/others")


@own.post("/guardians/{guardianship}/end")
async def end(
    request: Request, serving: Serving, whose: AsWhose, guardianship: str, reason: Typed = "", csrf: Csrf = ""
) -> Response:
    """End a guardianship over oneself."""
    whose.visitor.sent(csrf)
    try:
        await service.end_guardian(serving, whose.caller, guardianship, one(Ending, {"reason": reason}))
    except Refused as error:
        return await _page(request, serving, whose, 409, refused=_why(error))
    return whose.to("/family")


@own.post("/by-law/{legal_guardian}/contest")
async def contest(serving: Serving, whose: AsWhose, legal_guardian: str, csrf: Csrf = "") -> Response:
    """Say that a guardian by law is not right."""
    whose.visitor.sent(csrf)
    await legal_guardians.contest(serving, whose.caller, legal_guardian)
    return whose.to("/family")


def _why(error: Refused) -> str:
    return REFUSED.get(error.rule, OTHERWISE)


async def _others(
    request: Request, serving: Services, whose: Whose, status: int = 200, refused: str | None = None
) -> Response:
    others = None
    with suppress(NotThere):
        others = (await service.list_co_guardians(serving, whose.caller, whose.dependent or "")).guardians
    values = {"others": others, "refused": refused, "reasons": REASONS}
    return await show(request, serving, whose, "patient/family_others.html", status, **values)


async def _page(
    request: Request,
    serving: Services,
    whose: Whose,
    status: int = 200,
    invited: Invitation | None = None,
    **values: Any,
) -> Response:
    if whose.dependent is not None:
        values |= {"invited": invited, "reasons": REASONS}
        return await show(request, serving, whose, "patient/family_of.html", status, **values)
    dependents = guardians = by_law = None
    if whose.is_guardian or not whose.is_patient:
        dependents = (await me.list_dependents(serving, whose.caller)).dependents
    elif whose.impersonated:
        await me.list_impersonations(serving, whose.caller)
    if whose.is_patient and not whose.impersonated:
        guardians = (await service.list_own_guardians(serving, whose.caller)).guardians
        by_law = (await legal_guardians.list_own(serving, whose.caller)).guardians
    return await show(
        request, serving, whose, "patient/family.html", status,
        dependents=dependents, guardians=guardians, by_law=by_law, bases=BASES, invited=invited, reasons=REASONS,
        key=str(uuid4()), **values,
    )  # fmt: skip
