"""What somebody does in a browser, in words."""

import access_world
from access_world import PASSWORD, Api
from playwright.sync_api import Page


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
