"""API keys of systems at a clinic: for platform admins."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.key_admin import service
from api.key_admin.schemas import FreshKey, Keys, NewKey, Renewal
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/api-keys", tags=["api keys"])


@router.get("")
async def list_keys(serving: Serving, caller: ApiCaller, clinic: str) -> Keys:
    """The clinic's keys with scope, end and last use; no secret."""
    return await service.list_keys(serving, caller, clinic)


@router.post("", status_code=201)
async def give_key(
    serving: Serving, caller: ApiCaller, clinic: str, asked: Annotated[NewKey | None, Body()] = None
) -> FreshKey:
    """Make a key; it is shown this once."""
    return await service.give(serving, caller, clinic, asked)


@router.post("/{key}/renew", status_code=201)
async def renew_key(
    serving: Serving, caller: ApiCaller, clinic: str, key: str, asked: Annotated[Renewal | None, Body()] = None
) -> FreshKey:
    """Make one of the same scope in its place; `key` is the old one's prefix, and it stays good for the overlap."""
    return await service.renew(serving, caller, clinic, key, asked)


@router.post("/{key}/end", status_code=204)
async def end_key(serving: Serving, caller: ApiCaller, clinic: str, key: str) -> None:
    """End it at once; `key` is its prefix."""
    await service.end(serving, caller, clinic, key)
