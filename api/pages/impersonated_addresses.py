"""Under which impersonation a patient's page stands: its address says so, and two tabs may stand under two.

`/as/IMPERSONATION/me/…` is the page `/me/…`, as that impersonation shows it.
"""

import re
from uuid import UUID

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_ADDRESS = re.compile(r"/as/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(/me(?:/.*)?)")


class ImpersonatedAddress:
    """Takes the impersonation out of an address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as one of the page behind the impersonation."""
        if scope["type"] == "http" and (found := _ADDRESS.fullmatch(scope["path"])):
            scope.setdefault("state", {})["impersonation"] = UUID(found[1])
            scope["path"], scope["raw_path"] = found[2], found[2].encode()
        await self._app(scope, receive, send)


def impersonation_of(request: Request) -> UUID | None:
    """The impersonation that a page's address names, if it names one."""
    found: UUID | None = getattr(request.state, "impersonation", None)
    return found
