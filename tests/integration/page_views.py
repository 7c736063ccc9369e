"""The one walk over every page, as who gets it is answered: by a new page's own path it is walked over too."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import httpx
from browsing import Browsers
from callers import CALLERS
from furnishing import House
from things import filled
from walking import REVIEWED, pages

ONE, NEW = "/clinics/north/segments/everybody", "/clinics/north/segments/new"
RULE = {"r.kind": "any", "r.0.measure": "registration.days", "r.0.op": ">=", "r.0.value": "0"}
# What is looked at by sending a form of a page: it shows patients, and keeps nothing.
LOOKED_AT = {
    ONE: (f"{ONE}/find", {"named": "canary"}),
    NEW: (NEW, {**RULE, "do": "preview"}),
    f"{ONE}/edit": (f"{ONE}/edit", {**RULE, "r.0.op": "<", "do": "review"}),
}


@dataclass(frozen=True)
class View:
    """What somebody is answered at the page of a path; `login` is empty where nobody has signed in."""

    path: str
    login: str
    answer: httpx.Response

    @cached_property
    def text(self) -> str:
        """What is told beyond the address."""
        return self.answer.text.replace(self.answer.request.url.path.split("/")[-1], "")

    @property
    def is_page(self) -> bool:
        return self.answer.headers["content-type"].startswith("text/html")

    @property
    def request(self) -> str:
        return self.answer.headers["x-request-id"]

    @property
    def stands_under(self) -> bool:
        return self.answer.request.url.path.startswith("/as/")

    @property
    def is_own(self) -> bool:
        """Whether it is of the person who looks, or of whom they care for."""
        return self.path == "/me" or self.path.startswith("/me/")


@cache
def getting(path: str) -> list[str]:
    """Who gets a page, as reviewed: nobody in particular, or some logins. Whose ids are made up there may be anybody's,
    and so may a page that is not reviewed yet.
    """
    rows = [line.split() for line in REVIEWED.read_text().splitlines()]
    (statuses,) = [row[2:] for row in rows if row[:2] == ["GET", path]] or [["404"] * len(CALLERS)]
    if statuses[0] == "200":
        return [""]
    logins = [login or "" for login in CALLERS.values()]
    got = [login for login, status in zip(logins, statuses, strict=True) if status not in ("401", "404")]
    return [login for login in got or logins if login and ":" not in login]


def views(house: House) -> Iterator[View]:
    """All that are there."""
    browsers, world = Browsers(house.api), house.world
    for path in pages(house.api):
        for login in getting(path):
            yield View(path, login, browsers.ask(login, filled(world, path)))
        if (path + "/").startswith("/me/"):
            yield View(path, "admin", browsers.ask("admin", f"/as/{world.impersonation}{filled(world, path)}"))
    for at, (address, values) in LOOKED_AT.items():
        yield View(address, "manager.north", browsers.post("manager.north", address, at, 200, **values))
