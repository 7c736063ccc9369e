"""Requests that are done once, however often they are sent: each is named by a key of the caller's own."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from psycopg import sql

from api.work import Work
from infra.database import Server, read_secret
from infra.errors import InvalidInput

PLACE = "header.idempotency-key"
# Visible ASCII: a UUID, as a rule.
_KEY = re.compile(r"[\x21-\x7e]{1,200}")

IdempotencyKey = Annotated[
    str | None,
    Header(description="Required: one of your own for each request, such as a UUID. The same again does nothing more."),
]


OptionalKey = Annotated[
    str | None,
    Header(description="One of your own, such as a UUID: the same again with the same body does nothing more."),
]
# Of one key the second waits until the first is done, and finds what it did.
ALONE = sql.SQL("select pg_advisory_xact_lock(hashtextextended(%(key)s, 0))")


class RequestDigests:
    """Keyed hashes (HMAC-SHA-256) of requests: what is kept of them tells nothing of what was asked."""

    def __init__(self, at: Server) -> None:
        self._key = read_secret(at.secrets_folder / "requests").encode()

    def of(self, *parts: str) -> str:
        """The digest of these texts in this order, as hexadecimal digits."""
        return hmac.new(self._key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def checked(key: str | None) -> str:
    """The key of a request.

    Raises:
        InvalidInput: there is none, or it is not 1 to 200 visible ASCII characters.
    """
    if key is None or not _KEY.fullmatch(key):
        raise InvalidInput("a key is needed", place=PLACE, rule="missing" if key is None else "not_valid")
    return key


@dataclass(frozen=True)
class Once:
    """A request that is done once: keyed hashes of its key and of what it asks for."""

    key: str
    request: str

    def check(self, request: str) -> None:
        """See that the request that this key was for is the same.

        Raises:
            InvalidInput: it asked for something else.
        """
        if request != self.request:
            raise reused()


def once(digests: RequestDigests, key: str | None, *asked: str) -> Once | None:
    """A request by its key, if it has one.

    Raises:
        InvalidInput: the key is not 1 to 200 visible ASCII characters.
    """
    return None if key is None else Once(digests.of("key", checked(key)), digests.of(*asked))


async def done_before(work: Work, request: Once | None, found: sql.SQL, **who: Any) -> UUID | None:
    """What this request has led to already, if it has a key; else the work has its key until it ends.

    `found` gives the `id` and `request_digest` by `key`, of a request of `who`.

    Raises:
        InvalidInput: the key was another request's.
    """
    if request is None:
        return None
    await work.run(ALONE, key=request.key)
    rows = await work.run(found, key=request.key, **who)
    if not rows:
        return None
    request.check(rows[0]["request_digest"])
    known: UUID = rows[0]["id"]
    return known


def key_after(error: InvalidInput, key: str) -> str:
    """The key that a form goes on with: none, for a new one, if it has been another request's."""
    return "" if error.place == PLACE else key


def reused() -> InvalidInput:
    """The problem of a key that was another request's."""
    return InvalidInput("the key was another request's", place=PLACE, rule="reused")
