"""Which imports, runs of the pipeline and units of the worker touched a clinic, and whom."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.audit import batches
from api.audit.batch_schemas import Kind
from api.pages.auditor.filters import Asked, Text
from api.pages.auditor.frame import chosen, framed
from api.pages.visitors import Cursor, Visiting
from api.profiles.service import as_id
from api.services import Serving

BATCHES_A_PAGE = 50
PATIENTS_A_PAGE = 200

router = APIRouter(prefix="/audit/batches")


@router.get("")
async def batches_page(
    request: Request, serving: Serving, visiting: Visiting, asked: Asked, kind: Text = "", cursor: Cursor = None
) -> Response:
    """What touched a clinic, the last first; nothing while the form is wrong."""
    found = None
    if not asked.faults:
        found = await batches.list_batches(
            serving,
            visiting.caller,
            chosen(visiting, asked.typed["clinic"]),
            asked.filters,
            Kind(kind) if kind in set(Kind) else None,
            BATCHES_A_PAGE,
            cursor,
        )
    return await framed(
        request,
        serving,
        visiting,
        "auditor/batches.html",
        "batches",
        422 if asked.faults else 200,
        asked=asked,
        query=asked.query + ([("kind", kind)] if kind else []),
        kind=kind,
        found=found,
        first=cursor is None,
    )


@router.get("/{batch}")
async def batch_page(
    request: Request, serving: Serving, visiting: Visiting, batch: str, clinic: Text = "", cursor: Cursor = None
) -> Response:
    """One of them: what it did, and whose rows it moved."""
    log = chosen(visiting, clinic)
    found = await batches.read_batch(serving, visiting.caller, log, as_id(batch), PATIENTS_A_PAGE, cursor)
    return await framed(
        request,
        serving,
        visiting,
        "auditor/batch.html",
        "batches",
        batch=found,
        clinic=clinic,
        first=cursor is None,
    )
