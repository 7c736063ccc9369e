"""What a request may look like before anything reads it: size, kind, depth, and the characters of its texts."""

import json
import re
from collections.abc import Iterator
from math import inf
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from api.uploads import takes
from infra.errors import InvalidInput
from policies.segments.rule import DEEPEST_RULE
from policies.text import fault_of_text

LARGEST_BODY = 64 * 1024
# As deep as a rule: two brackets a level, those of a list of values, and those of the body around it.
DEEPEST_JSON = 2 * DEEPEST_RULE + 2
# Digits of an integer: the least that Python's own limit, which would end its parsing, can be set to.
LONGEST_NUMBER = 640
FORM = "application/x-www-form-urlencoded"
_API = "/v1/"
# A name that may be told: of a field of ours, say. Another one may be anything that was sent.
_NAME = re.compile(r"[a-z][a-z_]{0,40}")
_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % (LONGEST_NUMBER + 1))
# A string, or one bracket: what decides depth. A string that never ends hides nothing: it is no JSON.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)


def refusal(scope: Scope) -> HTTPException | None:
    """Why a request is refused by its head alone."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        return HTTPException(413)
    uploads = takes(scope)
    if int(length[:20]) > LARGEST_BODY and not uploads:
        return HTTPException(413)
    has_body = length.strip("0") != "" or "transfer-encoding" in headers
    if has_body and not (uploads or _is_json(headers) or _kind(headers) == FORM):
        return HTTPException(415)
    if has_body and headers.get("content-encoding", "identity") != "identity":
        return HTTPException(415)
    return None


async def guarded(scope: Scope, receive: Receive) -> Receive:
    """The messages of a request: a JSON body is read whole and measured, others as they come, files by their routes.

    Raises:
        HTTPException: the body is too large (413).
        InvalidInput: JSON that is not UTF-8, so deep that parsing it would end Python's recursion, or with an integer
            too long to be parsed; names its place.
    """
    if takes(scope):
        return receive
    counting = _counted(receive)
    if not _is_json(Headers(scope=scope)):
        return counting
    body, more = b"", True
    while more:
        message = await counting()
        if message["type"] != "http.request":
            return _replayed([message], receive)
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if not _is_utf_8(body) or depth(body, DEEPEST_JSON) > DEEPEST_JSON:
        raise InvalidInput("not UTF-8, or nested too deeply", place="body")
    if _MANY_DIGITS.search(body):
        _check_numbers(body)
    return _replayed([{"type": "http.request", "body": body, "more_body": False}], receive)


def _is_utf_8(body: bytes) -> bool:
    """As RFC 8259 has JSON. In UTF-16, say, a letter may hold the byte of a quotation mark, and hide brackets."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return json.detect_encoding(body).startswith("utf-8")


def depth(body: bytes, allowed: float = inf) -> int:
    """How deeply the brackets of a JSON text nest; one more than `allowed` where it is more, however many follow."""
    deepest = now = 0
    for found in _TOKEN.finditer(body):
        if found[0] in b"[{":
            now += 1
            deepest = max(deepest, now)
            if deepest > allowed:
                break
        elif found[0] in b"]}":
            now -= 1
    return deepest


def _check_numbers(body: bytes) -> None:
    too_long = object()
    try:
        found = json.loads(body, parse_int=lambda digits: too_long if len(digits) > LONGEST_NUMBER else 0)
    except ValueError:
        return  # no JSON, which whoever reads it says
    for place, leaf in _leaves(found, "body"):
        if leaf is too_long:
            raise InvalidInput("a number too long", place=place)


async def clean_texts(request: Request) -> None:
    """A dependency of every route: no text holds what the database could not keep, or UTF-8 not write.

    Paths are not looked at: what is no id is not there, and answered and recorded as such. A query of the API's has its
    route's parameters, each once: as a body has its fields.

    Raises:
        InvalidInput: names the place, never the text.
    """
    asked = request.query_params.multi_items()
    for place, text in _texts(asked, "query"):
        _check(place, text)
    if asked and request.scope["path"].startswith(_API):
        check_names([name for name, _ in asked], _parameters(request.scope["route"].dependant))
    if request.method in {"GET", "HEAD"}:
        return
    if _kind(request.headers) == FORM:
        form = await request.form()
        for place, text in _texts(form.multi_items(), "body"):
            _check(place, text)
    elif _is_json(request.headers):
        for place, text in _leaves(await _json(request), "body"):
            _check(place, text)


def _check(place: str, text: object) -> None:
    if isinstance(text, str) and fault_of_text(text):
        raise InvalidInput("a character that no text has", place=place)


def check_names(asked: list[str], known: set[str]) -> None:
    """Whether the parameters of a query are known ones, each there once.

    One that nobody reads would be left out, and more found than was asked for; of two the last would be taken.

    Raises:
        InvalidInput: names the first that is not.
    """
    for index, name in enumerate(asked):
        if name not in known:
            detail = "Known: " + (", ".join(sorted(known)) or "none")
            raise InvalidInput("unknown", place="query", rule="unknown_parameter", detail=detail)
        if name in asked[:index]:
            raise InvalidInput("more than once", place=f"query.{name}", rule="repeated")


def _parameters(route: Dependant) -> set[str]:
    """The names of a route's parameters in the query, those of what it depends on among them."""
    return {field.alias for field in route.query_params}.union(*map(_parameters, route.dependencies))


def _texts(items: list[tuple[str, Any]], where: str) -> Iterator[tuple[str, str]]:
    for name, value in items:
        yield where, name
        if isinstance(value, str):
            yield _inside(where, name), value


def _leaves(found: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every constant of a JSON value, keys as well, with its place; as deep as `DEEPEST_JSON`."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield place, key
            yield from _leaves(value, _inside(place, key))
    elif isinstance(found, list):
        for index, value in enumerate(found):
            yield from _leaves(value, f"{place}.{index}")
    else:
        yield place, found


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if _NAME.fullmatch(name) else place


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body(), object_pairs_hook=_no_key_twice)
    except (ValueError, RecursionError):
        raise InvalidInput("no JSON, or a key twice", place="body") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values readers of JSON take either: what one of them has looked at, another would not do."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _kind(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_json(headers: Headers) -> bool:
    kind = _kind(headers)
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    async def replaying() -> Message:
        return messages.pop(0) if messages else await receive()

    return replaying


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
