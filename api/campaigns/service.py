"""What a clinic's manager may do with one text and the members of a segment."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from api.bodies import given
from api.campaigns import repository
from api.campaigns.schemas import (
    Audience,
    Campaign,
    Campaigns,
    Contactable,
    NewCampaign,
    Preview,
    Progress,
    Started,
    Withheld,
)
from api.gateway import Access, Caller, Work
from api.idempotency import checked, reused
from api.messages.campaigns import REFUSAL_PATH, content_of
from api.messages.mail import rendered
from api.messages.port import MessageKind
from api.messages.reach import REACHED, WITHHELD, Reach
from api.profiles.service import as_id
from api.segments.counts import are_exact
from api.services import Services
from infra.errors import NotThere
from infra.settings import settings
from policies.access.model import Resource
from policies.small_counts import told
from policies.words import Action

MADE_UP_LINK = f"{REFUSAL_PATH}/…"


async def reach(serving: Services, caller: Caller, clinic: str, segment: str) -> Audience:
    """Whom a message to a segment would reach now.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    exact = are_exact(serving.gateway, caller.principal, clinic, segment)
    async with serving.gateway.work(caller, Access(Action.SEGMENT_REACH, Resource(clinic, segment))) as work:
        found, few = await repository.counts(work, await repository.find(work, segment))
        await work.record(*(few if exact else []))
    return counted(segment, found, exact=exact)


async def preview(serving: Services, caller: Caller, clinic: str, segment: str, asked: NewCampaign | None) -> Preview:
    """A message as it would arrive, and whom it would reach; nothing is sent.

    Raises:
        NotThere: no such segment, or not the caller's.
        InvalidInput: nothing was sent.
    """
    found = await reach(serving, caller, clinic, segment)
    said = given(asked).model_dump()
    link = f"{settings().issuer}/{MADE_UP_LINK}"
    subject, text = rendered(MessageKind.CAMPAIGN, content_of(said, MADE_UP_LINK), link)
    return Preview(audience=found, subject=subject, text=text)


async def start(
    serving: Services, caller: Caller, clinic: str, segment: str, asked: NewCampaign | None, key: str | None
) -> Started:
    """Send a text to the members of a segment who may be written to; the same key again sends nothing more.

    Raises:
        NotThere: no such segment, or not the caller's.
        InvalidInput: nothing was sent, no good key, or it was another request's.
    """
    async with serving.gateway.work(caller, Access(Action.CAMPAIGN_SEND, Resource(clinic, segment))) as work:
        segment_id = await repository.find(work, segment)
        said, key = given(asked), checked(key)
        members = await repository.audience(work, segment_id)
        digests = serving.digests
        campaign, is_new, request = await repository.begin(
            work,
            serving.codec,
            segment_id,
            said.model_dump(),
            digests.of("key", key),
            wanted := digests.of("campaign", str(segment_id), said.model_dump_json()),
        )
        if request != wanted:
            raise reused()
        await work.record(*(await repository.write(work, campaign, members) if is_new else []))
    return Started(id=campaign)


async def list_campaigns(serving: Services, caller: Caller, clinic: str, segment: str) -> Campaigns:
    """The messages to a segment and how far each is, the newest first.

    Raises:
        NotThere: no such segment, or not the caller's.
    """
    async with serving.gateway.work(caller, Access(Action.CAMPAIGN_READ, Resource(clinic, segment))) as work:
        segment_id = await repository.find(work, segment, archived_too=True)
        await work.serve()
        found = await _shown(serving, work, segment, segment_id)
        await _record(work, found)
    return Campaigns(campaigns=await _signed(serving, found))


async def read(serving: Services, caller: Caller, clinic: str, segment: str, campaign: str) -> Campaign:
    """One message to a segment, and how far it is.

    Raises:
        NotThere: no such message to this segment, or not the caller's.
    """
    async with serving.gateway.work(caller, Access(Action.CAMPAIGN_READ, Resource(clinic, segment))) as work:
        found = await _one(serving, work, segment, campaign)
        await _record(work, [found])
    return (await _signed(serving, [found]))[0]


async def stop(serving: Services, caller: Caller, clinic: str, segment: str, campaign: str) -> Campaign:
    """Have what is not sent yet not sent; once more changes nothing.

    Raises:
        NotThere: no such message to this segment, or not the caller's.
    """
    async with serving.gateway.work(caller, Access(Action.CAMPAIGN_STOP, Resource(clinic, segment))) as work:
        before = await _one(serving, work, segment, campaign)
        await repository.stop(work, before["campaign_id"])
        (found,) = await _shown(serving, work, segment, before["segment_id"], before["campaign_id"])
        await _record(work, [found])
    return (await _signed(serving, [found]))[0]


def counted(segment: str, counts: Mapping[Reach, int], *, exact: bool) -> Audience:
    """The counts of an audience. Rounded ones tell nobody's own: the sum of the others is not known either."""
    found = Counter(counts)

    def shown(count: int) -> int | None:
        return count if exact else told(count)

    return Audience(
        segment=segment,
        matched=shown(found.total()),
        contactable=Contactable(**{reach.value: shown(found[reach]) for reach in Reach if reach in REACHED}),
        withheld=Withheld(**{reach.value: shown(found[reach]) for reach in WITHHELD}),
        rounded=not exact,
    )


async def _one(serving: Services, work: Work, slug: str, campaign: str) -> dict[str, Any]:
    wanted = as_id(campaign)
    segment = await repository.find(work, slug, archived_too=True)
    await work.serve()
    found = await _shown(serving, work, slug, segment, wanted) if wanted else []
    if not found:
        raise NotThere("no such message")
    return found[0]


async def _shown(
    serving: Services, work: Work, slug: str, segment: UUID, campaign: UUID | None = None
) -> list[dict[str, Any]]:
    rows = await repository.campaigns(work, serving.codec, segment, campaign)
    states = await repository.progress(work, [row["campaign_id"] for row in rows])
    return [
        {**row, "segment": slug, **_so_far(s for s in states if s["campaign_id"] == row["campaign_id"])} for row in rows
    ]


async def _record(work: Work, campaigns: Iterable[dict[str, Any]]) -> None:
    """Record, with the patients whom a count of a few tells of."""
    await work.record(*(patient for campaign in campaigns for patient in campaign.pop("few")))


def _so_far(states: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The `progress` of a campaign, and of the patients those who are counted with a `few`."""
    few: list[UUID] = []
    counts: Counter[str] = Counter()
    withheld: Counter[str] = Counter()
    for state in states:
        counts[state["status"]] += state["patients"]
        few += state["few"]
        if state["status"] == "withheld":
            withheld[state["reason"]] += state["patients"]
    progress = Progress(
        matched=counts.total(),
        **{status: counts[status] for status in ("waiting", "sent", "stopped", "failed")},
        withheld=Withheld(**{reach.value: withheld[reach] for reach in WITHHELD}),
    )
    return {"progress": progress, "few": few}


async def _signed(serving: Services, found: list[dict[str, Any]]) -> list[Campaign]:
    logins = await serving.logins({row["started_by"] for row in found})
    return [
        Campaign(id=row["campaign_id"], **row["said"], **{**row, "started_by": logins.get(row["started_by"])})
        for row in found
    ]
