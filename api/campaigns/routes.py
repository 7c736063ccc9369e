"""Messages to the members of a segment: by the clinic's managers, who see counts and no address."""

from typing import Annotated

from fastapi import APIRouter, Body

from api.campaigns import service
from api.campaigns.schemas import Audience, Campaign, Campaigns, NewCampaign, Preview, Started
from api.idempotency import IdempotencyKey
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}", tags=["messages"])
Asked = Annotated[NewCampaign | None, Body()]


@router.get("/reach")
async def read_reach(serving: Serving, caller: ApiCaller, clinic: str, segment: str) -> Audience:
    """How many members a message would reach, and why it would not reach the others. Nobody is named."""
    return await service.reach(serving, caller, clinic, segment)


@router.post("/messages/preview")
async def preview(serving: Serving, caller: ApiCaller, clinic: str, segment: str, asked: Asked = None) -> Preview:
    """The message as it would arrive, and whom it would reach; nothing is sent."""
    return await service.preview(serving, caller, clinic, segment, asked)


@router.post("/messages", status_code=201)
async def send(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    segment: str,
    asked: Asked = None,
    idempotency_key: IdempotencyKey = None,
) -> Started:
    """Send it to the present members who share their profile and agreed to messages, as long as that stands."""
    return await service.start(serving, caller, clinic, segment, asked, idempotency_key)


@router.get("/messages")
async def list_messages(serving: Serving, caller: ApiCaller, clinic: str, segment: str) -> Campaigns:
    """The messages to this segment and how far each is, the newest first."""
    return await service.list_campaigns(serving, caller, clinic, segment)


@router.get("/messages/{campaign}")
async def read_message(serving: Serving, caller: ApiCaller, clinic: str, segment: str, campaign: str) -> Campaign:
    """One message, and how far it is."""
    return await service.read(serving, caller, clinic, segment, campaign)


@router.post("/messages/{campaign}/stop")
async def stop_message(serving: Serving, caller: ApiCaller, clinic: str, segment: str, campaign: str) -> Campaign:
    """Stop it: what is not sent yet is not sent."""
    return await service.stop(serving, caller, clinic, segment, campaign)
