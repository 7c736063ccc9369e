"""A demo's mailbox in a browser: links to follow, codes to read, for admins alone."""

from concurrent.futures import ThreadPoolExecutor

import access_world
from access_world import Api, World
from in_browser import fits, give_code, sign_in
from playwright.sync_api import Page, expect

from api.messages.port import Message, MessageKind
from tests.conftest import ROOT
from tests.integration.posting import give_email, queue, send

SHOTS = ROOT / "build" / "screenshots"


def _arrive(world: World) -> None:
    give_email(world, access_world.FINCH, "finch@example.org")
    finch = world.people[access_world.FINCH]
    queue(world, Message(MessageKind.CODE, finch, link="verify/1", code="424242", calendar="BEGIN:VCALENDAR"))
    send(world, None)


def test_an_admin_reads_and_follows_the_mail(world: World, api: Api, page: Page) -> None:
    # In a thread of its own: the browser's has a loop that runs.
    with ThreadPoolExecutor() as beside:
        beside.submit(_arrive, world).result()
    sign_in(page, "admin")
    give_code(page, api, "admin")
    page.get_by_role("link", name="Mailbox").click()
    expect(page.get_by_role("heading", name="Mailbox", level=1)).to_be_visible()
    newest = page.get_by_role("listitem").first
    expect(newest).to_contain_text("To finch@example.org")
    expect(newest).to_contain_text("424242")
    expect(newest.get_by_role("link", name="https://cloister.example/verify/1")).to_be_visible()
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"mailbox-{page.viewport_size['width'] if page.viewport_size else 0}.png")
    assert fits(page)
    with page.expect_download() as coming:
        page.get_by_role("link", name="invite.ics").first.click()
    assert coming.value.path().read_text().startswith("BEGIN:VCALENDAR")
