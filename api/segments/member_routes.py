"""The members of a segment: by pages, or all of them as of one moment, by the `Accept` header."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.bodies import Moment
from api.cursors import Cursor
from api.negotiation import chosen
from api.problems import documented
from api.segments import service
from api.segments.pull_formats import FORMATS, JSON
from api.segments.pull_service import Pull, pull
from api.segments.schemas import Members
from api.services import ApiCaller, Serving
from infra.errors import InvalidInput

FEED_CURSOR = "cloister-feed-cursor"
LONGEST_LIST = 2_000
LONGEST_PAUSE = 60.0  # seconds
USUAL_LIMIT = 100

router = APIRouter(prefix="/clinics/{clinic}/segments/{segment}", tags=["segments"])
At = Annotated[Moment | None, Query(description="A past time, with its offset; now if absent.")]
PageLimit = Annotated[int | None, Query(ge=1, le=1000, description="Longest page; 100 if absent.")]
Accept = Annotated[str, Header(max_length=LONGEST_LIST, include_in_schema=False)]
Known = Annotated[str, Header(alias="if-none-match", max_length=LONGEST_LIST, include_in_schema=False)]


class Parts(StreamingResponse):
    """Gives a pull as it is read, and lets go of what it holds, whether all of it was taken or not."""

    def __init__(self, parts: AsyncGenerator[bytes, None], close: Callable[[], Awaitable[None]], **other: Any) -> None:
        super().__init__(parts, **other)
        self._parts = parts
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; whoever takes nothing for a minute has gone."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(LONGEST_PAUSE):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            await self._parts.aclose()
            await self._close()


@router.get(
    "/members",
    response_model=Members,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in FORMATS}},
        304: {"description": "As known: nobody is shown."},
        **documented(406, "In none of the formats that were asked for; names those that there are."),
        **documented(410, "It is archived, and has no members any more (`archived`)."),
    },
)
async def list_members(
    serving: Serving,
    caller: ApiCaller,
    response: Response,
    clinic: str,
    segment: str,
    limit: PageLimit = None,
    cursor: Cursor = None,
    at: At = None,
    accept: Accept = "",
    known: Known = "",
) -> Members | Response:
    """Members, now or at a past time: by name for a manager, by id and scope for an API key. Each is recorded.

    As JSON by pages. As JSON lines, CSV or an Arrow stream all of them, now, as of one moment, with the cursor that the
    feed goes on after in `Cloister-Feed-Cursor`. An `ETag` that is sent back as `If-None-Match` saves what is known.
    """
    kind = chosen(accept, (JSON, *FORMATS))
    if kind != JSON:
        if limit or cursor or at:
            raise InvalidInput("a pull has no pages and no past", place="query", rule="only_of_pages")
        return given(await pull(serving, caller, clinic, segment, FORMATS[kind], known), segment, kind)
    page = await service.list_members(serving, caller, clinic, segment, limit or USUAL_LIMIT, cursor, at, known)
    headers = _tagged(page.tag)
    if page.known:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return Members(segment=page.segment, members=page.members, next=page.next)


def given(found: Pull, segment: str, kind: str) -> Response:
    """The answer that a pull is given as."""
    headers = {**_tagged(found.tag), FEED_CURSOR: found.feed}
    if found.parts is None:
        return Response(status_code=304, headers=headers)
    headers["content-disposition"] = f'attachment; filename="{segment}.{FORMATS[kind].extension}"'
    return Parts(found.parts, found.close, media_type=kind, headers=headers)


def _tagged(tag: str | None) -> dict[str, str]:
    return {"vary": "accept"} if tag is None else {"vary": "accept", "etag": tag}
