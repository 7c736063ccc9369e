"""In a real browser: setting up codes at the first sign-in, and ending sessions of one's own."""

import re
import time

from access_world import PASSWORD, Api
from in_browser import fits, give_code, sign_in
from playwright.sync_api import Page, expect

from api import accounts
from api.identity.second_factor import Secret
from policies.words import Role


def newcomer(api: Api) -> str:
    login = f"new.{time.monotonic_ns()}"
    accounts.add_user(api.server, login, "Nina Newcomer", Role.CLINIC_AUDITOR, "north", PASSWORD)
    return login


def test_an_auditor_sets_up_codes_and_signs_in_with_one(page: Page, api: Api) -> None:
    login = newcomer(api)
    sign_in(page, login)
    expect(page).to_have_url(re.compile("/sign-in/set-up$"))
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert fits(page)
    # Pages are out of reach until then.
    page.goto("/audit")
    expect(page).to_have_url(re.compile("/sign-in/set-up$"))
    secret = Secret(page.locator(".secret").inner_text().replace(" ", ""))
    page.get_by_label("Code that the app shows").fill("000000")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator(".secret").inner_text().replace(" ", "") == secret.base32
    used = secret.code()
    page.get_by_label("Code that the app shows").fill(used)
    page.get_by_role("button", name="Set up").click()
    codes = page.get_by_role("list", name="Recovery codes").locator("li").all_inner_texts()
    assert len(codes) == 10
    assert fits(page)
    page.get_by_role("link", name="go on").click()
    expect(page).to_have_url(re.compile("/audit$"))
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, login)
    expect(page).to_have_url(re.compile("/sign-in/code$"))
    assert fits(page)
    page.get_by_label("Code of your authenticator app").fill(used)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Code of your authenticator app").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(re.compile("/audit$"))


def test_somebody_else_may_sign_in_instead(page: Page) -> None:
    sign_in(page, "admin")
    expect(page).to_have_url(re.compile("/sign-in/code$"))
    page.get_by_role("button", name="Sign in as somebody else").click()
    sign_in(page, "manager.north")
    expect(page).to_have_url(re.compile("/clinics/north$"))


def test_a_session_elsewhere_is_ended_from_the_list(page: Page, api: Api) -> None:
    sign_in(page, "auditor")
    give_code(page, api, "auditor")
    context = page.context.browser.new_context(base_url=str(api.base_url))  # type: ignore[union-attr]
    elsewhere = context.new_page()
    sign_in(elsewhere, "auditor")
    give_code(elsewhere, api, "auditor")
    page.get_by_role("link", name="auditor", exact=True).click()
    expect(page.get_by_role("heading", name="Your sessions")).to_be_visible()
    expect(page.get_by_text("This one")).to_have_count(1)
    assert page.get_by_text("Chrome on Linux").count() >= 2
    assert fits(page)
    page.get_by_role("button", name="End the session").first.click()
    if (others := page.get_by_role("button", name="End all others")).count():
        others.click()
    expect(page.get_by_role("list", name="Sessions").get_by_role("listitem")).to_have_count(1)
    elsewhere.goto("/audit")
    assert elsewhere.url.endswith("/sign-in")
    context.close()
