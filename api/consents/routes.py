"""Consents: people's own and their dependents', what a clinic sees of them, and its texts."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from api.bodies import Moment
from api.consents import service
from api.consents.schemas import (
    Consents,
    PublishedText,
    PublishedTexts,
    Publishing,
    Recorded,
    Revoking,
    Signing,
    StandingConsents,
)
from api.services import ApiCaller, Serving

router = APIRouter(tags=["consents"])
At = Annotated[Moment | None, Query(description="As it stood at this time; now where it is left out.")]


@router.get("/me/consents")
async def list_own_consents(serving: Serving, caller: ApiCaller, at: At = None) -> Consents:
    """What the caller signed, by clinic and purpose, with the text that would be signed next."""
    return await service.list_consents(serving, caller, at)


@router.post("/me/consents", status_code=201)
async def sign_own_consent(
    serving: Serving, caller: ApiCaller, asked: Annotated[Signing | None, Body()] = None
) -> Recorded:
    """Sign the newest text of a clinic, as it was shown."""
    return await service.sign(serving, caller, asked)


@router.post("/me/consents/revoke", status_code=201)
async def revoke_own_consent(
    serving: Serving, caller: ApiCaller, asked: Annotated[Revoking | None, Body()] = None
) -> Recorded:
    """Revoke a consent: it ends at once."""
    return await service.revoke(serving, caller, asked)


@router.get("/me/dependents/{dependent}/consents")
async def list_dependents_consents(serving: Serving, caller: ApiCaller, dependent: str, at: At = None) -> Consents:
    """What was signed for a dependent."""
    return await service.list_consents(serving, caller, at, dependent)


@router.post("/me/dependents/{dependent}/consents", status_code=201)
async def sign_dependents_consent(
    serving: Serving, caller: ApiCaller, dependent: str, asked: Annotated[Signing | None, Body()] = None
) -> Recorded:
    """Sign on behalf of a dependent; ends a while after they come of age, unless they sign themselves."""
    return await service.sign(serving, caller, asked, dependent)


@router.post("/me/dependents/{dependent}/consents/revoke", status_code=201)
async def revoke_dependents_consent(
    serving: Serving, caller: ApiCaller, dependent: str, asked: Annotated[Revoking | None, Body()] = None
) -> Recorded:
    """Revoke a consent on behalf of a dependent."""
    return await service.revoke(serving, caller, asked, dependent)


@router.get("/clinics/{clinic}/patients/{patient}/consents")
async def check_consents(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> StandingConsents:
    """Whether a patient's consents stand now; nothing else of them."""
    return await service.check(serving, caller, clinic, patient)


@router.get("/clinics/{clinic}/consent-texts")
async def list_consent_texts(serving: Serving, caller: ApiCaller, clinic: str) -> PublishedTexts:
    """Every version of the clinic's texts, the newest first."""
    return await service.list_texts(serving, caller, clinic)


@router.post("/clinics/{clinic}/consent-texts", status_code=201)
async def publish_consent_text(
    serving: Serving, caller: ApiCaller, clinic: str, asked: Annotated[Publishing | None, Body()] = None
) -> PublishedText:
    """Publish a new version of a text, never changed again: whoever signed an older one is asked to sign it."""
    return await service.publish(serving, caller, clinic, asked)
