"""Webhooks of a clinic, for its managers."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Response

from api.cursors import Cursor, Limit
from api.problems import documented
from api.services import ApiCaller, Serving
from api.webhooks import service
from api.webhooks.schemas import (
    Deliveries,
    NewWebhook,
    Queued,
    Secret,
    State,
    Webhook,
    WebhookChange,
    Webhooks,
)

router = APIRouter(prefix="/clinics/{clinic}/webhooks", tags=["webhooks"])
IfMatch = Annotated[str | None, Header(max_length=60, description="The ETag of the webhook as it was read.")]
STALE = documented(412, "Somebody else changed it since it was read.")


@router.get("")
async def list_webhooks(serving: Serving, caller: ApiCaller, clinic: str) -> Webhooks:
    """The clinic's webhooks."""
    return await service.list_webhooks(serving, caller, clinic)


@router.post("", status_code=201)
async def add_webhook(
    serving: Serving, caller: ApiCaller, clinic: str, asked: Annotated[NewWebhook | None, Body()] = None
) -> Secret:
    """Have changes of segments sent somewhere, from now on; the secret is shown this once."""
    return await service.add(serving, caller, clinic, asked)


@router.get("/{webhook}")
async def read_webhook(serving: Serving, caller: ApiCaller, clinic: str, webhook: str, response: Response) -> Webhook:
    """One webhook; its entity tag goes with the next change."""
    found, response.headers["etag"] = await service.read(serving, caller, clinic, webhook)
    return found


@router.patch("/{webhook}", responses=STALE, status_code=204)
async def change_webhook(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    webhook: str,
    asked: Annotated[WebhookChange | None, Body()] = None,
    if_match: IfMatch = None,
) -> None:
    """Change where it leads, which segments, or which kinds of changes."""
    await service.change(serving, caller, clinic, webhook, asked, if_match)


@router.delete("/{webhook}", responses=STALE, status_code=204)
async def delete_webhook(
    serving: Serving, caller: ApiCaller, clinic: str, webhook: str, if_match: IfMatch = None
) -> None:
    """End it; what waits is not sent any more."""
    await service.delete(serving, caller, clinic, webhook, if_match)


@router.post("/{webhook}/disable", status_code=204)
async def disable_webhook(serving: Serving, caller: ApiCaller, clinic: str, webhook: str) -> None:
    """Switch it off; it goes on where it stopped once it is switched on."""
    await service.disable(serving, caller, clinic, webhook)


@router.post("/{webhook}/enable", status_code=204)
async def enable_webhook(serving: Serving, caller: ApiCaller, clinic: str, webhook: str) -> None:
    """Switch it on: what waits is sent, and what has changed since."""
    await service.enable(serving, caller, clinic, webhook)


@router.post("/{webhook}/secret")
async def rotate_secret(serving: Serving, caller: ApiCaller, clinic: str, webhook: str) -> Secret:
    """Make a new secret, shown this once; the one before signs beside it for 24 hours."""
    return await service.rotate_secret(serving, caller, clinic, webhook)


@router.post("/{webhook}/test", status_code=202)
async def send_test(serving: Serving, caller: ApiCaller, clinic: str, webhook: str) -> Queued:
    """Send a test, once, even where it is switched off; the list of deliveries says what came of it."""
    return await service.send_test(serving, caller, clinic, webhook)


@router.get("/{webhook}/deliveries")
async def list_deliveries(
    serving: Serving,
    caller: ApiCaller,
    clinic: str,
    webhook: str,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Deliveries:
    """Deliveries and what became of them, the newest first."""
    return await service.list_deliveries(serving, caller, clinic, webhook, state, limit, cursor)


@router.post("/{webhook}/deliveries/{delivery}/redeliver", status_code=202)
async def redeliver(serving: Serving, caller: ApiCaller, clinic: str, webhook: str, delivery: str) -> Queued:
    """Send a dead delivery again, under the same id, behind what waits."""
    return await service.redeliver(serving, caller, clinic, webhook, delivery)
