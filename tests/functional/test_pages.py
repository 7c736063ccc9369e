"""In a real browser: a manager looks at segments and members, and an auditor sees that they did."""

import re

from access_world import FINCH, WREN, Api
from in_browser import fits, give_code, looked_at, sign_in
from playwright.sync_api import Page, expect


def test_a_manager_sees_members_and_an_auditor_sees_the_manager(page: Page, api: Api) -> None:
    page.goto("/")
    expect(page).to_have_url(re.compile("/sign-in$"))
    sign_in(page, "manager.north")
    expect(page).to_have_url(re.compile("/clinics/north$"))
    looked_at(page, "overview")
    page.get_by_role("link", name="Segments", exact=True).click()
    expect(page.get_by_role("img", name="Present members by age")).to_have_count(2)
    expect(page.get_by_text("The webhook to https://nowhere.invalid/hook was switched off")).to_be_visible()
    looked_at(page, "segments")
    page.get_by_role("link", name="Everybody").click()
    assert sorted(page.locator("tbody th", has_text="Canary").all_inner_texts()) == [FINCH, WREN]
    assert fits(page)
    page.goto("/clinics/south/segments")
    expect(page.get_by_role("heading", name="There is nothing here.")).to_be_visible()
    page.goto("/clinics")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in$"))

    sign_in(page, "auditor")
    give_code(page, api, "auditor")
    page.get_by_label("Action").select_option("member.list")
    page.get_by_role("button", name="Search").click()
    row = page.locator("tbody tr").first.inner_text()
    assert "manager.north" in row and "everybody" in row and "Permitted" in row
    assert "Canary" not in page.content()
    page.get_by_label("Action").select_option("")
    page.get_by_label("Decision").select_option("deny")
    page.get_by_role("button", name="Search").click()
    assert "south" in page.locator("tbody tr").first.inner_text()
    assert fits(page)


def test_a_wrong_password_says_so_and_nothing_else(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("Login").fill("manager.north")
    page.get_by_label("Password").fill("not this one at all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("Login").input_value() == ""


def test_the_chart_has_words_and_a_table_behind(page: Page) -> None:
    sign_in(page, "manager.north")
    page.get_by_role("link", name="Everybody").click()
    assert page.locator(".charts svg desc").first.text_content() == "80+: 2 (100 %)"
    page.locator(".charts summary").first.click()
    expect(page.locator(".charts figure table").first).to_be_visible()
    assert page.locator("script").count() == page.locator("[style]").count() == 0
