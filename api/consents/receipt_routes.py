"""Receipts of consents: for the person, a guardian, and auditors."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from api.consents import receipt_service as service
from api.consents.receipt_schemas import AuditedReceipts, ConsentReceipts
from api.services import ApiCaller, Serving

router = APIRouter(tags=["consents"])


@router.get("/me/consents/{event}/receipt")
async def read_own_receipt(serving: Serving, caller: ApiCaller, event: str) -> ConsentReceipts:
    """What became of a signature or revocation at its clinic, signed: each place, and since when."""
    return await service.read_receipts(serving, caller, event)


@router.get("/me/dependents/{dependent}/consents/{event}/receipt")
async def read_dependents_receipt(serving: Serving, caller: ApiCaller, dependent: str, event: str) -> ConsentReceipts:
    """What became of a dependent's signature or revocation."""
    return await service.read_receipts(serving, caller, event, dependent)


@router.get("/audit/receipts")
async def list_receipts(
    serving: Serving,
    caller: ApiCaller,
    clinic: Annotated[str | None, Query(description="Whose log; the auditor's whole log else.")] = None,
    patient: Annotated[UUID | None, Query(description="A clinic's id of a patient.")] = None,
    event: Annotated[UUID | None, Query(description="Or a consent event.")] = None,
) -> AuditedReceipts:
    """Receipts of a patient's consents, or of one event, the newest first."""
    return await service.list_receipts(serving, caller, clinic, patient, event)
