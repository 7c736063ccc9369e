"""Every kind of caller, signed in as a program and as a browser would, and what a route answers them."""

import re
from dataclasses import dataclass, field

import access_world
import httpx
from access_world import Api, World
from impersonating import act_as
from pages_of import browser_sign_in, fields, send

from api.problems import FOR_PROGRAMS
from policies.words import Role

# Column → how the caller signs in. Each role of the platform has one.
CALLERS: dict[str, str | None] = {
    "nobody": None,
    "roleless": "roleless",
    Role.CLINIC_STAFF: "staff.north",
    Role.SPECIALIST: "specialist.north",
    Role.CLINIC_MANAGER: "manager.north",
    Role.CLINIC_AUDITOR: "auditor.north",
    Role.PLATFORM_AUDITOR: "auditor",
    Role.PLATFORM_ADMIN: "admin",
    Role.PATIENT: "wren",
    Role.GUARDIAN: "finch",
    Role.AUTOMATION_SYSTEM: "key:north",
    # Another admin, who acts as Finch, patient and guardian.
    "impersonated": "acting:finch",
}
ACTOR = "admin.too"
_OF_A_PERSON = re.compile(r"/me(/|$)")


@dataclass(frozen=True)
class Signed:
    """What a caller shows: a token or key to the API; to pages a session's cookie and, in forms, its token."""

    bearer: httpx.Headers = field(default_factory=httpx.Headers)
    cookie: httpx.Headers = field(default_factory=httpx.Headers)
    csrf: str = ""
    # Where the pages of whom the caller acts as begin.
    under: str = ""

    def ask(self, api: Api, method: str, path: str, **said: str) -> httpx.Response:
        """What a route answers; a page's form says `said`."""
        api.cookies.clear()
        if path.startswith(FOR_PROGRAMS):
            return api.request(method, path, headers=self.bearer)
        address = f"{self.under if _OF_A_PERSON.match(path) else ''}{path}"
        form = None if method == "GET" else {"csrf": self.csrf, **said}
        files = {"file": b"no archive"} if path.endswith("/bring") else None
        return api.request(method, address, headers=self.cookie, data=form, files=files)


def everybody(world: World, api: Api) -> dict[str, Signed]:
    """Each caller by column."""
    return {column: signed_in(world, api, login) for column, login in CALLERS.items()}


def signed_in(world: World, api: Api, login: str | None) -> Signed:
    """A caller by how they sign in: a login, `key:` and a clinic, `acting:` and a login, or not at all."""
    if login is None:
        return Signed()
    if login.startswith("key:"):
        return Signed(httpx.Headers({"Authorization": f"Bearer {world.keys[login.removeprefix('key:')]}"}))
    if not login.startswith("acting:"):
        return Signed(httpx.Headers(access_world.sign_in(api, login)), *_browser(api, login))
    impersonation, headers = act_as(api, login.removeprefix("acting:"), ACTOR)
    return Signed(httpx.Headers(headers), *_browser(api, ACTOR), under=f"/as/{impersonation}")


def _browser(api: Api, login: str) -> tuple[httpx.Headers, str]:
    """The cookie of a session, and the token of its forms."""
    api.cookies.clear()
    cookie = browser_sign_in(api, login)
    if login in access_world.WITH_CODE:
        send(api, "/sign-in/code", "/sign-in/code", code=access_world.fresh_code(api.server, login))
        cookie = api.cookies["cloister_session"]
    csrf = fields(api.get("/sessions").text)["csrf"]
    api.cookies.clear()
    return httpx.Headers({"Cookie": f"cloister_session={cookie}"}), csrf
