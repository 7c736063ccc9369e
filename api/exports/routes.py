"""One's own records of a clinic, or a dependent's, as one signed file to carry."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import Response

from api.exports import service
from api.exports.schemas import Exporting
from api.exports.service import Export
from api.services import ApiCaller, Serving

ZIP = "application/zip"
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}, "description": "The export."}
}

router = APIRouter(prefix="/me", tags=["exports"], responses=_ANSWER)


@router.post("/exports", response_class=Response)
async def export_own_records(
    serving: Serving, caller: ApiCaller, asked: Annotated[Exporting | None, Body()] = None
) -> Response:
    """Everything of the caller's at a clinic, signed: a FHIR document, a page to read, and who read them."""
    return as_file(await service.make(serving, caller, asked))


@router.post("/dependents/{dependent}/exports", response_class=Response)
async def export_dependents_records(
    serving: Serving, caller: ApiCaller, dependent: str, asked: Annotated[Exporting | None, Body()] = None
) -> Response:
    """The same of a dependent, without what is hidden from guardians."""
    return as_file(await service.make(serving, caller, asked, dependent))


def as_file(made: Export) -> Response:
    """A download under its name."""
    return Response(
        made.archive, media_type=ZIP, headers={"content-disposition": f'attachment; filename="{made.name}"'}
    )
