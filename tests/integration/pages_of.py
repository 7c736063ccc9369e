"""The pages without a browser: forms as they stand on a page, filled in and sent."""

import re
from html import unescape

import httpx
from access_world import PASSWORD, Api


def fields(page: str) -> dict[str, str]:
    """The hidden fields of a page: each of its forms carries the same token."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}


def browser_sign_in(api: Api, login: str, password: str = PASSWORD) -> str:
    """Sign in with the password, as a browser without cookies; the session's cookie."""
    api.cookies.clear()
    form = fields(api.get("/sign-in").text)
    answer = api.post("/sign-in", data={**form, "login": login, "password": password})
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    return api.cookies["cloister_session"]


def send(api: Api, path: str, shown_at: str, **values: str) -> httpx.Response:
    """Send a form to `path` with the token of the page at `shown_at`."""
    page = api.get(shown_at, follow_redirects=True).text
    return api.post(path, data={"csrf": fields(page).get("csrf", ""), **values})
