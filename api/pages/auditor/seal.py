"""The seal of the log: its newest checkpoints, a check on the spot, and what to keep elsewhere."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from api.audit import proof_service, seal_check
from api.audit.proof_schemas import SignedCheckpoint, Stream
from api.pages.auditor.frame import framed
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor
from api.services import Services, Serving
from infra.errors import InvalidInput, NotThere

router = APIRouter(prefix="/audit/seal")

FAULT = N_("That is no checkpoint of this log: paste it whole, with the line of its signature.")


@router.get("")
async def seal_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The newest checkpoints and the keys that sign them."""
    return await _seal(request, serving, visiting)


@router.post("")
async def verify(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    kept: Annotated[str, Form(max_length=4000)] = "",
    csrf: Csrf = "",
) -> Response:
    """Compute the tree anew, and compare it with what is signed and what was kept."""
    visiting.sent(csrf)
    try:
        checked = await seal_check.check(serving, visiting.caller, Stream.ACCESS, kept)
    except InvalidInput:
        return await _seal(request, serving, visiting, 422, kept=kept, fault=FAULT)
    return await _seal(request, serving, visiting, kept=kept, checked=checked)


@router.get("/checkpoint")
async def checkpoint(serving: Serving, visiting: Visiting, stream: Stream = Stream.ACCESS) -> Response:
    """The newest checkpoint as a file: keep it where nobody of the clinic's reaches it."""
    found = await proof_service.read_checkpoint(serving, visiting.caller, stream)
    headers = {"content-disposition": f'attachment; filename="checkpoint-{stream.value}-{found.size}.txt"'}
    return Response(found.note, media_type="text/plain", headers=headers)


@router.get("/proof")
async def growth(
    serving: Serving, visiting: Visiting, since: Annotated[int | None, Query(alias="from", ge=1, le=2**53)] = None
) -> Response:
    """The proof that the log grew out of a smaller one, as a file."""
    found = await proof_service.prove_consistency(serving, visiting.caller, Stream.ACCESS, since or 1, None)
    headers = {"content-disposition": f'attachment; filename="consistency-{found.first}-{found.size}.json"'}
    return Response(found.model_dump_json(indent=1), media_type="application/json", headers=headers)


async def _seal(request: Request, serving: Services, visiting: Visitor, status: int = 200, **values: Any) -> Response:
    signed = [await _newest(serving, visiting, stream) for stream in Stream]
    keys = await proof_service.list_keys(serving, visiting.caller)
    shown = {"kept": "", "fault": "", "checked": None, **values}
    return await framed(
        request, serving, visiting, "auditor/seal.html", "seal", status, signed=signed, keys=keys.keys, **shown
    )


async def _newest(serving: Services, visiting: Visitor, stream: Stream) -> tuple[Stream, SignedCheckpoint | None]:
    try:
        return stream, await proof_service.read_checkpoint(serving, visiting.caller, stream)
    except NotThere:
        return stream, None
