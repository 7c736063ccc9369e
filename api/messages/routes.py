"""Reminders of appointments and of what there is to sign: for clinic staff and for systems of the clinic."""

from fastapi import APIRouter

from api.messages import service
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}", tags=["messages"])


@router.post("/appointments/{appointment}/reminders", status_code=202)
async def send_reminder(serving: Serving, caller: ApiCaller, clinic: str, appointment: str) -> None:
    """Remind the patient, by whatever address there is: the clinic sees none, and is not told whether there is one."""
    await service.remind(serving, caller, clinic, appointment)


@router.post("/patients/{patient}/consents/request", status_code=202)
async def request_consent(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> None:
    """Have the patient asked to read and sign the clinic's texts, as unseen as a reminder."""
    await service.request_consent(serving, caller, clinic, patient)
