"""Messages to a segment: write one, look at it, send it, see how far it is, stop it. No page needs a script."""

from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.campaigns import service
from api.campaigns.schemas import LONGEST_SUBJECT, LONGEST_TEXT, NewCampaign
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.segments import service as segments
from api.services import Services, Serving
from infra.errors import InvalidInput

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}/messages")

FAULTS = {
    "subject": N_("A subject is one line of up to 120 signs."),
    "text": N_("A text is plain, and has up to 4000 signs."),
}
# Browsers send two signs for each line break.
Subject = Annotated[str, Form(max_length=2 * LONGEST_SUBJECT)]
Text = Annotated[str, Form(max_length=2 * LONGEST_TEXT)]


@router.get("")
async def messages_page(request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str) -> Response:
    """A form for a new message, and those that were sent."""
    found = await service.list_campaigns(serving, visiting.caller, clinic, segment)
    return await _page(request, serving, visiting, "manager/campaigns.html", campaigns=found.campaigns, asked={})


@router.post("/preview")
async def preview(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    subject: Subject = "",
    text: Text = "",
    csrf: Csrf = "",
) -> Response:
    """The message as it would arrive and whom it would reach; or the form again, with what is wrong."""
    visiting.sent(csrf)
    try:
        said = _said(subject, text)
    except InvalidInput as error:
        found = await service.list_campaigns(serving, visiting.caller, clinic, segment)
        asked, fault = {"subject": subject, "text": text}, FAULTS[error.place]
        values = {"campaigns": found.campaigns, "asked": asked, "fault": fault}
        return await _page(request, serving, visiting, "manager/campaigns.html", 422, **values)
    shown = await service.preview(serving, visiting.caller, clinic, segment, said)
    # The key goes with the form, so that a form that is sent twice sends one message.
    return await _page(
        request, serving, visiting, "manager/campaign_preview.html", shown=shown, asked=said.model_dump(), key=uuid4()
    )


@router.post("")
async def send(
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: str,
    subject: Subject = "",
    text: Text = "",
    key: Annotated[str, Form(max_length=200)] = "",
    csrf: Csrf = "",
) -> Response:
    """Send what was looked at."""
    visiting.sent(csrf)
    said = _said(subject, text)
    started = await service.start(serving, visiting.caller, clinic, segment, said, key)
    return RedirectResponse(f"/clinics/{clinic}/segments/{segment}/messages/{started.id}", 303)


@router.get("/{campaign}")
async def message_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str, campaign: str
) -> Response:
    """How far a message is."""
    found = await service.read(serving, visiting.caller, clinic, segment, campaign)
    return await _page(request, serving, visiting, "manager/campaign.html", campaign=found)


@router.post("/{campaign}/stop")
async def stop(
    serving: Serving, visiting: Visiting, clinic: str, segment: str, campaign: str, csrf: Csrf = ""
) -> Response:
    """Stop a message."""
    visiting.sent(csrf)
    await service.stop(serving, visiting.caller, clinic, segment, campaign)
    return RedirectResponse(f"/clinics/{clinic}/segments/{segment}/messages/{campaign}", 303)


def _said(subject: str, text: str) -> NewCampaign:
    """What a form says.

    Raises:
        InvalidInput: not as a message may be; names the field.
    """
    try:
        return NewCampaign(subject=subject, text=text)
    except ValidationError as error:
        raise InvalidInput("no message", place=str(error.errors()[0]["loc"][0])) from None


async def _page(
    request: Request, serving: Services, visiting: Visitor, template: str, status: int = 200, **values: Any
) -> Response:
    clinic, segment = request.path_params["clinic"], request.path_params["segment"]
    found = await segments.read_segment(serving, visiting.caller, clinic, segment)
    return page(request, template, status, visitor=visiting, clinic=found.clinic, segment=found.segments[0], **values)
