"""API keys of a clinic's systems: a list, a form for a new one, buttons to renew and end each."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.key_admin import service
from api.key_admin.schemas import NewKey, Renewal
from api.pages.admin.faults import beside, checked
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.services import Services, Serving
from api.system_keys import KEY_DAYS, OVERLAP_DAYS, SCOPES
from infra.errors import InvalidInput
from policies.classification import Field
from policies.words import Purpose

router = APIRouter(prefix="/clinics/{clinic}/keys")

FAULTS = {
    "body.login": N_("A login is up to 200 signs that all show."),
    "body.login of_a_person": N_("A person has this login."),
    "body.fields": N_("Choose fields of the list."),
    "body.segments": N_("Name each segment by its slug, with commas between."),
    "body.purpose": N_("Choose a purpose."),
    "body.days": N_("A key is good for 1 to 3660 days."),
}
FIELDS = [scope for scope in SCOPES if scope != Field.PATIENT_ID]
Text = Annotated[str, Form(max_length=4000)]


@router.get("")
async def keys_page(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """A clinic's keys, and a form for a new one."""
    return await _keys(request, serving, visiting, clinic)


@router.post("")
async def give_key(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    login: Text = "",
    fields: Annotated[list[str], Form(max_length=60)] = [],  # noqa: B006  # FastAPI copies it
    segments: Text = "",
    purpose: Text = "",
    days: Text = "",
    csrf: Csrf = "",
) -> Response:
    """Make a key, and show it once; or the form again, with what is wrong."""
    visiting.sent(csrf)
    asked = {"login": login.strip(), "fields": fields, "segments": segments, "purpose": purpose, "days": days}
    named = [slug.strip() for slug in segments.split(",") if slug.strip()]
    try:
        wanted = checked(NewKey, {**asked, "segments": named or None})
        made = await service.give(serving, visiting.caller, clinic, wanted)
    except InvalidInput as error:
        return await _keys(request, serving, visiting, clinic, 422, asked=asked, faults=beside(error, FAULTS))
    return page(request, "admin/key.html", visitor=visiting, clinic=clinic, key=made)


@router.post("/{key}/renew")
async def renew_key(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    key: str,
    overlap: Annotated[int, Form(ge=0, le=90)] = OVERLAP_DAYS,
    csrf: Csrf = "",
) -> Response:
    """Make a key in its place, and show it once."""
    visiting.sent(csrf)
    made = await service.renew(serving, visiting.caller, clinic, key, Renewal(overlap_days=overlap))
    return page(request, "admin/key.html", visitor=visiting, clinic=clinic, key=made, overlap=overlap)


@router.post("/{key}/end")
async def end_key(serving: Serving, visiting: Visiting, clinic: str, key: str, csrf: Csrf = "") -> Response:
    """End it at once."""
    visiting.sent(csrf)
    await service.end(serving, visiting.caller, clinic, key)
    return RedirectResponse(f"/clinics/{clinic}/keys", 303)


async def _keys(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    status: int = 200,
    *,
    asked: dict[str, Any] | None = None,
    faults: dict[str, str] | None = None,
) -> Response:
    found = await service.list_keys(serving, visiting.caller, clinic)
    return page(
        request, "admin/keys.html", status, visitor=visiting, clinic=await serving.directory.find(clinic),
        keys=found.keys, asked=asked or {"days": KEY_DAYS, "fields": []}, faults=faults or {}, fields=FIELDS,
        purposes=list(Purpose), overlap=OVERLAP_DAYS,
    )  # fmt: skip
