"""What patients bring of another clinic: shown first, then kept; listed, and read by who treats them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from api.handovers import service
from api.handovers.schemas import BroughtContent, BroughtRecord, BroughtRecords, OwnBroughtRecords, Preview
from api.handovers.service import Kept
from api.services import ApiCaller, Serving
from api.uploads import ZIP, Upload, received

router = APIRouter(tags=["handovers"])
Sent = Annotated[Upload, Depends(received)]
Clinic = Annotated[str | None, Query(max_length=40, description="To which clinic: required.")]
Shown = Annotated[str | None, Query(max_length=64, description="`digest` of the preview: required.")]
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}
}
_KEPT: dict[int | str, dict[str, Any]] = {200: {"model": BroughtRecord, "description": "It was brought before."}}


@router.post("/me/handovers/preview", openapi_extra=_BODY)
async def preview_own_handover(serving: Serving, caller: ApiCaller, sent: Sent, clinic: Clinic = None) -> Preview:
    """What the caller would bring to a clinic: an export of another one, checked. Nothing is kept."""
    return await service.preview_own(serving, caller, clinic, sent)


@router.post("/me/handovers", status_code=201, responses=_KEPT, openapi_extra=_BODY)
async def bring_own_handover(
    serving: Serving, caller: ApiCaller, sent: Sent, response: Response, clinic: Clinic = None, digest: Shown = None
) -> BroughtRecord:
    """Bring it, as the preview showed it: the clinic's own record from then on."""
    return _told(await service.bring_own(serving, caller, clinic, sent, digest), response)


@router.get("/me/handovers")
async def list_own_handovers(serving: Serving, caller: ApiCaller) -> OwnBroughtRecords:
    """What was brought of the caller's to clinics."""
    return await service.list_own(serving, caller)


@router.post("/me/dependents/{dependent}/handovers/preview", openapi_extra=_BODY)
async def preview_dependents_handover(
    serving: Serving, caller: ApiCaller, dependent: str, sent: Sent, clinic: Clinic = None
) -> Preview:
    """What the caller would bring to a clinic for a dependent."""
    return await service.preview_own(serving, caller, clinic, sent, dependent)


@router.post("/me/dependents/{dependent}/handovers", status_code=201, responses=_KEPT, openapi_extra=_BODY)
async def bring_dependents_handover(
    serving: Serving,
    caller: ApiCaller,
    dependent: str,
    sent: Sent,
    response: Response,
    clinic: Clinic = None,
    digest: Shown = None,
) -> BroughtRecord:
    """Bring it for a dependent, as the preview showed it."""
    return _told(await service.bring_own(serving, caller, clinic, sent, digest, dependent), response)


@router.get("/me/dependents/{dependent}/handovers")
async def list_dependents_handovers(serving: Serving, caller: ApiCaller, dependent: str) -> OwnBroughtRecords:
    """What the caller brought to clinics for a dependent."""
    return await service.list_own(serving, caller, dependent)


@router.post("/clinics/{clinic}/patients/{patient}/handovers/preview", openapi_extra=_BODY)
async def preview_handover(serving: Serving, caller: ApiCaller, clinic: str, patient: str, sent: Sent) -> Preview:
    """What a patient would hand over at the desk: where it comes from and how much it is. Nothing is kept."""
    return await service.preview(serving, caller, clinic, patient, sent)


@router.post("/clinics/{clinic}/patients/{patient}/handovers", status_code=201, responses=_KEPT, openapi_extra=_BODY)
async def receive_handover(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    patient: str,
    sent: Sent,
    response: Response,
    digest: Shown = None,
) -> BroughtRecord:
    """Keep it, as the preview showed it: the clinic's own record from then on."""
    return _told(await service.receive(serving, caller, clinic, patient, sent, digest), response)


@router.get("/clinics/{clinic}/patients/{patient}/handovers")
async def list_handovers(serving: Serving, caller: ApiCaller, clinic: str, patient: str) -> BroughtRecords:
    """What a patient brought: from where and when, and nothing of what is in it."""
    return await service.list_brought(serving, caller, clinic, patient)


@router.get("/clinics/{clinic}/handovers/{handover}")
async def read_handover(serving: Serving, caller: ApiCaller, clinic: str, handover: str) -> BroughtContent:
    """What is in it, for a specialist who treats the patient."""
    return await service.read(serving, caller, clinic, handover)


def _told(kept: Kept, response: Response) -> BroughtRecord:
    response.status_code = 201 if kept.is_new else 200
    return kept.record
