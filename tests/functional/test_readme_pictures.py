"""The pictures of the README, of a clinic with patients who were made up: `build/pages/readme-*.png`."""

from concurrent.futures import ThreadPoolExecutor

from access_world import Api, World
from conftest import watched
from crowded import fill
from in_browser import SHOTS, give_code, sign_in
from playwright.sync_api import Browser, Page, expect

LARGEST = 200_000


def picture(page: Page, name: str) -> None:
    """What fits a window, in `build/pages`; small enough for a README."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"readme-{name}.png"
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=path)
    assert 10_000 < path.stat().st_size < LARGEST


def test_the_pictures_of_the_readme_show_people_who_were_made_up(browser: Browser, api: Api, world: World) -> None:
    # In a thread of its own: the browser's has a loop that runs.
    with ThreadPoolExecutor() as beside:
        beside.submit(fill, world).result()
    with watched(browser, api, 1180, 860) as page:
        sign_in(page, "manager.north")
        while not page.get_by_role("heading", name="Praxis Marrenfeld").count():
            page.reload()  # names of clinics are kept for some seconds
        expect(page.get_by_role("row").filter(has_text="low treatment adherence")).to_be_visible()
        picture(page, "manager")
        page.goto("/clinics/north/segments/over-65-low-adherence")
        expect(page.get_by_role("img", name="Members, last 60 days")).to_be_visible()
        page.get_by_role("link", name="Edit the rule").click()
        expect(page.locator("#preview li").first).to_be_visible()
        picture(page, "builder")
        page.get_by_role("button", name="Sign out").click()
        sign_in(page, "auditor")
        give_code(page, api, "auditor")
        expect(page.get_by_role("row").filter(has_text="Listed members").first).to_be_visible()
        assert "Canary" not in page.content()
        picture(page, "audit")
