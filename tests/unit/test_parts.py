"""A pull is not held for whoever takes nothing of it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from api.segments import member_routes


def test_whoever_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_routes, "LONGEST_PAUSE", 0.01)
    closed = []

    async def parts() -> AsyncGenerator[bytes, None]:
        yield b"a part"

    async def close() -> None:
        closed.append(True)

    async def taking_nothing(*_: Any) -> Any:
        await asyncio.Event().wait()

    answer = member_routes.Parts(parts(), close)
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}}
    with pytest.raises(ClientDisconnect):
        asyncio.run(answer(scope, taking_nothing, taking_nothing))
    assert closed == [True]
