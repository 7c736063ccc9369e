"""Entity tags, found in what a request sends; those of lists are a keyed hash of all that an answer shows.

By it who has a list is told so and shown nobody. Such a tag is weak: cursors in an answer differ each time, though what
they mean does not. Without the server's key nobody makes one, so that none tells what somebody guesses.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from api.idempotency import RequestDigests

_TAG = re.compile(r'"([0-9a-f]{32})"')


def tag(digests: RequestDigests, digest: int, *shown: object) -> str:
    """The tag of rows with this digest in the form that `shown` names: fields, a media type."""
    return f'W/"{digests.of("list", str(digest), *map(str, shown))[:32]}"'


def of_shown(digests: RequestDigests, shown: Mapping[str, Any]) -> str:
    """The tag of one thing as it is shown: a strong one, which nothing moves that whoever reads it does not see."""
    return f'"{digests.of("shown", json.dumps(shown, sort_keys=True, default=str))[:32]}"'


def of_version(version: int) -> str:
    """The tag of one thing by its version: a strong one."""
    return f'"{version}"'


def is_known(tag: str, if_none_match: str) -> bool:
    """Whether a request names the tag."""
    return not set(_TAG.findall(tag)).isdisjoint(_TAG.findall(if_none_match))


def matches(tag: str, if_match: str) -> bool:
    """Whether a change may go on: the request names the strong tag, or `*`, which any matches (RFC 9110, 13.1.1)."""
    return if_match in ("*", tag)
