"""What managers may do with webhooks of their clinic; each step is recorded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.bodies import given
from api.entity_tags import matches, of_version
from api.gateway import Access, Caller, Work
from api.profiles.service import as_id
from api.services import Services
from api.webhooks import repository
from api.webhooks.schemas import Deliveries, Delivery, NewWebhook, Queued, Secret, Webhook, WebhookChange, Webhooks
from api.webhooks.signing import fresh_secret
from api.webhooks.transport import allowed_networks
from infra.errors import InvalidInput, NotThere, Refused, Stale
from infra.settings import settings
from policies.access.model import Resource
from policies.addresses import fault_of_url
from policies.words import Action


@dataclass(frozen=True)
class Edit:
    """An edit under way: the webhook as it was before."""

    work: Work
    before: dict[str, Any]

    @property
    def webhook(self) -> UUID:
        """Its id."""
        found: UUID = self.before["endpoint_id"]
        return found


async def list_webhooks(serving: Services, caller: Caller, clinic: str) -> Webhooks:
    """The webhooks of a clinic, the oldest first.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
    """
    async with serving.gateway.open(caller, Access(Action.WEBHOOK_LIST, Resource(clinic))) as grant:
        rows = await repository.webhooks(grant, every=True)
    return Webhooks(clinic=clinic, webhooks=[Webhook.model_validate(row) for row in rows])


async def read(serving: Services, caller: Caller, clinic: str, webhook: str) -> tuple[Webhook, str]:
    """One webhook and its entity tag.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
    """
    async with serving.gateway.open(caller, Access(Action.WEBHOOK_LIST, Resource(clinic))) as grant:
        rows = await repository.webhooks(grant, as_id(webhook))
        if not rows:
            raise NotThere("no such webhook")
    return Webhook.model_validate(rows[0]), of_version(rows[0]["version"])


async def add(serving: Services, caller: Caller, clinic: str, asked: NewWebhook | None) -> Secret:
    """Add a webhook; it is told what changes from now on.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
        InvalidInput: nothing was sent, or no URL that may be reached, or a segment that is none; names the place.
        Refused: there are as many as there may be.
    """
    async with serving.gateway.work(caller, Access(Action.WEBHOOK_EDIT, Resource(clinic))) as work:
        wanted = given(asked)
        _check_url(wanted.url)
        run = await _followed(work, wanted.segments)
        await work.serve()
        if await repository.count(work) >= repository.MOST_WEBHOOKS:
            raise Refused("too many", place="path.clinic", rule="too_many")
        secret = fresh_secret()
        webhook = await repository.add(
            work, serving.codec, wanted.url, wanted.segments, list(wanted.kinds), run, secret
        )  # fmt: skip
        work.name_resource(str(webhook))
        await work.record()
    return Secret(webhook_id=webhook, secret=secret)


async def change(
    serving: Services, caller: Caller, clinic: str, webhook: str, asked: WebhookChange | None, if_match: str | None
) -> None:
    """Change a webhook, if it is still as it was read.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
        InvalidInput: nothing was sent, or not of which version, or no URL or segment that is good; names the place.
        Stale: somebody else changed it meanwhile.
    """
    segments = asked.segments if asked else None
    async with _editing(serving, caller, clinic, webhook, segments) as edit:
        wanted, before = given(asked), edit.before
        _check_version(before, if_match)
        named = wanted.model_fields_set
        url = before["url"] if wanted.url is None else wanted.url
        _check_url(url)
        kinds = before["kinds"] if wanted.kinds is None else list(wanted.kinds)
        chosen = wanted.segments if "segments" in named else before["segments"]
        await repository.change(edit.work, edit.webhook, url, chosen, kinds)


async def delete(serving: Services, caller: Caller, clinic: str, webhook: str, if_match: str | None) -> None:
    """End a webhook, if it is still as it was read.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
        InvalidInput: it was not said of which version.
        Stale: somebody else changed it meanwhile.
    """
    async with _editing(serving, caller, clinic, webhook) as edit:
        _check_version(edit.before, if_match)
        await repository.delete(edit.work, edit.webhook)


async def disable(serving: Services, caller: Caller, clinic: str, webhook: str) -> None:
    """Switch a webhook off.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
    """
    async with _editing(serving, caller, clinic, webhook) as edit:
        await repository.disable(edit.work, edit.webhook)


async def enable(serving: Services, caller: Caller, clinic: str, webhook: str) -> None:
    """Switch a webhook on: it goes on where it stopped.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
    """
    async with _editing(serving, caller, clinic, webhook) as edit:
        await repository.enable(edit.work, edit.webhook)


async def rotate_secret(serving: Services, caller: Caller, clinic: str, webhook: str) -> Secret:
    """Give a webhook a new secret; the one before signs beside it for a day.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
    """
    secret = fresh_secret()
    async with _editing(serving, caller, clinic, webhook) as edit:
        await repository.rotate(edit.work, serving.codec, edit.before, secret)
    return Secret(webhook_id=edit.webhook, secret=secret)


async def send_test(serving: Services, caller: Caller, clinic: str, webhook: str) -> Queued:
    """Have a test sent.

    Raises:
        NotThere: no such webhook, or not the caller's to manage.
        Refused: one waits already.
    """
    async with _editing(serving, caller, clinic, webhook) as edit:
        delivery = await repository.add_test(edit.work, edit.webhook)
    return Queued(delivery_id=delivery)


async def redeliver(serving: Services, caller: Caller, clinic: str, webhook: str, delivery: str) -> Queued:
    """Have a dead delivery sent again.

    Raises:
        NotThere: no such webhook or dead delivery, or not the caller's to manage.
    """
    async with _editing(serving, caller, clinic, webhook) as edit:
        found = await repository.redeliver(edit.work, edit.webhook, as_id(delivery))
    return Queued(delivery_id=found)


async def list_deliveries(
    serving: Services, caller: Caller, clinic: str, webhook: str, state: str | None, limit: int, cursor: str | None
) -> Deliveries:
    """A page of a webhook's deliveries, the newest first.

    Raises:
        NotThere: no such webhook, or not the caller's to manage; the cursor is none of this list.
    """
    bound_to = ("deliveries", clinic, as_id(webhook), state, caller.principal.principal_id)
    async with serving.gateway.open(caller, Access(Action.WEBHOOK_LIST, Resource(clinic))) as grant:
        before = int(serving.cursors.open(cursor, *bound_to)) if cursor else None
        # One more than asked for tells whether a page follows.
        rows = await repository.deliveries(grant, as_id(webhook), state, before, limit + 1)
        if rows is None:
            raise NotThere("no such webhook")
    page = rows[:limit]
    following = serving.cursors.seal(str(page[-1]["position"]), *bound_to) if len(rows) > limit else None
    return Deliveries(deliveries=[Delivery.model_validate(row) for row in page], next=following)


@asynccontextmanager
async def _editing(
    serving: Services, caller: Caller, clinic: str, webhook: str, segments: list[UUID] | None = None
) -> AsyncIterator[Edit]:
    async with serving.gateway.work(caller, Access(Action.WEBHOOK_EDIT, Resource(clinic))) as work:
        await _followed(work, segments)
        await work.serve()
        edit = Edit(work, await repository.held(work, as_id(webhook)))
        yield edit
        work.name_resource(str(edit.webhook))
        await work.record()


async def _followed(work: Work, segments: list[UUID] | None) -> int:
    """The last run of the clinic's feed, once these are known to be segments of its own."""
    wanted = list(dict.fromkeys(segments or []))
    run, known = await repository.feed_of(work, wanted)
    if known != len(wanted):
        raise InvalidInput("no such segment", place="body.segments", rule="no_such_segment")
    return run


def _check_url(url: str) -> None:
    fault = fault_of_url(url, allowed_networks(settings()))
    if fault:
        raise InvalidInput("no endpoint", place="body.url", rule=fault)


def _check_version(before: dict[str, Any], if_match: str | None) -> None:
    if if_match is None:
        raise InvalidInput("says no version", place="header.if-match", rule="missing")
    if not matches(of_version(before["version"]), if_match):
        raise Stale("changed meanwhile", place="header.if-match", rule="changed_meanwhile")
