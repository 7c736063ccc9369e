"""Soft deletion: for a clinic's staff; restoring, for platform admins."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.deletions import service
from api.deletions.schemas import Deleting, Marked
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/deletions", tags=["deletions"])


@router.post("/{kind}/{record}")
async def delete_record(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    kind: str,
    record: str,
    asked: Annotated[Deleting | None, Body()] = None,
) -> Marked:
    """Mark a `registration` (by the patient's id), `appointment`, `form`, `plan` or `brought_record` as deleted.

    It is gone from everything but the log. What a registration has still to come is cancelled with it.
    """
    return await service.delete(serving, caller, clinic, kind, record, asked)


@router.post("/{kind}/{record}/undo")
async def restore_record(serving: Serving, caller: ApiCaller, clinic: str, kind: str, record: str) -> Marked:
    """Take the mark away."""
    return await service.restore(serving, caller, clinic, kind, record)
