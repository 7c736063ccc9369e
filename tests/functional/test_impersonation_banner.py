"""In a real browser: an admin acts as a patient, and every page says so until it is ended."""

import re

import access_world
import pytest
from access_world import Api
from in_browser import fits, give_code, sign_in
from playwright.sync_api import Page, expect

from tests.conftest import ROOT

SHOTS = ROOT / "build" / "screenshots"


def banner(page: Page) -> str:
    return " ".join(page.get_by_role("complementary", name="Impersonation").all_inner_texts())


def begin(page: Page, login: str, ticket: str = "HELP-7") -> None:
    page.goto("/impersonations")
    page.get_by_label("Login of the patient").fill(login)
    page.get_by_label("Reason").select_option("patient_asked")
    page.get_by_label("Ticket").fill(ticket)
    page.get_by_role("button", name="Begin").click()


@pytest.mark.check(30)
def test_a_banner_stands_on_every_page_until_the_impersonation_is_ended(page: Page, api: Api) -> None:
    sign_in(page, "admin")
    give_code(page, api, "admin")
    page.get_by_role("link", name="Impersonations").click()
    expect(page.get_by_text("Nobody acts as anybody now.")).to_be_visible()
    assert not banner(page)
    assert fits(page)
    begin(page, "wren")
    token = page.get_by_label("Token").inner_text()
    assert "acting as wren" in banner(page) and fits(page)
    SHOTS.mkdir(parents=True, exist_ok=True)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.screenshot(path=SHOTS / f"impersonation-opened-{width}.png")
    bearer = {"Authorization": f"Bearer {token}"}
    assert api.get("/v1/me/profile", headers=bearer).json()["name"] == access_world.WREN

    for path in ("/impersonations", "/clinics", "/sessions", "/audit", "/clinics/nowhere/segments"):
        page.goto(path)
        assert "You are acting as wren until" in banner(page), path
        expect(page.get_by_role("button", name="End acting as wren")).to_be_visible()
        assert token not in page.content() and fits(page)
        page.screenshot(path=SHOTS / f"impersonation{path.replace('/', '-')}-{width}.png")

    page.goto("/sessions")
    page.get_by_role("button", name="End acting as wren").click()
    expect(page).to_have_url(re.compile("/impersonations$"))
    expect(page.get_by_text("Nobody acts as anybody now.")).to_be_visible()
    assert not banner(page)
    assert api.get("/v1/me/profile", headers=bearer).status_code == 401

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "auditor")
    give_code(page, api, "auditor")
    page.get_by_label("Action").select_option("person.read")
    page.get_by_role("button", name="Search").click()
    row = page.locator("tbody tr").first.inner_text()
    assert "admin" in row and "platform admin, impersonation" in row


@pytest.mark.check(30)
def test_of_two_impersonations_a_page_names_and_ends_the_one_that_it_stands_under(page: Page, api: Api) -> None:
    sign_in(page, "admin")
    give_code(page, api, "admin")
    begin(page, "finch")
    page.get_by_role("link", name="See their pages").click()
    page.wait_for_url("**/me")
    other = page.context.new_page()
    begin(other, "wren")
    assert "wren" in banner(other) and "finch" in banner(other)
    other.get_by_role("link", name="See their pages").click()
    for tab, login, name in ((page, "finch", access_world.FINCH), (other, "wren", access_world.WREN)):
        tab.get_by_role("navigation", name="My pages").get_by_role("link", name="Profile").click()
        assert name in tab.get_by_role("main").inner_text()
        assert f"You are acting as {login} until" in banner(tab)
    page.get_by_role("button", name="End acting as finch").click()
    assert "acting as wren" in banner(page) and "finch" not in banner(page)
    other.reload()
    assert "acting as wren" in banner(other)
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="There is nothing here.")).to_be_visible()
    other.get_by_role("button", name="End acting as wren").click()
    assert not banner(other)


def test_what_is_wrong_is_said_and_somebody_elses_is_ended_from_the_list(page: Page, api: Api) -> None:
    sign_in(page, "admin")
    give_code(page, api, "admin")
    begin(page, "auditor")
    assert "whom nobody may act as" in page.get_by_role("alert").inner_text()
    begin(page, "wren", ticket="two words")
    assert "ticket" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Login of the patient").input_value() == "wren" and fits(page)
    begin(page, "finch")
    page.get_by_role("link", name="Go on").click()
    listed = page.get_by_role("list", name="Live impersonations").get_by_role("listitem")
    expect(listed).to_have_count(1)
    assert "HELP-7" in listed.inner_text()
    listed.get_by_role("button", name="End the impersonation of finch by admin").click()
    assert not banner(page)


def test_others_have_no_such_page(page: Page) -> None:
    sign_in(page, "manager.north")
    expect(page.get_by_role("link", name="Impersonations")).to_have_count(0)
    page.goto("/impersonations")
    expect(page.get_by_role("heading", name="There is nothing here.")).to_be_visible()
