"""How a segment is kept: its words, its versions, another like it, put away."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.pages.manager.faults import said
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.segments import editing_service as editing
from api.segments import service as segments
from api.segments.editing_schemas import Archiving, NewSegment, SegmentChange
from api.services import Services, Serving
from api.webhooks import service as webhooks
from infra.errors import InvalidInput, Refused
from policies.words import ArchiveReason

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}")

Word = Annotated[str, Form(max_length=400)]
Words = Annotated[str, Form(max_length=4000)]


@router.get("/settings")
async def settings_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """A segment's words and versions, who names it and is told of it, and what can be done with it."""
    return await _settings(request, serving, visiting)


@router.post("/settings")
async def rename(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    name: Word = "",
    description: Words = "",
    tag: Word = "",
    csrf: Csrf = "",
) -> Response:
    """Give a segment another name or description, if it is still as it was shown."""
    visiting.sent(csrf)
    try:
        asked = SegmentChange(name=name.strip(), description=description.strip())
        await editing.change(serving, visiting.caller, clinic, segment, asked, tag)
    except (ValidationError, Refused) as error:
        asked_for = {"name": name, "description": description}
        return await _settings(request, serving, visiting, 422, form="words", asked=asked_for, faults=said(error))
    return _to(clinic, segment)


@router.post("/duplicate")
async def duplicate(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    name: Word = "",
    slug: Word = "",
    csrf: Csrf = "",
) -> Response:
    """Make another segment of the same rule."""
    visiting.sent(csrf)
    found, _ = await segments.read_definition(serving, visiting.caller, clinic, segment)
    try:
        asked = NewSegment(slug=slug.strip(), name=name.strip(), description=found.description, rule=found.rule)
        saved, _ = await editing.add(serving, visiting.caller, clinic, asked)
    except (ValidationError, Refused, InvalidInput) as error:
        asked_for = {"name": name, "slug": slug}
        return await _settings(request, serving, visiting, 422, form="copy", asked=asked_for, faults=said(error))
    return _to(clinic, saved.slug)


@router.post("/archive")
async def archive(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    reason: Word = "",
    csrf: Csrf = "",
) -> Response:
    """Put a segment away, unless others name it."""
    visiting.sent(csrf)
    try:
        await editing.archive(serving, visiting.caller, clinic, segment, Archiving(reason=ArchiveReason(reason)))
    except (ValueError, Refused) as error:
        faults = said(error) if isinstance(error, Refused) else {"reason": "Say why."}
        return await _settings(request, serving, visiting, 422, form="archive", asked={}, faults=faults)
    return _to(clinic, segment)


async def _settings(
    request: Request, serving: Services, visiting: Visitor, status: int = 200, **values: Any
) -> Response:
    clinic, slug = request.path_params["clinic"], request.path_params["segment"]
    found, tag = await segments.read_definition(serving, visiting.caller, clinic, slug)
    shown: dict[str, Any] = {"form": "", "asked": {}, "faults": {}, "reasons": list(ArchiveReason), **values}
    hooks = (await webhooks.list_webhooks(serving, visiting.caller, clinic)).webhooks
    entry = await serving.directory.find(clinic)
    return page(
        request, "manager/segment_settings.html", status, visitor=visiting, clinic=entry, segment=found, tag=tag,
        told=[hook for hook in hooks if hook.segments is None or found.segment_id in hook.segments], **shown,
    )  # fmt: skip


def _to(clinic: str, segment: str) -> Response:
    return RedirectResponse(f"/clinics/{clinic}/segments/{segment}", 303)
