"""A pull: all members of a segment as of one moment, given in parts as they are read.

The moment is one snapshot of the database, held until the end. Each part is decided about, recorded and committed
before any of it is given; of a pull that nobody takes to its end, the parts that were read ahead are recorded as well.
Before a part is given, and at the end, it is looked whether anybody in the pull has withdrawn or was deleted since, and
whether whoever asked may still have it: else it is void.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from typing import Any
from uuid import UUID

from api import entity_tags
from api.gateway import Access, Caller, Grant
from api.segments import pull_repository as repository
from api.segments import reach_repository
from api.segments.history_service import END_OF_RUN, feed_cursor
from api.segments.pull_formats import ENDED, VOID, Writer
from api.segments.service import check_in_use, listing, visible_fields, writes
from api.services import Services
from infra.errors import NotThere, Withdrawn
from policies.classification import MemberField

MEMBERS_A_PART = 10_000
READ_AHEAD = 2
_LOWEST, _HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Pull:
    """What is given: its parts, none if it is known; its entity tag, if any; where the feed goes on from it.

    Whoever takes it calls `close` in the end, whether all parts were taken or not.
    """

    tag: str | None
    feed: str
    parts: AsyncGenerator[bytes, None] | None = None
    close: Callable[[], Awaitable[None]] = field(default=AsyncExitStack().aclose)


async def pull(
    serving: Services, caller: Caller, clinic: str, segment: str, kind: type[Writer], known: str = ""
) -> Pull:
    """All members of a segment, the first part of them read and recorded; `known` is an `If-None-Match`.

    Raises:
        NotThere: no such segment, or not the caller's.
        Gone: it is archived.
        TooMany: others are being given already.
        NotRecorded: the database refused; in a later part, that ends the answer as it is.
    """
    fields = visible_fields(caller.principal)
    access = listing(caller.principal, clinic, segment, fields)
    since = time.time()
    async with AsyncExitStack() as stack:
        stack.enter_context(serving.pulls.place())
        opened = serving.gateway.open(caller, replace(access, archived_too=True), lasting=True)
        held = await stack.enter_async_context(opened)
        check_in_use(held)
        state = await repository.state(held, fields, MEMBERS_A_PART)
        feed = feed_cursor(serving, held, clinic, state.run, END_OF_RUN)
        shown = (kind.media_type, *fields)
        # Whom a key for messages may write to no mart knows, so that there is no digest of it.
        tag = None if writes(caller.principal) else entity_tags.tag(serving.digests, state.digest, *shown)
        if tag is not None and entity_tags.is_known(tag, known):
            await repository.known(held)
            return Pull(tag, feed)
        reading = _Reading(serving, access, held, fields, state, since)
        first = await reading.part(*reading.ranges[0])
        held.leave()  # what it holds is recorded part by part
        kept = stack.pop_all()
        return Pull(tag, feed, _parts(kept, reading, kind(fields, feed), first), kept.aclose)


@dataclass(frozen=True)
class _Reading:
    """Where the parts of a pull come from."""

    serving: Services
    access: Access
    held: Grant
    fields: tuple[MemberField, ...]
    state: repository.State
    since: float

    @property
    def ranges(self) -> list[tuple[UUID, UUID]]:
        """The ids of each part's patients: after one, up to another."""
        return list(pairwise([_LOWEST, *self.state.bounds, _HIGHEST]))

    @property
    def reaching(self) -> bool:
        """Whether it is of those alone who may be written to."""
        return writes(self.held.caller.principal)

    async def part(self, after: UUID, upto: UUID) -> dict[str, Any]:
        """The members of one range, at the pull's moment; recorded and committed."""
        at = self.held.snapshot
        async with self.serving.gateway.open(self.held.caller, self.access, snapshot=at) as grant:
            if self.reaching:
                return await reach_repository.part(grant, self.serving.codec, self.fields, after, upto)
            return await repository.part(grant, self.fields, after, upto)

    async def check(self) -> None:
        """See that nobody in the pull has withdrawn or was deleted since its moment, and that the caller may have it.

        Raises:
            Withdrawn: somebody has, or was.
            NotThere: the caller may not, by now; recorded.
        """
        caller = await self.serving.anew(self.held.caller, self.since)
        async with self.serving.gateway.open(caller, self.access) as now:
            revoked = await repository.revoked(now, self.state.at)
            deleted = await repository.deleted(now, self.state.at)
            no_messages = await reach_repository.revoked(now) if self.reaching else []
            now.leave()
        struck = await repository.struck(self.held, revoked, self.state.at)
        struck = struck or (bool(deleted) and await repository.removed(self.held, deleted))
        if struck or (no_messages and await reach_repository.agreed(self.held, no_messages)):
            raise Withdrawn("somebody in it revoked a consent or was deleted meanwhile")


async def _parts(
    kept: AsyncExitStack, reading: _Reading, writer: Writer, first: dict[str, Any]
) -> AsyncGenerator[bytes, None]:
    members = 0
    try:
        async with kept, aclosing(_in_order(reading, first)) as parts:
            yield writer.head()
            async for part in parts:
                await reading.check()
                if part["members"]:
                    yield writer.part(part["lines"])
                members += part["members"]
            await reading.check()
        yield writer.end(members)
    except (Withdrawn, NotThere) as ended:
        if (last := writer.void(VOID if isinstance(ended, Withdrawn) else ENDED)) is None:
            raise
        yield last


async def _in_order(reading: _Reading, first: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """All parts; the next ones are read while one is given."""
    left = (asyncio.create_task(reading.part(*ids)) for ids in reading.ranges[1:])
    ahead = deque(islice(left, READ_AHEAD))
    try:
        yield first
        while ahead:
            part = await ahead.popleft()
            ahead.extend(islice(left, 1))
            yield part
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
