"""Who read it: every access with its proof, and when an admin acted as the person."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.audit import proof_service
from api.me import service
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.visitors import Cursor
from api.services import Services, Serving
from infra.errors import NotThere

router = APIRouter(prefix="/accesses")

SHOWN = 50


@router.get("")
async def accesses_page(request: Request, serving: Serving, whose: AsWhose, cursor: Cursor = None) -> Response:
    """Accesses, the newest first, and who acted as the person."""
    return await _page(request, serving, whose, cursor)


@router.get("/{event}/proof")
async def proof(request: Request, serving: Serving, whose: AsWhose, event: str) -> Response:
    """The proof that an access is in the sealed log, as a file; the list again if it is not sealed yet."""
    try:
        found = await proof_service.prove_own(serving, whose.caller, event, None, whose.dependent)
    except NotThere:
        return await _page(request, serving, whose, None, 404)
    kept = {"content-disposition": f'attachment; filename="proof-{found.index}.json"'}
    return Response(found.model_dump_json(indent=1), media_type="application/json", headers=kept)


async def _page(request: Request, serving: Services, whose: Whose, cursor: str | None, status: int = 200) -> Response:
    """Whoever has no records of their own, but dependents alone, still sees who acted as them."""
    found = acted = None
    if whose.dependent is not None or whose.is_patient:
        found = await service.list_accesses(serving, whose.caller, SHOWN, cursor, whose.dependent)
    if whose.dependent is None and (found is None or cursor is None):
        acted = (await service.list_impersonations(serving, whose.caller)).impersonations
    return await show(
        request, serving, whose, "patient/accesses.html", status,
        found=found, acted=acted, first=cursor is None, unsealed=status == 404,
    )  # fmt: skip
