"""In a real browser: the pages that messages lead to, for somebody who has no account yet."""

import pytest
from access_world import PASSWORD, World
from in_browser import fits, looked_at
from playwright.sync_api import Page, expect

from tests.integration.provisional import Mailbox, book, mailbox

__all__ = ["mailbox"]


def test_a_booking_is_confirmed_and_the_account_gets_a_password(
    page: Page, world: World, mailbox: Mailbox, request: pytest.FixtureRequest
) -> None:
    email = f"{request.node.callspec.id}@example.org"
    booked = book(world, "north", email)
    page.goto(f"/verify/{booked.verification}")
    assert fits(page)
    page.get_by_label("Code from the message").fill("000 000 0")
    page.get_by_label("Somebody I care for").check()
    page.get_by_role("button", name="Confirm").click()
    assert "say your own name" in page.get_by_role("alert").inner_text()
    expect(page.get_by_label("Your own name")).to_be_visible()
    assert page.get_by_label("Somebody I care for").is_checked()
    page.get_by_label("Your own name").fill("Canary Crane senior")
    page.get_by_label("You are their").fill("parent")
    page.get_by_label("Code from the message").fill("000 000 0")
    page.get_by_role("button", name="Confirm").click()
    assert "when they were born" in page.get_by_role("alert").inner_text() and fits(page)
    page.get_by_label("Me", exact=True).check()
    page.get_by_label("Code from the message").fill("000 000 0")
    page.get_by_role("button", name="Confirm").click()
    assert "not good" in page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Send me a new code").click()
    page.get_by_role("status").wait_for()
    assert fits(page)
    page.get_by_label("Code from the message").fill(mailbox.code(booked.verification))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Confirmed")).to_be_visible()
    page.goto(mailbox.links()[-1])
    assert fits(page)
    login = page.get_by_label("Login").input_value()
    looked_at(page, "password")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_text(login)).to_be_visible()
    assert login.startswith("p-") and fits(page)
    looked_at(page, "password-set")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("Login").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    assert (
        page.get_by_role("button", name="Sign out").is_visible()
        or page.get_by_text("There is nothing here").is_visible()
    )
    page.goto(mailbox.links()[-1])
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Set it").click()
    assert "works once" in page.get_by_role("alert").inner_text()
    assert mailbox.code(booked.verification) not in page.content()
