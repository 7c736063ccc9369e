"""Settings of a clinic: for its managers and platform admins; how long things stand and where it is, for admins."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.clinic_settings import service
from api.clinic_settings.schemas import Bookings, ClinicLocation, ClinicRetention, ClinicSettings
from api.services import ApiCaller, Serving
from infra.clinic_settings import ServiceSettings

Offering = Annotated[ServiceSettings | None, Body()]

router = APIRouter(prefix="/clinics/{clinic}/settings", tags=["clinics"])


@router.get("")
async def read_settings(serving: Serving, caller: ApiCaller, clinic: str) -> ClinicSettings:
    """What the clinic offers, who offers it, and how long things are kept."""
    return await service.read(serving, caller, clinic)


@router.put("/bookings", status_code=204)
async def save_bookings(
    serving: Serving, caller: ApiCaller, clinic: str, asked: Annotated[Bookings | None, Body()] = None
) -> None:
    """Say who offers appointments, how far ahead, and which forms go with a new registration."""
    await service.save_bookings(serving, caller, clinic, asked)


# Not `service`, which is a module here.
@router.put("/services/{offered}", status_code=204)
async def save_service(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    offered: str,
    asked: Annotated[ServiceSettings | None, Body()] = None,
) -> None:
    """Say what a service is like; with `open` false it can be booked no more."""
    await service.save_service(serving, caller, clinic, offered, asked)


@router.put("/retention", status_code=204)
async def save_retention(
    serving: Serving, caller: ApiCaller, clinic: str, asked: Annotated[ClinicRetention | None, Body()] = None
) -> None:
    """Say how long what a guardian signed stands past the patient's majority, what was signed before as well."""
    await service.save_retention(serving, caller, clinic, asked)


@router.put("/location", status_code=204)
async def save_location(
    serving: Serving, caller: ApiCaller, clinic: str, asked: Annotated[ClinicLocation | None, Body()] = None
) -> None:
    """Say where a clinic is: by its time zone days are told, of what is there already as well; by its country ages."""
    await service.save_location(serving, caller, clinic, asked)
