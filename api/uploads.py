"""Files that people send: larger than other requests may be, on the routes that take them alone, and read with a limit.

Whether whoever sends one may do so is decided later; what is wrong with it is told, and recorded, only then.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from infra.errors import InvalidInput
from infra.exports.archive import LARGEST_ARCHIVE

ZIP = "application/zip"
LONGEST_SECONDS = 60
MULTIPART = "multipart/form-data"
# What programs send as it is, and what a page's form sends among its fields.
_TAKEN_AT = {
    ZIP: re.compile(r"/v1/.*/handovers(/preview)?"),
    MULTIPART: re.compile(r"(/me(/dependents/[^/]+)?/data/[^/]+|/clinics/[^/]+/patients/[^/]+/brought)/bring"),
}
_NAME = re.compile(rb'^content-disposition: form-data;[^\r\n]*?\bname="([a-z]+)"', re.I | re.M)
# What a browser makes of a page's form is far less; more would only be work.
_MOST_FIELDS = 8
_LONGEST_HEAD = 1000


class TooLarge(InvalidInput):
    """Larger than a file of its kind may be."""


@dataclass(frozen=True)
class Upload:
    """A file as it was sent; none if it was too large to be read."""

    content: bytes | None

    def whole(self) -> bytes:
        """The file.

        Raises:
            TooLarge: it was not read to its end.
            InvalidInput: nothing was sent.
        """
        if self.content is None:
            raise TooLarge(f"a file has {LARGEST_ARCHIVE:,} bytes at most", place="body", rule="too_large")
        if not self.content:
            raise InvalidInput("a ZIP file", place="body", rule="missing")
        return self.content


def takes(scope: Scope) -> bool:
    """Whether a request sends a file to where one is taken: its size is looked at there."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    taken_at = _TAKEN_AT.get(kind)
    return taken_at is not None and scope["method"] == "POST" and taken_at.fullmatch(scope["path"]) is not None


async def received(request: Request) -> AsyncIterator[Upload]:
    """The file that a request sends; a dependency of routes that take one, after the one that finds out who sends it.

    Raises:
        TooManyFiles: as many are read as memory is set aside for, or as are one principal's share.
        HTTPException: it comes too slowly (408).
    """
    serving = request.app.state.services
    with serving.uploads_of_one.place(request.state.sender), serving.uploads.place():
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                upload = await _read(request)
        except TimeoutError:
            raise HTTPException(408) from None
        yield upload


async def _read(request: Request) -> Upload:
    if not takes(request.scope):  # of another kind: as good as nothing, and read already
        return Upload(b"")
    if int(request.headers.get("content-length", "0")[:20]) > LARGEST_ARCHIVE:
        return Upload(None)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_ARCHIVE:
            return Upload(None)
        parts.append(part)
    return Upload(b"".join(parts))


def fields(upload: Upload, content_type: str) -> dict[str, bytes]:
    """The fields of a page's form, a file among them (RFC 7578), all of it in memory: what is no such form has none.

    Raises:
        TooLarge: it was not read to its end.
        InvalidInput: nothing was sent.
    """
    boundary = re.search(r'boundary="?([^";\s]+)', content_type)
    marked = b"\r\n--" + boundary[1].encode() if boundary else b""
    parts = (b"\r\n" + upload.whole()).split(marked, _MOST_FIELDS + 1) if marked else []
    found = {}
    for part in parts[1:-1]:
        ends = part.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
        name = _NAME.search(part[:ends]) if ends >= 0 else None
        if name:
            found[name[1].decode()] = part[ends + 4 :]
    return found
