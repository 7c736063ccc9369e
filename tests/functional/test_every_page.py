"""Every page that there is, as somebody who gets it sees it: accessible by WCAG 2.2 AA in light and dark, and without
an error in its console."""

from typing import Any, Literal

import pytest
from access_world import Api, World
from in_browser import OF_COLOURS, WCAG, accessible, fits
from playwright.sync_api import Browser

from tests.functional.conftest import watched
from tests.integration.callers import everybody
from tests.integration.impersonating import act_as
from tests.integration.sealing import seal_all
from tests.integration.test_spoken_pages import got
from tests.integration.things import filled
from tests.integration.walking import pages

RULES: dict[Literal["light", "dark"], Any] = {"light": WCAG, "dark": OF_COLOURS}


@pytest.fixture(scope="module")
def got_by(world: World, api: Api) -> dict[str | None, list[str]]:
    """The pages, by the session of somebody who gets them."""
    signed = everybody(world, api)
    act_as(api, "wren")  # or no page would have a banner
    seal_all(world.server)
    found: dict[str | None, list[str]] = {}
    for path in pages(api):
        address = filled(world, path)
        caller, answer = got(api, address, signed)
        if answer.status_code == 200 and answer.headers["content-type"].startswith("text/html"):
            cookie = signed[caller].cookie.get("cookie", "").partition("=")[2]
            found.setdefault(cookie or None, []).append(address)
    return found


def test_each_page_is_accessible_in_light_and_dark(
    browser: Browser, api: Api, got_by: dict[str | None, list[str]]
) -> None:
    wrong = {}
    for cookie, paths in got_by.items():
        with watched(browser, api, 1280, 900) as page:
            if cookie:
                page.context.add_cookies([{"name": "cloister_session", "value": cookie, "url": str(api.base_url)}])
            for path in paths:
                page.goto(path)
                for scheme, rules in RULES.items():
                    page.emulate_media(color_scheme=scheme)
                    if found := [*accessible(page, rules), *([] if fits(page) else ["does not fit"])]:
                        wrong[path, scheme] = found
    assert wrong == {}
    assert len(got_by) >= 4 and sum(map(len, got_by.values())) > 15
