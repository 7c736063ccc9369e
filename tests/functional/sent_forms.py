"""Pages as they were drawn: each of the application's own, and what forms are answered.

A template of a page that none of them is drawn from is missed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from access_world import PASSWORD, WREN, Api, World
from browsing import Browsers
from furnishing import House, furnish
from page_views import LOOKED_AT, getting
from pages_of import browser_sign_in, fields, send
from provisional import book
from walking import pages

from api import accounts
from api.identity.booking_pages import open_page
from api.identity.second_factor import Secret
from policies.words import Role
from tests.conftest import ROOT
from tests.integration import posting
from tests.integration.records import days, today
from tests.integration.things import filled

TEMPLATES = ROOT / "api" / "pages" / "templates"
# Others are drawn within these.
FRAMES = {"base.html", "patient/frame.html", "staff/frame.html"}
SEGMENTS = "/clinics/north/segments"


@dataclass
class Drawn:
    """Paths with what they were answered, and the templates that were drawn."""

    pages: list[tuple[str, httpx.Response]] = field(default_factory=list)
    templates: set[str] = field(default_factory=set)

    @property
    def templates_missed(self) -> set[str]:
        """Those of whole pages: they have a title."""
        whole = {path for path in TEMPLATES.rglob("*.html") if "block title" in path.read_text()}
        names = {str(path.relative_to(TEMPLATES)) for path in whole} - {
            "base.html",
            "patient/frame.html",
            "staff/frame.html",
        }
        return names - self.templates


def drawn_by(world: World, api: Api) -> Drawn:
    """Every page of a furnished world."""
    drawn, templates = Drawn(), api.app.state.templates
    draw = templates.TemplateResponse
    templates.TemplateResponse = lambda request, name, *rest, **more: (
        drawn.templates.add(name) or draw(request, name, *rest, **more)
    )
    open_page(world.server, "north")
    house = furnish(world, api)
    for path, answer in (*_own(house), *_answers(house)):
        if answer.headers.get("content-type", "").startswith("text/html"):
            drawn.pages.append((path, answer))
    return drawn


def _own(house: House) -> Iterator[tuple[str, httpx.Response]]:
    """The application's pages, each as the first who gets it sees it."""
    browsers = Browsers(house.api)
    for path in pages(house.api):
        answers = (browsers.ask(login, filled(house.world, path)) for login in getting(path))
        found = next((answer for answer in answers if answer.status_code == 200), None)
        if found:
            yield path, found
    yield "/nowhere", browsers.ask("manager.north", "/clinics/south/segments")


def _answers(house: House) -> Iterator[tuple[str, httpx.Response]]:
    """What forms are answered with a page of its own."""
    browsers, one = Browsers(house.api), f"{SEGMENTS}/everybody"

    def sent(
        who: str, path: str, shown_at: str, values: dict[str, str], status: int = 200
    ) -> tuple[str, httpx.Response]:
        token = fields(browsers.get(who, shown_at).text)["csrf"]
        answer = browsers.api.post(path, data={"csrf": token, **values})
        assert answer.status_code == status, (path, answer.status_code)
        return path, answer

    for shown_at, (path, values) in LOOKED_AT.items():
        yield sent("manager.north", path, shown_at, values)
    news = {"subject": "Opening times", "text": "We open at eight."}
    yield sent("manager.north", f"{one}/messages/preview", f"{one}/messages", news)
    yield sent("manager.north", f"{one}/messages/preview", f"{one}/messages", {"subject": "x\u202ey", "text": "z"}, 422)
    yield sent("manager.north", f"{SEGMENTS}/empty/archive", f"{SEGMENTS}/empty/settings", {"reason": "mistake"}, 303)
    yield f"{SEGMENTS}/empty", browsers.get("manager.north", f"{SEGMENTS}/empty")
    hook = {"url": "https://93.184.215.14/hook", "kinds": "entered"}
    yield sent("manager.north", "/clinics/north/webhooks", "/clinics/north/webhooks", hook)
    key = {"login": "crm.drawn", "fields": "name", "purpose": "operations", "days": "30"}
    yield sent("admin", "/clinics/north/keys", "/clinics/north/keys", key)
    made = {"login": "drawn", "name": "Drawn", "role": "clinic_staff", "clinic": "north"}
    yield sent("admin", "/accounts", "/accounts", made)
    acting = {"subject": "wren", "reason": "patient_asked", "ticket": "HELP-8", "minutes": "5"}
    yield sent("admin", "/impersonations", "/impersonations", acting)
    made, answer = _brought(browsers)
    yield "/me/data/north/bring", answer
    desk = f"/clinics/north/patients/{house.world.patients['north', WREN]}/brought"
    yield desk, _brought_to(browsers, "staff.north", desk, made)
    yield from _signing_in(house.api)
    yield from _of_newcomers(house)


def _brought(browsers: Browsers) -> tuple[bytes, httpx.Response]:
    """A file that was just made, before it is brought."""
    token = {"csrf": fields(browsers.get("wren", "/me/data").text)["csrf"]}
    made = browsers.api.post("/me/data/north", data=token).content
    return made, browsers.api.post("/me/data/north/bring", data=token, files={"file": ("records.zip", made)})


def _brought_to(browsers: Browsers, who: str, desk: str, made: bytes) -> httpx.Response:
    """The same at the front desk."""
    token = {"csrf": fields(browsers.get(who, desk).text)["csrf"]}
    return browsers.api.post(f"{desk}/bring", data=token, files={"file": ("records.zip", made)})


def _signing_in(api: Api) -> Iterator[tuple[str, httpx.Response]]:
    """Codes: asked for, set up, and what signs in without the app."""
    browser_sign_in(api, "auditor")
    yield "/sign-in/code", api.get("/sign-in/code")
    accounts.add_user(api.server, "drawn.auditor", "Drawn", Role.CLINIC_AUDITOR, "north", PASSWORD)
    browser_sign_in(api, "drawn.auditor")
    page = api.get("/sign-in/set-up")
    yield "/sign-in/set-up", page
    key = re.search(r'class="secret">([^<]+)<', page.text)
    assert key
    code = Secret(key[1].replace(" ", "")).code()
    yield "/sign-in/set-up sent", send(api, "/sign-in/set-up", "/sign-in/set-up", code=code)


def _of_newcomers(house: House) -> Iterator[tuple[str, httpx.Response]]:
    """A booking without an account, and the proof of a contact by the code that lies in the demo's mailbox."""
    browsers, api = Browsers(house.api), house.api
    api.cookies.clear()
    page = api.get("/book/north")
    yield "/book/north", page
    booking = {**fields(page.text), "name": "Egret", "offer": "visit/Dr. North", "email": "egret@example.org"}
    yield "/book/north sent", api.post("/book/north", data={**booking, "starts_at": f"{today() + days(60)}T09:00"})
    verification = book(house.world, "north", "stork@example.org").verification
    posting.send(house.world, None)
    # An address that nobody else of the pages has: two codes of one moment would be told apart by luck alone.
    mail = browsers.get("admin", "/mailbox").text.split("To stork@example.org")[1]
    code = re.search(r"\bcode is (\d{3} ?\d{3})\b", mail)
    assert code
    api.cookies.clear()
    asked = {**fields(api.get(f"/verify/{verification}").text), "code": code[1], "booked_for": "self"}
    yield "/verify sent", api.post(f"/verify/{verification}", data=asked)
    posting.send(house.world, None)
    mail = browsers.get("admin", "/mailbox").text.split("To stork@example.org")[1]
    link = re.search(r"/password/[\w-]+", mail)
    assert link
    api.cookies.clear()
    page = api.get(link[0])
    yield "/password", page
    yield "/password sent", api.post(link[0], data={**fields(page.text), "password": PASSWORD})
