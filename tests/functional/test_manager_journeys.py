"""In a real browser: a manager looks at the clinic, builds a segment, changes it, asks for what is missing; with a
script and without one.
"""

import re
import time

from access_world import FINCH, WREN, Api
from in_browser import fits, looked_at, sign_in
from playwright.sync_api import Browser, Page, Route, expect

from tests.functional.conftest import watched

SEGMENTS = "/clinics/north/segments"


def test_a_manager_looks_round_and_sees_why_somebody_is_a_member(page: Page) -> None:
    sign_in(page, "manager.north")
    expect(page.get_by_role("heading", name="North", level=1)).to_be_visible()
    expect(page.get_by_text("Share their profile")).to_be_visible()
    looked_at(page, "overview")
    page.get_by_role("link", name="Elders").click()
    expect(page.get_by_role("img", name="Members, last 60 days")).to_be_visible()
    looked_at(page, "segment")
    page.get_by_label("Part of a name").fill("finch")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"Why {FINCH} is a member").click()
    expect(page.get_by_role("heading", name=FINCH)).to_be_visible()
    looked_at(page, "explanation")
    page.get_by_role("link", name="Elders").click()
    page.get_by_role("link", name="Entered and left").click()
    expect(page.get_by_role("row").filter(has_text=FINCH)).to_contain_text("by new data")
    looked_at(page, "segment-changes")
    page.get_by_role("link", name="Undecided").click()
    expect(page.get_by_role("button", name=f"Send {WREN} a consent request")).to_be_visible()
    looked_at(page, "undecided")
    page.get_by_role("link", name="Versions and settings").click()
    looked_at(page, "segment-settings")
    with page.expect_download() as coming:
        page.goto(f"{SEGMENTS}/elders")
        page.get_by_role("link", name="CSV").click()
    assert FINCH in coming.value.path().read_text()
    page.goto("/clinics/north/webhooks")
    looked_at(page, "webhooks")
    page.get_by_role("link", name="https://nowhere.invalid/hook").click()
    looked_at(page, "webhook")


def test_a_rule_is_built_with_a_live_count_and_its_difference_is_seen_before_it_is_saved(page: Page) -> None:
    slug = f"s{time.monotonic_ns()}"
    sign_in(page, "manager.north")
    page.goto(f"{SEGMENTS}/new")
    looked_at(page, "builder-new")
    page.get_by_label("Value").fill("65")
    preview = page.locator("#preview")
    expect(preview).to_contain_text(FINCH)
    expect(page.get_by_label("The same as a text")).to_have_value("age > 65")
    page.get_by_role("button", name="Add group", exact=True).click()
    page.get_by_label("Measure").nth(1).select_option("appointments.count")
    expect(page.locator("summary", has_text="Only some statuses")).to_be_visible()
    page.get_by_label("Value").nth(1).fill("0")
    page.get_by_label("Comparison").nth(1).select_option(">=")
    expect(page.get_by_label("The same as a text")).to_have_value("age > 65 and appointments.count >= 0")
    looked_at(page, "builder")
    page.get_by_label("Name", exact=True).fill("Old & new")
    page.get_by_label("Short name, for addresses").fill(slug)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Old & new")).to_be_visible()

    page.get_by_role("link", name="Edit the rule").click()
    page.get_by_label("The same as a text").fill("registration.days >= 0")
    page.get_by_role("button", name="Use this text").click()
    expect(preview).to_contain_text(WREN)
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("heading", name="What this changes")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=WREN)).to_be_visible()
    looked_at(page, "difference")
    page.get_by_role("button", name="Save as a new version").click()
    page.get_by_role("link", name="Versions and settings").click()
    expect(page.get_by_role("row").filter(has_text="registration.days >= 0")).to_contain_text("manager.north")
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("Archived by manager.north")).to_be_visible()
    looked_at(page, "segment-archived")
    page.get_by_role("button", name="See whom it would bring back").click()
    expect(page.get_by_role("listitem").filter(has_text=WREN)).to_be_visible()
    looked_at(page, "segment-revived")
    page.get_by_role("link", name="Change the rule first").click()
    page.get_by_label("The same as a text").fill('forms.completed(form="pian") = 0')
    page.get_by_role("button", name="Use this text").click()
    expect(preview).to_contain_text("This clinic has no form “pian”. Did you mean pain?")
    looked_at(page, "builder-warned")
    page.get_by_role("button", name="See what changes").click()
    looked_at(page, "difference-warned")
    page.get_by_role("button", name="Have it back").click()
    expect(page.get_by_role("link", name="Versions and settings")).to_be_visible()


def test_the_builder_tells_what_changed_keeps_the_focus_and_a_failed_look_can_be_repeated(page: Page) -> None:
    sign_in(page, "manager.north")
    page.goto(f"{SEGMENTS}/new")
    told = page.locator("#told")
    page.evaluate("""() => {
        window.spoken = [];
        new MutationObserver(() => spoken.push(told.textContent)).observe(told, { childList: true });
    }""")
    page.get_by_label("Value").fill("65")
    expect(told).to_have_text("1 of 2 patients; 1 undecided")
    page.get_by_label("Value").press_sequentially(".5")
    expect(page.get_by_label("The same as a text")).to_have_value("age > 65.5")
    expect(page.get_by_label("Value")).to_be_focused()
    assert page.locator("#preview").get_attribute("aria-live") is None
    assert page.evaluate("spoken") == ["1 of 2 patients; 1 undecided"]

    add = page.get_by_role("button", name="Add condition", exact=True)
    add.press("Enter")
    expect(page.get_by_label("Measure")).to_have_count(2)
    expect(add).to_be_focused()
    page.route(f"**{SEGMENTS}/new", lambda route: route.abort("aborted"))
    remove = page.get_by_role("button", name="Remove condition 2")
    remove.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Try it once more")).to_be_visible()
    looked_at(page, "builder-failed")
    page.unroute(f"**{SEGMENTS}/new")
    expect(remove).to_be_focused()
    remove.press("Enter")
    expect(page.get_by_label("Measure")).to_have_count(1)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(add).to_be_focused()


def test_the_builder_does_the_same_without_a_script(browser: Browser, api: Api) -> None:
    with watched(browser, api, 1280, 900, java_script_enabled=False) as page:
        sign_in(page, "manager.north")
        page.goto(f"{SEGMENTS}/new")
        page.get_by_label("Value").fill("65")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#preview")).to_contain_text(FINCH)
        page.get_by_role("button", name="Add condition").click()
        page.get_by_label("Measure").nth(1).select_option("sex")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("A value is still to be typed.")).to_be_visible()
        page.get_by_role("button", name="Remove condition 2").click()
        assert page.get_by_label("Value").input_value() == "65"


def test_while_the_builder_looks_the_preview_says_that_it_is_busy(browser: Browser, api: Api) -> None:
    with watched(browser, api, 1280, 900) as page:
        sign_in(page, "manager.north")
        page.goto(f"{SEGMENTS}/new")
        asked: list[Route] = []
        page.route(f"**{SEGMENTS}/new", lambda route: asked.append(route))  # a builtin takes no mark
        page.get_by_label("Value").fill("65")
        preview = page.locator("#preview")
        expect(preview).to_have_attribute("aria-busy", "true")
        asked[0].continue_()
        expect(preview).to_contain_text(FINCH)
        expect(preview).not_to_have_attribute("aria-busy", "true")
        page.unroute(f"**{SEGMENTS}/new")


def test_a_report_prints_readable_and_without_what_leads_elsewhere(browser: Browser, api: Api) -> None:
    """On paper too who may not list members reads no small count: the same page is printed."""
    with watched(browser, api, 800, 1100, color_scheme="dark") as page:
        sign_in(page, "manager.north")
        page.goto(f"{SEGMENTS}/elders")
        page.emulate_media(media="print", color_scheme="dark")
        for where in (".top", ".tabs", ".foot", "main .filters", "main button"):
            assert page.locator(where).count() and not page.locator(where).first.is_visible(), where
        expect(page.get_by_role("img", name="Members, last 60 days")).to_be_visible()
        expect(page.get_by_role("heading", name="Elders")).to_be_visible()
        assert fits(page)
        paper, ink = page.evaluate("() => [getComputedStyle(document.body)].flatMap(s => [s.backgroundColor, s.color])")
        assert _light(paper) > 200 and _light(ink) < 80, "light paper, whatever the screen's scheme"
        page.get_by_role("button", name="Sign out", include_hidden=True).evaluate("button => button.click()")
        page.wait_for_url("**/sign-in")
        page.emulate_media(media="screen")
        sign_in(page, "staff.north")
        page.goto("/clinics/north")
        page.emulate_media(media="print")
        row = page.get_by_role("row").filter(has_text="Elders")
        assert row.get_by_role("cell").all_inner_texts() == ["–"], "two members"


def _light(colour: str) -> float:
    """How light a colour is, from 0 to 255."""
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", colour)[:3])
    return (red + green + blue) / 3
