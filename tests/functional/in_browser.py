"""What somebody does in a browser, in words."""

from pathlib import Path
from typing import Any

import access_world
from access_world import PASSWORD, Api
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

SHOTS = Path(__file__).parents[2] / "build" / "pages"
# Rules of axe-core about colours, which are all that another scheme changes.
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
OPEN_ALL = "document.querySelectorAll('details:not([open])').forEach(e => { e.open = true; e.dataset.opened = '' })"
CLOSE_AGAIN = "document.querySelectorAll('[data-opened]').forEach(e => { e.open = false; delete e.dataset.opened })"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def sign_in(page: Page, login: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Login").fill(login)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def give_code(page: Page, api: Api, login: str) -> None:
    page.get_by_label("Code of your authenticator app").fill(access_world.fresh_code(api.server, login))
    page.get_by_role("button", name="Go on").click()


def fits(page: Page) -> bool:
    """Nothing sticks out: the page itself never scrolls sideways."""
    page.wait_for_load_state()  # with its style sheet
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def accessible(page: Page, rules: Any = WCAG) -> list[str]:
    """What axe-core finds wrong on a page by WCAG 2.2 AA, or by some of its rules; nothing, where all is well.

    What can be opened is looked at as it is open.
    """
    page.evaluate(OPEN_ALL)
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    page.evaluate(CLOSE_AGAIN)
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


def looked_at(page: Page, name: str) -> None:
    """Keep a picture of a whole page in `build/pages`, and make sure that it is accessible and fits its window.

    A name stands for one page: the width of the window is added to it.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}-{page.viewport_size['width']}.png", full_page=True)
    assert fits(page)
    faults = accessible(page)
    assert not faults, faults
