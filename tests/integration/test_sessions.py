"""Browser sessions: cookies, forms from elsewhere, and a list from which each can be ended."""

from collections.abc import Iterator
from uuid import uuid4

import access_world
import pytest
from access_world import Api, World
from pages_of import browser_sign_in, fields, send

from api import accounts
from api.identity.sessions import browser
from policies.words import Role

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def nobody_signed_in(api: Api) -> None:
    api.cookies.clear()


def test_own_sessions_are_listed_and_others_are_not(world: World, api: Api) -> None:
    browser_sign_in(api, "manager.south")
    api.headers["user-agent"] = FIREFOX
    browser_sign_in(api, "manager.north")
    own = world.look(
        "select s.session_id from operational.session as s inner join operational.principal as p using (principal_id)"
        " where p.login = 'manager.north' and s.revoked_at is null"
    )
    other = world.look(
        "select s.session_id from operational.session as s inner join operational.principal as p using (principal_id)"
        " where p.login = 'manager.south'"
    )
    page = api.get("/sessions")
    assert "Firefox on Linux" in page.text and "127.0.0.1" in page.text and "This one" in page.text
    assert not [row for row in other if str(row[0]) in page.text]
    assert page.text.count('<li class="card">') == len(own)


def test_a_session_is_ended_from_another_one(api: Api) -> None:
    first = browser_sign_in(api, "manager.north")
    browser_sign_in(api, "manager.north")
    second = api.cookies["cloister_session"]
    listed = [part.split('"')[0] for part in api.get("/sessions").text.split('name="session" value="')[1:]]
    assert listed
    for session in listed:
        assert send(api, "/sessions/end", "/sessions", session=session).status_code == 303
    assert api.get("/sessions").text.count('<li class="card">') == 1
    api.cookies.set("cloister_session", first)
    assert api.get("/clinics").status_code == 401
    api.cookies.set("cloister_session", second)
    assert api.get("/clinics").status_code == 200


def test_all_others_end_at_once(world: World, api: Api) -> None:
    first = browser_sign_in(api, "manager.north")
    browser_sign_in(api, "manager.north")
    assert send(api, "/sessions/end-others", "/sessions").status_code == 303
    assert api.get("/clinics").status_code == 200
    api.cookies.set("cloister_session", first)
    assert api.get("/clinics").status_code == 401
    actions = {row[0] for row in world.look("select action from audit.access_event")}
    assert "session.end" in actions


@pytest.mark.check(6)
def test_anothers_session_and_a_made_up_one_are_the_same_nothing(world: World, api: Api) -> None:
    theirs = browser_sign_in(api, "manager.south")
    session = world.look(
        "select s.session_id from operational.session as s inner join operational.principal as p using (principal_id)"
        " where p.login = 'manager.south' and revoked_at is null order by s.created_at desc"
    )[0][0]
    browser_sign_in(api, "manager.north")
    answers = [
        send(api, "/sessions/end", "/sessions", session=str(found)) for found in (session, uuid4(), "nonsense", "")
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    api.cookies.set("cloister_session", theirs)
    assert api.get("/clinics").status_code == 200


def test_a_new_password_ends_the_sessions_of_the_old(world: World, api: Api) -> None:
    accounts.add_user(world.server, "changed", "C", Role.CLINIC_STAFF, "north", access_world.PASSWORD)
    browser_sign_in(api, "changed")
    assert api.get("/clinics").status_code == 200
    accounts.add_user(world.server, "changed", "C", Role.CLINIC_STAFF, "north", "another long password")
    assert api.get("/clinics").status_code == 401


@pytest.mark.parametrize(
    "path", ["/sign-out", "/sessions/end", "/sessions/end-others", "/sign-in/code", "/sign-in/set-up"]
)
def test_a_form_needs_the_token_of_its_session(api: Api, path: str) -> None:
    browser_sign_in(api, "manager.south")
    foreign = fields(api.get("/sessions").text)["csrf"]
    browser_sign_in(api, "manager.north")
    for csrf in ("", "made up", foreign):
        assert api.post(path, data={"csrf": csrf, "session": str(uuid4())}).status_code == 404
    assert api.get("/clinics").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://evil.example"},
     {"origin": "null"}, {"origin": "http://127.0.0.1:1"}],
    ids=str,
)  # fmt: skip
def test_a_form_of_another_site_is_refused_with_the_right_token_too(api: Api, headers: dict[str, str]) -> None:
    browser_sign_in(api, "manager.north")
    csrf = fields(api.get("/sessions").text)["csrf"]
    form = fields(api.get("/sign-in").text)["form"]
    for path, values in (("/sign-out", {"csrf": csrf}), ("/sign-in", {"form": form, "login": "x", "password": "x"})):
        answer = api.post(path, data=values, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:cloister:problem:from-elsewhere")
    assert api.get("/clinics").status_code == 200
    own = {"sec-fetch-site": "same-origin", "origin": str(api.base_url).rstrip("/")}
    assert api.post("/sign-out", data={"csrf": csrf}, headers=own).status_code == 303


@pytest.fixture
def production(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    from infra.settings import settings

    monkeypatch.setenv("CLOISTER_MODE", "production")
    settings.cache_clear()
    with access_world.client(world.server) as running:
        yield running


def test_in_production_cookies_are_bound_to_host_and_tls(production: Api) -> None:
    page = production.get("/sign-in")
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-cloister_form=")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert "max-age" in page.headers["strict-transport-security"]
    # Over plain HTTP a client does not send it back: here the test does what TLS would.
    sent = {"cookie": cookie.split(";")[0]}
    form = {**fields(page.text), "login": "manager.north", "password": access_world.PASSWORD}
    answer = production.post("/sign-in", data=form, headers=sent)
    session = next(found for found in answer.headers.get_list("set-cookie") if found.startswith("__Host-cloister_ses"))
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(session.split("; "))
    assert production.get("/clinics", headers={"cookie": session.split(";")[0]}).status_code == 200
    weaker = session.split(";")[0].removeprefix("__Host-")
    assert production.get("/clinics", headers={"cookie": weaker}).status_code == 401


@pytest.mark.parametrize(
    ("agent", "words"),
    [(FIREFOX, "Firefox on Linux"), ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1",
      "Safari on iPhone"), ("Mozilla/5.0 (Windows NT 10.0) Chrome/1 Safari/1 Edg/1", "Edge on Windows"),
     ("curl/8", None), ("<script>Firefox", "Firefox")],
)  # fmt: skip
def test_a_browser_is_named_in_our_own_words(agent: str, words: str | None) -> None:
    assert browser(agent) == words
