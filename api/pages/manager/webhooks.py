"""Where changes of segments are sent: set up, tried, switched off and on, and what became of deliveries."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.pages.manager.faults import said
from api.pages.visitors import Csrf, Cursor, Visiting, Visitor, page
from api.segments import service as segments
from api.services import Services, Serving
from api.webhooks import service
from api.webhooks.schemas import NewWebhook, Secret
from infra.errors import InvalidInput, Refused

DELIVERIES_A_PAGE = 50
KINDS = ("entered", "left", "forget")

router = APIRouter(prefix="/clinics/{clinic}/webhooks")

Chosen = Annotated[list[str], Form(max_length=200)]


@router.get("")
async def webhooks_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    segment: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The clinic's webhooks, and a form for another one; `segment` is the id of one that is ticked in it."""
    return await _list(request, serving, visiting, clinic, asked={"url": "", "chosen": [segment], "kinds": KINDS})


@router.post("")
async def add(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    url: Annotated[str, Form(max_length=4000)] = "",
    chosen: Chosen = [],  # noqa: B006  # FastAPI copies it
    kinds: Chosen = [],  # noqa: B006  # FastAPI copies it
    csrf: Csrf = "",
) -> Response:
    """Add a webhook, and show its secret this once."""
    visiting.sent(csrf)
    try:
        wanted = NewWebhook.model_validate({"url": url.strip(), "segments": chosen or None, "kinds": kinds})
        secret = await service.add(serving, visiting.caller, clinic, wanted)
    except (ValidationError, InvalidInput, Refused) as error:
        asked = {"url": url, "chosen": chosen, "kinds": kinds}
        return await _list(request, serving, visiting, clinic, 422, asked=asked, faults=said(error))
    return await _secret(request, serving, visiting, clinic, secret)


@router.get("/{webhook}")
async def webhook_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, webhook: str, cursor: Cursor = None
) -> Response:
    """One webhook and its deliveries, the newest first."""
    found, tag = await service.read(serving, visiting.caller, clinic, webhook)
    sent = await service.list_deliveries(serving, visiting.caller, clinic, webhook, None, DELIVERIES_A_PAGE, cursor)
    known = await segments.list_segments(serving, visiting.caller, clinic)
    return page(
        request,
        "manager/webhook.html",
        visitor=visiting,
        clinic=known.clinic,
        webhook=found,
        tag=tag,
        names=_names(known.segments),
        deliveries=sent,
        first=cursor is None,
    )


@router.post("/{webhook}/disable")
async def disable(serving: Serving, visiting: Visiting, clinic: str, webhook: str, csrf: Csrf = "") -> Response:
    """Switch a webhook off."""
    visiting.sent(csrf)
    await service.disable(serving, visiting.caller, clinic, webhook)
    return _to(clinic, webhook)


@router.post("/{webhook}/enable")
async def enable(serving: Serving, visiting: Visiting, clinic: str, webhook: str, csrf: Csrf = "") -> Response:
    """Switch a webhook on."""
    visiting.sent(csrf)
    await service.enable(serving, visiting.caller, clinic, webhook)
    return _to(clinic, webhook)


@router.post("/{webhook}/test")
async def send_test(serving: Serving, visiting: Visiting, clinic: str, webhook: str, csrf: Csrf = "") -> Response:
    """Send a test; the list of deliveries says what came of it."""
    visiting.sent(csrf)
    await service.send_test(serving, visiting.caller, clinic, webhook)
    return _to(clinic, webhook)


@router.post("/{webhook}/secret")
async def rotate_secret(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, webhook: str, csrf: Csrf = ""
) -> Response:
    """Make a new secret, and show it this once."""
    visiting.sent(csrf)
    secret = await service.rotate_secret(serving, visiting.caller, clinic, webhook)
    return await _secret(request, serving, visiting, clinic, secret)


@router.post("/{webhook}/delete")
async def delete(
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    webhook: str,
    tag: Annotated[str, Form(max_length=100)] = "",
    csrf: Csrf = "",
) -> Response:
    """End a webhook, if it is still as it was shown."""
    visiting.sent(csrf)
    await service.delete(serving, visiting.caller, clinic, webhook, tag)
    return RedirectResponse(f"/clinics/{clinic}/webhooks", 303)


@router.post("/{webhook}/deliveries/{delivery}/redeliver")
async def redeliver(
    serving: Serving, visiting: Visiting, clinic: str, webhook: str, delivery: str, csrf: Csrf = ""
) -> Response:
    """Send a dead delivery again."""
    visiting.sent(csrf)
    await service.redeliver(serving, visiting.caller, clinic, webhook, delivery)
    return _to(clinic, webhook)


async def _list(
    request: Request, serving: Services, visiting: Visitor, clinic: str, status: int = 200, **values: Any
) -> Response:
    found = await service.list_webhooks(serving, visiting.caller, clinic)
    known = await segments.list_segments(serving, visiting.caller, clinic)
    shown = {"faults": {}, **values}
    return page(
        request,
        "manager/webhooks.html",
        status,
        visitor=visiting,
        clinic=known.clinic,
        webhooks=found.webhooks,
        segments=known.segments,
        names=_names(known.segments),
        kinds=KINDS,
        **shown,
    )


async def _secret(request: Request, serving: Services, visiting: Visitor, clinic: str, secret: Secret) -> Response:
    entry = await serving.directory.find(clinic)
    return page(request, "manager/webhook_secret.html", visitor=visiting, clinic=entry, secret=secret)


def _names(found: list[dict[str, Any]]) -> dict[UUID, str]:
    return {segment["segment_id"]: segment["name"] for segment in found}


def _to(clinic: str, webhook: str) -> Response:
    return RedirectResponse(f"/clinics/{clinic}/webhooks/{webhook}", 303)
