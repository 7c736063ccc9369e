"""Answering a verification: without signing in, by its id and the code that went there. And beginning one, by staff."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.services import Anybody, ApiCaller, Serving
from api.verifications import forgotten, on_their_own, service
from api.verifications.schemas import Answer, CodeSent, Forgotten, LinkSent, Starting, Verified

router = APIRouter(tags=["verifications"])


@router.post("/verifications/{verification}")
async def answer_verification(
    serving: Serving, caller: Anybody, verification: str, asked: Annotated[Answer | None, Body()] = None
) -> Verified:
    """Prove a contact, and say whom the booking was for. Wrong, used, too old and unknown are one answer."""
    return await service.answer(serving, caller, verification, asked or Answer())


@router.post("/verifications/{verification}/code", status_code=202)
async def renew_code(serving: Serving, caller: Anybody, verification: str) -> CodeSent:
    """Have a new code sent to the contact; the old one is good no more. Unknown ids get the same answer."""
    return await service.renew(serving, caller, verification)


@router.post("/clinics/{clinic}/patients/{patient}/verifications", status_code=202)
async def start_verification(
    serving: Serving, caller: ApiCaller, clinic: str, patient: str, asked: Annotated[Starting | None, Body()] = None
) -> CodeSent:
    """Have a code sent by which an adult patient without account and guardian has an account. Staff never sees it."""
    return await on_their_own.start(serving, caller, clinic, patient, asked or Starting())


@router.post("/passwords/forgotten", status_code=202)
async def forget_password(
    serving: Serving, caller: Anybody, asked: Annotated[Forgotten | None, Body()] = None
) -> LinkSent:
    """Have a link sent that sets a new password. The answer never tells whether there is an account."""
    await forgotten.forget(serving, caller, (asked or Forgotten()).email)
    return LinkSent()
