"""Where the last line of a campaign's message leads: to get no more of them. Nobody need sign in for that."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.messages import service
from api.messages.campaigns import REFUSAL_PATH
from api.pages.visitors import page
from api.services import Anybody, Serving

router = APIRouter(prefix=f"/{REFUSAL_PATH}")


@router.get("/{token}")
async def ask(request: Request) -> Response:
    """A button: a mail program that looks at links presses none. The same for every token."""
    return page(request, "entry/unsubscribe.html", done=False)


@router.post("/{token}")
async def unsubscribe(request: Request, serving: Serving, caller: Anybody, token: str) -> Response:
    """Get no more of them. Mail programs ask for it by themselves as well (RFC 8058): the token is all it takes."""
    await service.refuse(serving, caller, token)
    return page(request, "entry/unsubscribe.html", done=True)
