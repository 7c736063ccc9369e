"""A demo's mailbox: what would have been sent, for its admins to follow."""

import re
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.messages import service
from api.pages.visitors import Visiting, page
from api.services import Serving
from infra.errors import NotThere

router = APIRouter(prefix="/mailbox")
LINK = re.compile(r"https?://\S+")


@router.get("")
async def mailbox_page(request: Request, serving: Serving, visiting: Visiting) -> Response:
    """The newest mail."""
    found = await service.read_mailbox(serving, visiting.caller)
    shown = [(mail, _pieces(mail.text)) for mail in found]
    return page(request, "admin/mailbox.html", visitor=visiting, found=shown)


@router.get("/{message}.ics")
async def calendar(serving: Serving, visiting: Visiting, message: UUID) -> Response:
    """The calendar that came with a mail."""
    for mail in await service.read_mailbox(serving, visiting.caller, message):
        if mail.calendar:
            return Response(mail.calendar, media_type="text/calendar")
    raise NotThere("no calendar")


def _pieces(text: str) -> list[tuple[str, bool]]:
    """A text cut at its links: each piece, and whether it is one."""
    found, at = [], 0
    for match in LINK.finditer(text):
        found += [(text[at : match.start()], False), (match[0], True)]
        at = match.end()
    return [*found, (text[at:], False)]
