"""Routers that look through their routes once a request."""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope


class AllUnder(APIRouter):
    """Whatever is under a path, and nothing else: the routes of several routers, side by side.

    Routes are tried one by one. FastAPI asks a router whether it has the route that is meant, and looks for it again
    when it handles the request, on each level of routers within routers. This one is what is meant, by its path alone:
    what it has no route for is not there.
    """

    def __init__(self, path: str, routers: Iterable[APIRouter]) -> None:
        super().__init__(routes=[route for router in routers for route in router.routes])
        self._under = path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for something under the path, there or not."""
        return (Match.FULL if scope["path"].startswith(self._under) else Match.NONE), {}
