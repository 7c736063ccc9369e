"""What a clinic offers, and bookings of it: by patients and guardians, by the clinic's staff and systems."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.bookings import service
from api.bookings.schemas import Booked, Booking, ClinicServices
from api.idempotency import IdempotencyKey
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}", tags=["bookings"])


@router.get("/services")
async def list_services(serving: Serving, caller: ApiCaller, clinic: str) -> ClinicServices:
    """What a clinic offers: to whoever may book there."""
    return await service.list_services(serving, caller, clinic)


@router.post("/bookings", status_code=201)
async def book(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    asked: Annotated[Booking | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> Booked:
    """Book an appointment, and set up whatever a first one needs. The answer never tells whether somebody was known."""
    return await service.book(serving, caller, clinic, asked or Booking(), idempotency_key)
