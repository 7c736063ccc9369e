"""The access log: a search with filters, newest first; one event in full; all that a search finds as a file."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from api.audit import exports, proof_service
from api.audit import service as audit
from api.audit.proof_schemas import Stream
from api.pages.action_words import ACTIONS
from api.pages.auditor.filters import Asked, FilterForm, Text
from api.pages.auditor.frame import chosen, framed
from api.pages.visitors import Cursor, Visiting, Visitor
from api.profiles.service import as_id
from api.services import Services, Serving
from infra.errors import InvalidInput
from policies.words import Purpose

EVENTS_A_PAGE = 50

router = APIRouter(prefix="/audit")


@router.get("")
async def audit_page(
    request: Request, serving: Serving, visiting: Visiting, asked: Asked, cursor: Cursor = None
) -> Response:
    """The access log, newest first, as far as the visitor may see it; nothing of it while the form is wrong."""
    found = None if asked.faults else await _found(serving, visiting, asked, cursor)
    values: dict[str, Any] = {
        "asked": asked,
        "found": found,
        "actions": [action.value for action in ACTIONS],
        "purposes": list(Purpose),
        "first": cursor is None,
    }
    status = 422 if asked.faults else 200
    return await framed(request, serving, visiting, "auditor/log.html", "log", status, **values)


@router.get("/export.csv")
async def export_table(serving: Serving, visiting: Visiting, asked: Asked) -> Response:
    """All that a search finds as a table."""
    return await _export(serving, visiting, asked, exports.CSV)


@router.get("/export.ndjson")
async def export_lines(serving: Serving, visiting: Visiting, asked: Asked) -> Response:
    """All that a search finds as lines of JSON."""
    return await _export(serving, visiting, asked, exports.NDJSON)


@router.get("/events/{event}")
async def event_page(request: Request, serving: Serving, visiting: Visiting, event: str, clinic: Text = "") -> Response:
    """One event in full: everything that the log holds of it."""
    found = await audit.read_event(serving, visiting.caller, chosen(visiting, clinic), as_id(event))
    return await framed(request, serving, visiting, "auditor/event.html", "log", event=found, clinic=clinic)


@router.get("/events/{event}/proof")
async def proof(serving: Serving, visiting: Visiting, event: str, clinic: Text = "") -> Response:
    """The proof that an event is in the sealed log, as a file."""
    # An id that is none is asked for like any other, so that this too is an event.
    named, log = as_id(event) or UUID(int=0), chosen(visiting, clinic)
    found = await proof_service.prove_event(serving, visiting.caller, log, Stream.ACCESS, named, None)
    headers = {"content-disposition": f'attachment; filename="proof-{named}.json"'}
    return Response(found.model_dump_json(indent=1), media_type="application/json", headers=headers)


async def _found(serving: Services, visiting: Visitor, asked: FilterForm, cursor: str | None) -> Any:
    clinic = chosen(visiting, asked.typed["clinic"])
    return await audit.search(serving, visiting.caller, clinic, asked.filters, EVENTS_A_PAGE, cursor)


async def _export(serving: Services, visiting: Visitor, asked: FilterForm, form: exports.Format) -> Response:
    if asked.faults:
        raise InvalidInput("no such filter", place=f"query.{next(iter(asked.faults))}")
    parts = await audit.export(serving, visiting.caller, chosen(visiting, asked.typed["clinic"]), asked.filters, form)
    headers = {"content-disposition": f'attachment; filename="access-log.{form.extension}"'}
    return StreamingResponse(parts, media_type=form.media_type, headers=headers)
