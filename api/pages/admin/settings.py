"""A clinic's settings: its services, how bookings go, how long things stand, where it is, and what is said for all."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.clinic_settings import service
from api.clinic_settings.schemas import Bookings, ClinicLocation, ClinicRetention
from api.gateway import Access
from api.pages import show
from api.pages.admin.faults import beside, checked
from api.pages.faults import Faults, read_as
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.services import Services, Serving
from infra.clinic_settings import (
    FARTHEST,
    LONGEST_HOLD,
    LONGEST_VISIT,
    SHORTEST_HOLD,
    SHORTEST_VISIT,
    USUAL_MINUTES,
    ServiceSettings,
)
from infra.consent_grace import LONGEST_DAYS
from infra.errors import InvalidInput, NotThere
from infra.places import zones_to_choose
from policies.access.model import Resource
from policies.opening_hours import WEEKDAYS
from policies.words import Action

router = APIRouter(prefix="/clinics/{clinic}/settings")

FAULTS = {
    "body.days_ahead": N_("People book 1 to 1100 days ahead."),
    "body.hold_minutes": N_("A booking of a newcomer is held for 5 to 10080 minutes."),
    "body.hours": N_("Hours are such as 08:00-18:00, or 08:00-12:00 13:00-18:00; nothing where the clinic is closed."),
    "body.specialists": N_("A specialist's name is up to 200 signs that all show."),
    "body.specialists no_specialist": N_("Choose specialists of the clinic."),
    "body.registration_forms": N_("Choose forms of the clinic."),
    "body.forms": N_("Choose forms of the clinic."),
    "body.name": N_("A name is up to 200 signs that all show."),
    "body.minutes": N_("An appointment takes 5 to 480 minutes."),
    "body.modality": N_("Choose where it takes place."),
    "body.consent_grace_days": N_("What a guardian signed stands for 0 to 3650 days more."),
    "body.time_zone": N_("Choose a time zone of the list, such as Europe/Berlin."),
    "body.country": N_("A country is two letters of ISO 3166, such as DE; ZZ if none is known."),
    "path.service": N_("A slug is up to 60 of a-z, 0-9, _ and -."),
}
# What a number is at least and at most.
LIMITS = {
    "days_ahead": (1, FARTHEST),
    "hold_minutes": (SHORTEST_HOLD, LONGEST_HOLD),
    "minutes": (SHORTEST_VISIT, LONGEST_VISIT),
    "consent_grace_days": (0, LONGEST_DAYS),
}
NEW = {"modality": "in_person", "minutes": USUAL_MINUTES, "open": True, "forms": [], "specialists": []}
Text = Annotated[str, Form(max_length=200)]
Named = Annotated[list[str], Form(max_length=200)]


@router.get("")
async def settings_page(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """All of a clinic's settings, with the form of its bookings."""
    return await _settings(request, serving, visiting, clinic)


@router.post("/bookings")
async def save_bookings(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    forms: Named = [],  # noqa: B006  # FastAPI copies it
    days_ahead: Text = "",
    hold_minutes: Text = "",
    hours: Named = [],  # noqa: B006  # FastAPI copies it
    specialists: Annotated[str, Form(max_length=50_000)] = "",
    csrf: Csrf = "",
) -> Response:
    """Save how bookings go; or the form again, with what is wrong."""
    visiting.sent(csrf)
    opened = dict(zip(WEEKDAYS, hours, strict=False))
    names = [line.strip() for line in specialists.splitlines() if line.strip()]
    asked = {
        "registration_forms": forms, "days_ahead": days_ahead, "hold_minutes": hold_minutes, "hours": opened,
        "specialists": names,
    }  # fmt: skip
    try:
        await service.save_bookings(serving, visiting.caller, clinic, checked(Bookings, asked))
    except InvalidInput as error:
        return await _settings(request, serving, visiting, clinic, 422, asked=asked, faults=beside(error, FAULTS))
    return RedirectResponse(f"/clinics/{clinic}/settings", 303)


@router.post("/retention")
async def save_retention(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    consent_grace_days: Text = "",
    csrf: Csrf = "",
) -> Response:
    """Save how long things stand; or the form again, with what is wrong."""
    visiting.sent(csrf)
    # What is no number of days is nothing to save: that too is for who may save it alone.
    wanted, _ = read_as(ClinicRetention, {"consent_grace_days": consent_grace_days})
    try:
        await service.save_retention(serving, visiting.caller, clinic, wanted)
    except InvalidInput:
        fault = {"consent_grace_days": FAULTS["body.consent_grace_days"]}
        return await _settings(request, serving, visiting, clinic, 422, kept=consent_grace_days, faults=fault)
    return RedirectResponse(f"/clinics/{clinic}/settings", 303)


@router.post("/location")
async def save_location(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    time_zone: Text = "",
    country: Text = "",
    csrf: Csrf = "",
) -> Response:
    """Save where the clinic is; or the form again, with what is wrong."""
    visiting.sent(csrf)
    asked = {"time_zone": time_zone.strip(), "country": country.strip().upper()}
    wanted, faults = read_as(ClinicLocation, asked)
    try:
        await service.save_location(serving, visiting.caller, clinic, wanted)
    except InvalidInput as error:
        beside_fields = {name: FAULTS[f"body.{name}"] for name in faults} or beside(error, FAULTS)
        return await _settings(request, serving, visiting, clinic, 422, where=asked, faults=beside_fields)
    return RedirectResponse(f"/clinics/{clinic}/settings", 303)


@router.get("/new-service")
async def new_service(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """The form of a new service."""
    return await _service(request, serving, visiting, clinic, NEW)


@router.get("/services/{offered}")
async def service_page(request: Request, serving: Serving, visiting: Visiting, clinic: str, offered: str) -> Response:
    """The form of a service."""
    return await _service(request, serving, visiting, clinic, None, offered=offered)


@router.post("/services")
async def save_service(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    slug: Text = "",
    was: Text = "",
    name: Text = "",
    modality: Text = "",
    minutes: Text = "",
    forms: Named = [],  # noqa: B006  # FastAPI copies it
    specialists: Named = [],  # noqa: B006  # FastAPI copies it
    is_open: Annotated[str, Form(alias="open", max_length=10)] = "",
    csrf: Csrf = "",
) -> Response:
    """Save a service, new or not; or the form again, with what is wrong."""
    visiting.sent(csrf)
    said = {"name": name.strip(), "modality": modality, "minutes": minutes, "forms": forms}
    asked = {**said, "specialists": specialists, "open": bool(is_open)}
    try:
        await service.save_service(serving, visiting.caller, clinic, was or slug, checked(ServiceSettings, asked))
    except InvalidInput as error:
        shown = {**asked, "slug": slug}
        return await _service(request, serving, visiting, clinic, shown, 422, was, faults=beside(error, FAULTS))
    return RedirectResponse(f"/clinics/{clinic}/settings", 303)


async def _settings(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    status: int = 200,
    *,
    asked: dict[str, Any] | None = None,
    kept: str | None = None,
    where: dict[str, str] | None = None,
    faults: Faults | None = None,
) -> Response:
    found = await service.read(serving, visiting.caller, clinic)
    moves = visiting.sees(serving, Access(Action.CLINIC_LOCATION_SAVE, Resource(clinic)))
    return page(
        request, "admin/settings.html", status, visitor=visiting, clinic=found,
        asked=asked or found.bookings.model_dump(), faults=faults or {},
        kept=found.retention.consent_grace_days if kept is None else kept,
        keeps=visiting.sees(serving, Access(Action.CLINIC_RETENTION_SAVE, Resource(clinic))),
        where=where or {"time_zone": found.time_zone, "country": found.country},
        moves=moves, zones=zones_to_choose() if moves else [],
        weekdays=dict(zip(WEEKDAYS, show.WEEKDAYS, strict=True)), limits=LIMITS,
    )  # fmt: skip


async def _service(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    asked: dict[str, Any] | None,
    status: int = 200,
    offered: str = "",
    *,
    faults: dict[str, str] | None = None,
) -> Response:
    found = await service.read(serving, visiting.caller, clinic)
    known = {each.service: each.model_dump() for each in found.services}
    if asked is None and offered not in known:
        raise NotThere("no such service")
    return page(
        request, "admin/service.html", status, visitor=visiting, clinic=found, faults=faults or {},
        asked=asked if asked is not None else known[offered], offered=offered, limits=LIMITS,
    )  # fmt: skip
