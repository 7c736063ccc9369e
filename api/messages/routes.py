"""Reminders of appointments: for clinic staff and for systems of the clinic."""

from fastapi import APIRouter

from api.messages import service
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/appointments", tags=["messages"])


@router.post("/{appointment}/reminders", status_code=202)
async def send_reminder(serving: Serving, caller: ApiCaller, clinic: str, appointment: str) -> None:
    """Remind the patient, by whatever address there is: the clinic sees none, and is not told whether there is one."""
    await service.remind(serving, caller, clinic, appointment)
