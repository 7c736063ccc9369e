"""What somebody sends who has not signed in, or not quite, or who signs out: a good request of each kind."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import access_world
import httpx
from access_world import PASSWORD, Api, World
from booking import at
from pages_of import browser_sign_in, fields
from provisional import Mailbox, book

from api import accounts
from api.identity import second_factor
from api.identity.booking_pages import open_page
from api.identity.second_factor import Secret
from api.identity.sessions import COOKIE
from api.pages.visitors import FORM_COOKIE
from policies.words import Role


@dataclass(frozen=True)
class Entry:
    """Where to, with what, and which cookies go along."""

    path: str
    form: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, api: Api) -> httpx.Response:
        api.cookies.clear()
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        return api.post(self.path, headers={**cookie, "accept": "text/html"}, data=self.form or None, json=self.json)


def of_anybody(world: World, api: Api, mailbox: Mailbox) -> list[Entry]:
    """All of them, in an order in which each is good."""
    open_page(world.server, "north")
    egret = {"name": "Canary Egret", "email": "egret@example.org"}
    finch = {"username": "finch", "password": PASSWORD}
    shown, (by_api, code), (by_page, other) = _shown(api), _code(world, mailbox, "ibis"), _code(world, mailbox, "rail")
    booking = {**egret, "offer": "visit/Dr. North", "starts_at": at(50)[:16], "key": "egret"}
    email = {"email": "nobody@example.org"}

    def page(path: str, **form: str) -> Entry:
        return Entry(path, {**form, "form": shown}, cookies={FORM_COOKIE: shown})

    return [
        Entry("/v1/token", finch),
        Entry("/v1/passwords", json={"token": _link(world, "heron"), "password": PASSWORD}),
        Entry("/v1/passwords/forgotten", json=email),
        Entry(f"/v1/verifications/{by_api}", json={"code": code}),
        Entry(f"/v1/verifications/{book(world, 'north', 'teal@example.org').verification}/code"),
        Entry(f"/unsubscribe/{_refusal(world)}"),
        page("/sign-in", login="finch", password=PASSWORD),
        page("/forgotten", **email),
        page(f"/password/{_link(world, 'roleless')}", password=PASSWORD),
        page(f"/verify/{by_page}", code=other),
        page(f"/verify/{book(world, 'north', 'smew@example.org').verification}/code"),
        page("/book/north", **booking),
        *_of_sessions(world, api),
    ]


def _of_sessions(world: World, api: Api) -> list[Entry]:
    """Codes of who waits for one, or has none yet; sessions that end, and one by a recovery code."""
    accounts.add_user(world.server, "auditor.new", "New", Role.CLINIC_AUDITOR, "north", PASSWORD)
    waiting, without_app, new, ending = (
        _session(api, login) for login in ("auditor", "admin.too", "auditor.new", "wren")
    )
    page = api.get("/sign-in/set-up", headers={"cookie": f"{COOKIE}={new['cookie']}"}).text
    key = re.search(r'class="secret">([^<]+)<', page)
    assert key
    _session(api, "wren")
    ((other,),) = world.look(
        "select s.session_id from operational.session as s inner join operational.principal as p"
        " on p.principal_id = s.principal_id where p.login = 'wren' order by s.created_at desc limit 1"
    )

    def of(who: dict[str, str], path: str, **form: str) -> Entry:
        return Entry(path, {**form, "csrf": who["csrf"]}, cookies={COOKIE: who["cookie"]})

    return [
        of(waiting, "/sign-in/code", code=access_world.fresh_code(api.server, "auditor")),
        of(without_app, "/sign-in/code", code=_recovery(world, "admin.too")),
        of(new, "/sign-in/set-up", code=Secret(key[1].replace(" ", "")).code()),
        of(ending, "/sessions/end", session=str(other)),
        of(ending, "/sessions/end-others"),
        of(ending, "/sign-out"),
    ]


def _session(api: Api, login: str) -> dict[str, str]:
    """A session's cookie, and the token of its forms."""
    cookie = browser_sign_in(api, login)
    page = api.get("/sign-in/code", follow_redirects=True)
    api.cookies.clear()
    return {"cookie": cookie, "csrf": fields(page.text)["csrf"]}


def _shown(api: Api) -> str:
    """What the forms of those carry who have no session."""
    api.cookies.clear()
    return fields(api.get("/sign-in").text)["form"]


def _code(world: World, mailbox: Mailbox, name: str) -> tuple[UUID, str]:
    """A booking's verification, and its code."""
    found = book(world, "north", f"{name}@example.org").verification
    return found, mailbox.code(found)


def _link(world: World, login: str) -> str:
    """The token of a link that sets a login's password."""
    world.change(
        "insert into operational.password_link (token_hash, principal_id, expires_at)"
        " select %s, principal_id, now() + interval '1 hour' from operational.principal where login = %s",
        hashlib.sha256(login.encode()).digest(), login,
    )  # fmt: skip
    return login


def _refusal(world: World) -> str:
    """The token of the message that Finch got at north."""
    digest = hashlib.sha256(b"refusal").digest()
    change = "update operational.message set refusal_digest = %s where kind = 'campaign' and clinic_id = %s"
    world.change(change, digest, world.clinic_ids["north"])
    return "refusal"


def _recovery(world: World, login: str) -> str:
    """A recovery code of a login."""
    code = second_factor.recovery_code()
    query = "insert into operational.recovery_code (principal_id, code_hash)"
    digest = hashlib.sha256(second_factor.tidy(code).encode()).digest()
    world.change(f"{query} select principal_id, %s from operational.principal where login = %s", digest, login)
    return code
