"""In a real browser: an auditor searches, opens an event, counts, and checks the seal."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from access_world import Api, World
from in_browser import give_code, looked_at, sign_in
from playwright.sync_api import Page, expect

from tests.integration.sealing import seal_all


@pytest.fixture
def auditor(page: Page, api: Api, world: World) -> Page:
    """A page of the platform's auditor, once a manager has looked at members and all of that is sealed."""
    sign_in(page, "manager.north")
    page.goto("/clinics/north/segments/everybody")
    page.get_by_role("button", name="Sign out").click()
    # In a thread of its own: the browser's has a loop that runs.
    with ThreadPoolExecutor() as beside:
        beside.submit(seal_all, world.server).result()
    sign_in(page, "auditor")
    give_code(page, api, "auditor")
    return page


def test_an_auditor_follows_an_access_to_its_event_and_its_patients(auditor: Page) -> None:
    page = auditor
    looked_at(page, "audit")
    page.get_by_label("Action").select_option("member.list")
    page.get_by_label("Account, by login or id").fill("manager.north")
    page.get_by_role("button", name="Search").click()
    page.locator("tbody tr").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="2 patients disclosed")).to_be_visible()
    looked_at(page, "audit-event")
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download the proof").click()
    assert '"stream": "access"' in coming.value.path().read_text()
    page.locator(".ids a").first.click()
    assert page.locator("tbody tr").count() >= 1
    page.get_by_label("From day").fill("2020-01-01")
    page.get_by_label("To day").fill("2020-02-01")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No access fits this search.")).to_be_visible()
    page.goto("/audit?patient=x")
    expect(page.get_by_role("alert")).to_contain_text("That is no id.")
    looked_at(page, "audit-fault")


def test_an_auditor_counts_and_reviews_and_checks_the_seal(auditor: Page) -> None:
    page = auditor
    page.get_by_role("link", name="Counts").click()
    expect(page.get_by_role("img", name="Accesses a day")).to_be_visible()
    looked_at(page, "audit-counts")
    page.get_by_role("link", name="Who has access").click()
    expect(page.get_by_role("row").filter(has_text="robot.south")).to_contain_text("never")
    looked_at(page, "audit-rights")
    page.get_by_role("link", name="Unusual").click()
    page.get_by_label("Clinic").select_option("north")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("heading", name="For the first time")).to_be_visible()
    looked_at(page, "audit-unusual")
    page.get_by_role("link", name="Seal").click()
    kept = page.get_by_label("Checkpoint", exact=True).first.inner_text()
    page.get_by_label("A checkpoint that you kept").fill(kept)
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_role("status")).to_contain_text("nothing of those was changed")
    looked_at(page, "audit-seal")
