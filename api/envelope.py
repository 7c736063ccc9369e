"""Around every request: an id, security headers, one log line, and an end for whatever went wrong."""

import json
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import KINDS, MEDIA_TYPE, Failed, problem
from infra.log import where

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
HTTPS_HEADERS = {"strict-transport-security": "max-age=31536000"}
LARGEST_BODY = 64 * 1024

log = structlog.get_logger()


class Envelope:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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
            **(HTTPS_HEADERS if scope["scheme"] == "https" else {}),
            "x-request-id": str(request_id),
        }

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add(message, headers)
            await send(message)

        try:
            if _too_large(scope):
                await _answer(answer, problem(413, "too-large", "The request is too large."))
            else:
                await self._app(scope, _counted(receive), answer)
        except Exception as error:  # the last place that can keep values out of the logs
            log.error("request failed", request_id=str(request_id), **where(error))
            if not status:
                await _answer(answer, problem(*KINDS[Failed]))
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


def _add(message: MutableMapping[str, Any], headers: dict[str, str]) -> None:
    present = {name.lower() for name, _ in message.get("headers", [])}
    extra = [(name.encode(), value.encode()) for name, value in headers.items() if name.encode() not in present]
    message["headers"] = [*message.get("headers", []), *extra]


def _too_large(scope: Scope) -> bool:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return not length.isdigit() or int(length) > LARGEST_BODY


def _counted(receive: Receive) -> Receive:
    """The messages of a request until their bodies grow too large: a chunked one names no length."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_BODY:
            raise HTTPException(413)
        return message

    return counting


async def _answer(send: Send, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": body["status"], "headers": headers})
    await send({"type": "http.response.body", "body": content})
