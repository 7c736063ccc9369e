"""Every page that there is, as somebody who gets it sees it, and what is answered to forms: accessible by WCAG 2.2 AA
in light and dark, all that opens open, and without an error in its console."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest
from access_world import Api, World
from in_browser import OF_COLOURS, WCAG, accessible, fits
from playwright.sync_api import Browser

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
            # As it was drawn, from where it may load its sheets and scripts.
            said = {name: value for name, value in answer.headers.items() if not name.startswith("content-length")}
            page.route(at, lambda route, a=answer, h=said: route.fulfill(status=a.status_code, headers=h, body=a.text))
            page.goto(at)
            for scheme, rules in RULES.items():
                page.emulate_media(color_scheme=scheme)
                if found := [*accessible(page, rules), *([] if fits(page) else ["does not fit"])]:
                    wrong[path, answer.status_code, scheme] = found
            page.unroute(at)
    assert wrong == {}


def test_every_template_of_a_page_was_among_them(drawn: Drawn) -> None:
    assert drawn.templates_missed == set()
    assert len(drawn.pages) > 90
