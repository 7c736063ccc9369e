"""Around every request: an id, limits, security headers, one log line, an end for whatever went wrong."""

import json
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.guard import guarded, refusal
from api.limits import Buckets, address_name
from api.problems import Failed, headers_of, of, written
from infra.errors import CloisterError
from infra.log import where

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
HTTPS_HEADERS = {"strict-transport-security": "max-age=31536000"}

log = structlog.get_logger()


class Envelope:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, addresses: Buckets, *, production: bool) -> None:
        self._app = app
        self._addresses = addresses
        self._production = production

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; other kinds of messages pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid4()
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 0
        headers = {
            **HEADERS,
            **(HTTPS_HEADERS if self._production or scope["scheme"] == "https" else {}),
            "x-request-id": str(request_id),
        }

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add(message, headers)
            await send(message)

        try:
            await self._pass(scope, receive, answer)
        except (CloisterError, HTTPException) as error:
            if not status:
                await _answer(answer, scope, of(error), headers_of(error))
        except Exception as error:  # the last place that can keep values out of the logs
            log.error("request failed", request_id=str(request_id), **where(error))
            if not status:
                await _answer(answer, scope, of(Failed("")))
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        log.info(
            "request",
            request_id=str(request_id),
            method=scope["method"],
            # The pattern, never the path: paths and queries name patients.
            route=getattr(scope.get("route"), "path", None),
            status=status,
            milliseconds=milliseconds,
        )

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, unless its sender, its head or its nesting says no."""
        self._addresses.take(address_name(scope["client"][0] if scope.get("client") else None))
        if refused := refusal(scope):
            raise refused
        await self._app(scope, await guarded(scope, receive), send)


def _add(message: MutableMapping[str, Any], headers: dict[str, str]) -> None:
    present = {name.lower() for name, _ in message.get("headers", [])}
    extra = [(name.encode(), value.encode()) for name, value in headers.items() if name.encode() not in present]
    message["headers"] = [*message.get("headers", []), *extra]


async def _answer(send: Send, scope: Scope, body: dict[str, Any], more: dict[str, str] | None = None) -> None:
    shown, media_type = written(scope["path"], body)
    content = json.dumps(shown).encode()
    named = {"content-type": media_type, "content-length": str(len(content)), **(more or {})}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": body["status"], "headers": headers})
    await send({"type": "http.response.body", "body": content})
