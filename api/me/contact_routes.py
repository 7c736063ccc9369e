"""How one's own account is reached: read, and changed by a code that goes to the new contact."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.me import contact_service
from api.me.contact_schemas import Changing, OwnContacts
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/me/account/contacts", tags=["me"])


@router.get("")
async def read_own_contacts(serving: Serving, caller: ApiCaller) -> OwnContacts:
    """The contacts of the caller's account, apart from their profile's."""
    return await contact_service.read(serving, caller)


@router.put("")
async def change_own_contacts(
    serving: Serving, caller: ApiCaller, asked: Annotated[Changing | None, Body()] = None
) -> OwnContacts:
    """Change contacts. A new email counts once the code that went to it was answered; the old one is told."""
    return await contact_service.change(serving, caller, asked or Changing())
