"""Routers whose routes are looked through once a request."""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Scope


def flat(routers: Iterable[APIRouter]) -> list[BaseRoute]:
    """The routes of several routers, for one that has them side by side.

    With what their routers said of them when they were added; limits of a router itself are not taken over.
    """
    return [route for router in routers for route in router.routes]


class AllUnder(APIRouter):
    """Whatever is under a path, and nothing else: the routes of several routers, side by side.

    Routes are tried one by one. FastAPI asks a router whether it has the route that is meant, and looks for it again
    when it handles the request, on each level of routers within routers. This one is what is meant, by its path alone:
    what it has no route for is not there.
    """

    def __init__(self, path: str, routers: Iterable[APIRouter]) -> None:
        super().__init__(routes=flat(routers))
        self._under = path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for something under the path, there or not; the document of the API is the app's own."""
        meant = scope["path"].startswith(self._under) and scope["path"] != scope["app"].openapi_url
        return (Match.FULL if meant else Match.NONE), {}
