"""Style sheets, scripts and pictures: read once, and kept by browsers for good, since a name tells the content.

Of pages alone nothing is compressed: one holds a form's secret beside what the visitor sent, and its length would tell.
"""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

KEPT = "public, max-age=31536000, immutable"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """One file, as it is and packed."""

    plain: bytes
    packed: bytes
    kind: str


class Assets(StaticFiles):
    """The files of a folder: under names with a digest, good for a year, and under their own, good for once."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._named: dict[str, Asset] = {}
        self._paths: dict[str, str] = {}
        for file in sorted(directory.iterdir()):
            content = file.read_bytes()
            name = f"{file.stem}.{hashlib.sha256(content).hexdigest()[:12]}{file.suffix}"
            self._named[name] = Asset(content, gzip.compress(content, mtime=0), KINDS[file.suffix])
            self._paths[file.name] = f"/static/{name}"

    def path(self, name: str) -> str:
        """Where pages find a file.

        Raises:
            KeyError: there is none of that name.
        """
        return self._paths[name]

    async def get_response(self, path: str, scope: Any) -> Response:
        """The file of a name; what has no digest in it is looked up in the folder."""
        asset = self._named.get(path)
        if asset is None or scope["method"] not in {"GET", "HEAD"}:
            return await super().get_response(path, scope)
        packed = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        headers = {"cache-control": KEPT, "vary": "accept-encoding", **({"content-encoding": "gzip"} if packed else {})}
        return Response(asset.packed if packed else asset.plain, media_type=asset.kind, headers=headers)
