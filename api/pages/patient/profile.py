"""The portable profile: shown, edited, and what it said before; and how one's own account is reached."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData

from api.editing import service as editing
from api.editing.schemas import MOST_AT_ALL, BloodType, Edit, Sex
from api.me import contact_service, service
from api.me.contact_schemas import Changing
from api.pages.faults import Faults, of, read_as
from api.pages.patient.meanwhile import as_shown, changed, shown_before
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.texts import N_
from api.pages.visitors import Csrf
from api.services import Services, Serving
from infra.errors import InvalidInput, Refused
from policies.emergency_contacts import MOST

router = APIRouter()
own = APIRouter()

Typed = Annotated[str, Form(max_length=400)]

FIELDS = {
    "name": N_("Name"),
    "birth_date": N_("Birth date"),
    "sex": N_("Sex"),
    "blood_type": N_("Blood type"),
    "allergies": N_("Allergies"),
    "chronic_conditions": N_("Chronic conditions"),
    "insurance_type": N_("Insurance"),
    "insurance_payer": N_("Insurer"),
    "policy_number": N_("Policy number"),
    "phone": N_("Phone"),
    "email": N_("Email"),
    "address": N_("Address"),
    "emergency_contacts": N_("Emergency contacts"),
}
CHOICES = {"sex": Sex.__args__, "blood_type": BloodType.__args__}  # type: ignore[attr-defined]  # of a Literal
LINES = frozenset({"allergies", "chronic_conditions"})
CONTACTS = "emergency_contacts"
CONTACT_PARTS = ("name", "relationship", "phone")
OF_DEPENDENTS = FIELDS | {CONTACTS: N_("Emergency contacts that you entered")}
WORDS: dict[str, Any] = {"choices": CHOICES, "lines": LINES, "most_contacts": MOST}


@router.get("/profile")
async def profile_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """The profile."""
    profile, _ = await service.read_profile(serving, whose.caller, whose.dependent)
    return await show(request, serving, whose, "patient/profile.html", profile=profile, **_words(whose))


@router.get("/profile/edit")
async def edit_form(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """The profile, to be changed."""
    profile, tag = await service.read_profile(serving, whose.caller, whose.dependent)
    return await _form(request, serving, whose, profile, tag, _as_shown(profile))


@router.post("/profile/edit")
async def edit(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """Change what was changed, if the profile is still as it was shown."""
    sent = await request.form()
    whose.visitor.sent(str(sent.get("csrf", "")))
    profile, tag = await service.read_profile(serving, whose.caller, whose.dependent)
    typed, was, version = _typed(sent, profile), shown_before(sent), str(sent.get("version", ""))
    changes = {field: value for field, value in typed.items() if value != _as_typed(profile[field])}
    asked, faults = read_as(Edit, changes)
    if asked is None:
        faults |= {place.split(".")[0]: rule for place, rule in faults.items()}
        return await _form(request, serving, whose, profile | typed, version, was, faults, 422)
    try:
        await editing.edit(serving, whose.caller, asked, version, whose.dependent)
    except InvalidInput as error:
        return await _form(request, serving, whose, profile | typed, version, was, of(error), 422)
    except Refused as error:  # somebody else's changes stay, but where this form changes the same
        mine = {field: typed[field] for field in changed(typed, was) if field in typed}
        return await _form(request, serving, whose, profile | mine, tag, _as_shown(profile), of(error), 409)
    return whose.to("/profile")


@own.get("/profile/history")
async def history_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """What one's own profile said before each edit."""
    found = await editing.history(serving, whose.caller)
    return await show(request, serving, whose, "patient/history.html", edits=found.edits, fields=FIELDS)


@own.get("/account")
async def account_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """How one's own account is reached, and a form to change it."""
    return await _account(request, serving, whose)


@own.post("/account")
async def change_account(
    request: Request, serving: Serving, whose: AsWhose, email: Typed = "", phone: Typed = "", csrf: Csrf = ""
) -> Response:
    """Change contacts; a new email leads to the page where its code is entered."""
    whose.visitor.sent(csrf)
    asked, faults = read_as(Changing, {"email": email.strip() or None, "phone": phone.strip() or None})
    typed = {"email": email, "phone": phone}
    if asked is None:
        return await _account(request, serving, whose, 422, typed=typed, faults=faults)
    try:
        changed = await contact_service.change(serving, whose.caller, asked)
    except InvalidInput as error:
        return await _account(request, serving, whose, 422, typed=typed, faults=of(error))
    if changed.verification is not None:
        return RedirectResponse(f"/verify/{changed.verification}", 303)
    return whose.to("/account")


def _words(whose: Whose) -> dict[str, Any]:
    return {**WORDS, "fields": FIELDS if whose.dependent is None else OF_DEPENDENTS}


def _typed(sent: FormData, profile: dict[str, Any]) -> dict[str, Any]:
    """What the form says of each field that it shows; nothing of an import's emergency contacts, unless replaced."""
    found: dict[str, Any] = {}
    for field in profile:
        text = str(sent.get(field, "")).replace("\r\n", "\n").strip()
        if field == CONTACTS:
            rows = [{part: str(sent.get(f"{field}.{row}.{part}", "")).strip() for part in CONTACT_PARTS}
                    for row in range(MOST_AT_ALL)]  # fmt: skip
            contacts = [row for row in rows if any(row.values())]
            found[field] = contacts or (profile[field] if isinstance(profile[field], str) else None)
        elif field in LINES:
            found[field] = [line.strip() for line in text.split("\n") if line.strip()] or None
        else:
            found[field] = text or (None if field != "name" else "")
    return found


def _as_typed(value: Any) -> Any:
    """A field's value as the form sends it where nobody changes it."""
    if isinstance(value, list | str) or value is None:
        return value or None
    return str(value)


def _as_shown(profile: dict[str, Any]) -> dict[str, str]:
    return as_shown({field: _as_typed(value) for field, value in profile.items()})


async def _form(
    request: Request,
    serving: Services,
    whose: Whose,
    profile: dict[str, Any],
    version: str,
    was: dict[str, str],
    faults: Faults | None = None,
    status: int = 200,
) -> Response:
    return await show(
        request, serving, whose, "patient/profile_edit.html", status,
        profile=profile, version=version, was=json.dumps(was), faults=faults or {}, **_words(whose),
    )  # fmt: skip


async def _account(request: Request, serving: Services, whose: Whose, status: int = 200, **values: Any) -> Response:
    contacts = await contact_service.read(serving, whose.caller)
    return await show(request, serving, whose, "patient/account.html", status, contacts=contacts, **values)
