"""Asks in a process of its own, which kills itself before the statement of a number: see test_booking_crash.py.

Usage: python -m tests.integration.booking_killed
Each line of its input is the JSON of what `ask` takes, and gets a line with how that process ended, negative for a
signal. The processes are forked from this one, which has put its policies and routes together and nothing else.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
from psycopg import AsyncConnection, AsyncPipeline

from api.app import create_app, routes
from api.limits import Rates
from infra.database import Server
from infra.roles import RoleNames
from policies.access.decide import load

FINISHED = 40


def kill_at(fatal: int) -> None:
    """Have this process end, as by a power cut, before its `fatal`th step: a statement, or what waits for its answer.

    A statement of a pipeline is sent at once, so that those before the step are done.
    """
    steps = 0

    def counted(function: Any) -> Any:
        async def stepping(self: Any, *given: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return await function(self, *given, **named)

        return stepping

    AsyncConnection.execute = counted(AsyncConnection.execute)  # type: ignore[method-assign]
    AsyncPipeline.__aexit__ = counted(AsyncPipeline.__aexit__)  # type: ignore[method-assign]


async def ask(given: dict[str, Any]) -> int:
    rates = Rates(principal=0, address=0, sign_ins=0)
    app = create_app(Server(given["admin"], RoleNames(given["prefix"]), Path(given["secrets"])), rates)
    async with app.state.services.pool:
        kill_at(given["fatal"])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://booking") as client:
            answer = await client.post(given["path"], json=given["asked"], headers=given["headers"])
    return answer.status_code


def ended(given: dict[str, Any]) -> int:
    """How a process that asks ended; `done` is the status of an answer that it did what was asked."""
    process = os.fork()
    if process == 0:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # for what is logged: the answers are lines of their own
        try:
            os._exit(FINISHED if asyncio.run(ask(given)) == given["done"] else 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    load()
    routes()
    for line in sys.stdin:
        sys.stdout.write(f"{ended(json.loads(line))}\n")
        sys.stdout.flush()
