"""In a real browser: a manager writes to a segment, looks at it, sends it, sees how far it is and stops it."""

from access_world import FINCH, World
from in_browser import fits, sign_in
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.integration.campaigning import crowd

SHOTS = ROOT / "build" / "screenshots"


def test_a_manager_writes_to_a_segment_and_stops_it(world: World, page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    found = crowd(world, f"letters-{width}")
    found.add("own")
    found.add("silent", signed=())
    sign_in(page, "manager.north")
    page.goto(f"/clinics/north/segments/{found.slug}")
    _shot(page, "segment")
    page.get_by_label("Subject").fill("Opening times")
    page.get_by_label("Text", exact=True).fill("We open at eight from May on.\n\nYour clinic")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("1 of 2 would get it")).to_be_visible()
    expect(page.get_by_role("article")).to_contain_text("We open at eight from May on.")
    expect(page.get_by_role("article")).to_contain_text("/unsubscribe/")
    _shot(page, "campaign-preview")
    page.get_by_role("button", name="Send to 1 patient").click()
    expect(page.get_by_role("heading", name="On its way")).to_be_visible()
    _shot(page, "campaign")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="Stopped", exact=True)).to_be_visible()
    page.get_by_role("link", name="Messages", exact=True).click()
    expect(page.get_by_role("row", name="Opening times")).to_contain_text("Stopped")
    _shot(page, "campaigns")
    page.get_by_label("Subject").fill("x\u202ey")
    page.get_by_label("Text", exact=True).fill("z")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("A subject is one line")
    assert FINCH not in page.content()


def test_whoever_has_the_link_of_a_message_gets_no_more_without_signing_in(page: Page) -> None:
    page.goto("/unsubscribe/made-up")
    _shot(page, "unsubscribe")
    page.get_by_role("button", name="Send me no more").click()
    expect(page.get_by_role("heading", name="That is settled")).to_be_visible()


def _shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    assert fits(page), name
    page.screenshot(
        path=SHOTS / f"{name}-{page.viewport_size['width'] if page.viewport_size else 0}.png", full_page=True
    )
