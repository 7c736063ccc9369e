"""Editing profiles: for whom they belong to, and their guardians."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Response

from api.editing import service
from api.editing.schemas import Edit, Edited, History
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/me", tags=["me"])
IfMatch = Annotated[str | None, Header(max_length=60, description="The ETag of the profile as it was read.")]


@router.patch("/profile")
async def edit_own_profile(
    serving: Serving,
    caller: ApiCaller,
    response: Response,
    asked: Annotated[Edit | None, Body()] = None,
    if_match: IfMatch = None,
) -> Edited:
    """Change fields of the caller's own profile; every clinic that it is shared with sees it at once."""
    return _tagged(response, await service.edit(serving, caller, asked, if_match))


@router.get("/profile/history")
async def read_own_history(serving: Serving, caller: ApiCaller) -> History:
    """What the caller's profile said before each edit."""
    return await service.history(serving, caller)


@router.patch("/dependents/{dependent}/profile")
async def edit_dependents_profile(
    serving: Serving,
    caller: ApiCaller,
    dependent: str,
    response: Response,
    asked: Annotated[Edit | None, Body()] = None,
    if_match: IfMatch = None,
) -> Edited:
    """Change fields of a dependent's profile; of the emergency contacts those that the caller entered."""
    return _tagged(response, await service.edit(serving, caller, asked, if_match, dependent))


def _tagged(response: Response, edited: Edited) -> Edited:
    response.headers["etag"] = edited.version
    return edited
