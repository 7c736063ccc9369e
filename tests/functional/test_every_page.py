"""Every page that there is, as somebody who gets it sees it, and what is answered to forms: accessible by WCAG 2.2 AA
in light and dark, all that opens open, and without an error in its console."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import httpx
import pytest
from access_world import Api, World
from in_browser import OF_COLOURS, WCAG, accessible, fits
from playwright.sync_api import Browser, Route

from tests.functional.conftest import watched
from tests.functional.sent_forms import Drawn, drawn_by

RULES: dict[Literal["light", "dark"], Any] = {"light": WCAG, "dark": OF_COLOURS}


@pytest.fixture(scope="module")
def drawn(world: World, api: Api) -> Drawn:
    with ThreadPoolExecutor(1) as beside:  # the browser's thread has a loop that runs
        return beside.submit(drawn_by, world, api).result()


def test_each_page_is_accessible_in_light_and_dark(browser: Browser, api: Api, drawn: Drawn) -> None:
    wrong, at = {}, str(api.base_url.join("/looked-at"))
    with watched(browser, api, 1280, 900) as page:
        for path, answer in drawn.pages:
            page.route(at, showing(answer))
            page.goto(at)
            for scheme, rules in RULES.items():
                page.emulate_media(color_scheme=scheme)
                if found := [*accessible(page, rules), *([] if fits(page) else ["does not fit"])]:
                    wrong[path, answer.status_code, scheme] = found
            page.unroute(at)
    assert wrong == {}


def showing(answer: httpx.Response) -> Callable[[Route], None]:
    """A page as it was drawn, with its policy, at an address that it may load its sheets and scripts from."""
    headers = {name: answer.headers[name] for name in ("content-type", "content-security-policy")}
    return lambda route: route.fulfill(status=answer.status_code, headers=headers, body=answer.text)


def test_every_template_of_a_page_was_among_them(drawn: Drawn) -> None:
    assert drawn.templates_missed == set()
    assert len(drawn.pages) > 90
