"""A small client of Cloister's lists of segments' members, for automation that keeps a copy of one. Needs `httpx`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import httpx

LONGEST_WAIT = 30
_TIMEOUT = httpx.Timeout(10, read=LONGEST_WAIT + 15)


class Void(Exception):
    """The pull came to no good end: forget what it brought, and pull again."""


class Gone(Exception):
    """The feed does not reach back to the cursor any longer: pull, and go on from that pull's cursor."""


class Archived(Exception):
    """The segment is archived and has no members any more: delete what is kept of it."""


@dataclass(frozen=True)
class Change:
    """One entry of a feed; `forget` is somebody of whom nothing is to be kept."""

    kind: Literal["entered", "left", "forget"]
    patient_id: str
    at: str
    cause: str
    version: int
    fires: bool


@dataclass(frozen=True)
class Changes:
    """A page of a feed, where it goes on, and whether there is more already."""

    changes: list[Change]
    cursor: str
    more: bool


@dataclass
class Pull:
    """All members as of one moment, to be read once: only after the last is it certain that they are all.

    `cursor` is where the feed goes on from it.
    """

    cursor: str
    _lines: Iterator[str] = field(repr=False)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The members, each with the fields in the key's scope.

        Raises:
            Void: somebody in it revoked a consent meanwhile, or it broke off.
        """
        members = 0
        try:
            for line in self._lines:
                row = json.loads(line)
                if row.get("complete") == {"members": members, "feed_cursor": self.cursor}:
                    return
                if "patient_id" not in row:
                    break
                members += 1
                yield row
        except httpx.TransportError:
            raise Void("the pull broke off") from None
        raise Void("the pull is void")


class Cloister:
    """The service at an address, as the system that has this API key sees it."""

    def __init__(self, address: str, key: str, transport: httpx.BaseTransport | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT, transport=transport)

    @contextmanager
    def pull(self, clinic: str, segment: str) -> Iterator[Pull]:
        """All members of a segment now, read as they arrive.

        Raises:
            Archived: it has none any more.
            httpx.HTTPStatusError: no such segment in the key's scope (404), or not now (429, 503).
        """
        headers = {"Accept": "application/x-ndjson"}
        with self._http.stream("GET", f"{_segment(clinic, segment)}/members", headers=headers) as answer:
            if answer.status_code == httpx.codes.GONE:
                answer.read()
                raise _gone(answer)
            answer.raise_for_status()
            yield Pull(answer.headers["cloister-feed-cursor"], answer.iter_lines())

    def changes(self, clinic: str, segment: str, after: str, wait: int = LONGEST_WAIT) -> Changes:
        """What changed after a cursor; where nothing has, what does within `wait` seconds.

        Raises:
            Gone: the feed does not reach back that far.
            Archived: the same, and there is nothing to pull.
            httpx.HTTPStatusError: no such segment in the key's scope (404), or not now (429, 503).
        """
        query: dict[str, str | int] = {"after": after, "wait": wait, "limit": 1000}
        answer = self._http.get(f"{_segment(clinic, segment)}/changes", params=query)
        if answer.status_code == httpx.codes.GONE:
            raise _gone(answer)
        found = answer.raise_for_status().json()
        return Changes([Change(**change) for change in found["changes"]], found["next"], found["more"])


def _gone(answer: httpx.Response) -> Exception:
    (error,) = answer.json()["errors"]
    return (Archived if error["rule"] == "archived" else Gone)(error["detail"])


def _segment(clinic: str, segment: str) -> str:
    return f"/v1/clinics/{quote(clinic, safe='')}/segments/{quote(segment, safe='')}"
