"""In a browser, on a running demo: what each of its accounts is there for, from the sign-in to the result.

Nothing may be wrong in the console, no content policy be broken, and no request leave the demo. A picture of each
place is kept in a folder.
"""

import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pyotp
from playwright.sync_api import Browser, Page, expect, sync_playwright

Account = dict[str, str]
ADDRESS, ACCOUNTS, PICTURES = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
TOLD = "document.addEventListener('securitypolicyviolation', broken => console.error('policy', broken.blockedURI))"
NUMBERS = count(1)


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:
    """A page after which nothing may have been wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=ADDRESS)
    context.add_init_script(TOLD)
    page, wrong = context.new_page(), list[str]()
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(ADDRESS + "/") else wrong.append(asked.url))
    page.on("response", lambda came: wrong.append(f"{came.status} {came.url}") if came.status >= 400 else None)
    yield page
    context.close()
    if wrong:
        sys.exit("demo: " + "; ".join(wrong))


def pictured(page: Page, name: str) -> None:
    """Keep a picture of the whole page."""
    page.screenshot(path=PICTURES / f"{next(NUMBERS):02}-{name}.png", full_page=True)


def sign_in(page: Page, account: Account) -> None:
    """By password, and by the code of the next step (RFC 6238): that of this one may have been used."""
    page.goto("/sign-in")
    page.get_by_label("Login").fill(account["login"])
    page.get_by_label("Password").fill(account["secret"])
    page.get_by_role("button", name="Sign in").click()
    if account.get("totp"):
        page.get_by_label("Code of your authenticator app").fill(pyotp.TOTP(account["totp"]).at(int(time.time()) + 30))
        page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def manager(page: Page) -> None:
    """The overview, doubtful registrations, a segment, why somebody is in it, and who would be in by another rule."""
    expect(page.get_by_text("Share their profile")).to_be_visible()
    pictured(page, "overview")
    page.get_by_role("link", name="Doubtful registrations").click()
    expect(page.get_by_role("heading", name="Doubtful registrations")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name=re.compile("low treatment adherence")).first.click()
    expect(page.get_by_role("img", name="Members, last 60 days")).to_be_visible()
    pictured(page, "segment")
    page.get_by_role("link", name=re.compile("^Why .* is a member$")).first.click()
    pictured(page, "explanation")
    page.go_back()
    page.get_by_role("link", name="Edit the rule").click()
    expect(page.locator("#preview li").first).to_be_visible()
    pictured(page, "builder")


def auditor(page: Page) -> None:
    """A search, an event with the patients that it disclosed, and whether the log is as it was written."""
    page.get_by_label("Action").select_option("member.list")
    page.get_by_role("button", name="Search").click()
    pictured(page, "search")
    page.locator("tbody tr").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name=re.compile("patients? disclosed"))).to_be_visible()
    pictured(page, "event")
    page.get_by_role("link", name="Access log").first.click()
    page.get_by_role("link", name="Counts").click()
    expect(page.get_by_role("img", name="Accesses a day")).to_be_visible()
    pictured(page, "counts")
    page.get_by_role("link", name="Seal").click()
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_role("status")).to_be_visible()
    pictured(page, "seal")


def patient(page: Page) -> None:
    """An appointment, a consent, a form, who read what, and everything to take along."""
    pictured(page, "my-pages")
    book(page)
    page.get_by_role("link", name="Consents").click()
    page.get_by_role("link", name="Messages from the clinic").first.click()
    pictured(page, "consent")
    page.get_by_role("button", name=re.compile("I have read this, and agree|Revoke")).click()
    pictured(page, "consents")
    page.get_by_role("link", name="Forms").click()
    fill(page)
    page.get_by_role("link", name="Who read it").click()
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    pictured(page, "who-read-it")
    page.get_by_role("link", name="Take it along").click()
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download").first.click()
    pictured(page, "take-it-along")
    assert coming.value.path().stat().st_size > 1_000


def guardian(page: Page) -> None:
    """A dependent's pages, and an appointment for them."""
    pictured(page, "my-pages")
    page.get_by_role("region", name="People in your care").get_by_role("link").first.click()
    pictured(page, "dependent")
    book(page)


def book(page: Page) -> None:
    """A free time of physiotherapy, for which a form is to be filled in."""
    page.get_by_role("link", name="Book an appointment").click()
    page.locator("main ul a").first.click()
    offered = page.get_by_label("What, and with whom")
    offered.select_option(offered.locator("option", has_text="Physiotherapy").first.get_attribute("value"))
    page.get_by_role("button", name="Show free times").click()
    page.get_by_role("group", name="Free times").get_by_role("radio").last.check()
    pictured(page, "free-times")
    page.get_by_role("button", name="Book it").click()
    expect(page.get_by_role("heading", name="To come")).to_be_visible()
    pictured(page, "booked")


def fill(page: Page) -> None:
    """The first form that waits, which asks for one number."""
    page.locator("main ul a").first.click()
    page.get_by_label("3", exact=True).check()
    pictured(page, "form")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("Done", exact=True).first).to_be_visible()
    pictured(page, "forms")


def specialist(page: Page) -> None:
    """The next day with visits, the brief before one, and a plan that is prescribed."""
    for _ in range(7):  # weekends are free, and so may be a day of theirs
        if page.locator("ul.agenda a").count():
            break
        page.get_by_role("link", name="Day after").click()
        page.wait_for_load_state()
    pictured(page, "agenda")
    page.locator("ul.agenda a").first.click()
    pictured(page, "brief")
    page.get_by_role("link", name="Prescribe, change or end").click()
    page.get_by_label("Title").fill("Walking")
    page.get_by_label("Last day").fill(str(datetime.now(UTC).date() + timedelta(days=10)))
    page.get_by_label("Name").first.fill("Walk briskly")
    page.get_by_role("button", name="Prescribe", exact=True).click()
    expect(page.get_by_role("heading", name="Walking").first).to_be_visible()
    pictured(page, "plan")


def staff(page: Page) -> None:
    """The front desk's day, and doubtful registrations."""
    pictured(page, "front-desk")
    page.get_by_role("link", name="Doubtful registrations").click()
    pictured(page, "doubtful-registrations")


def admin(page: Page) -> None:
    """Clinics, health, how long things stand, where a clinic is, rows that no import took, and the demo's mail."""
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_role("heading", name="Data quality")).to_be_visible()
    expect(page.locator("details .pill").first).to_have_text("Good")
    pictured(page, "health")
    page.get_by_role("link", name="Clinics").click()
    pictured(page, "clinics")
    page.get_by_role("link", name="Settings").first.click()
    page.get_by_label("Days that what a guardian signed stands").fill("120")
    page.get_by_role("button", name="Save the days").click()
    expect(page.get_by_label("Days that what a guardian signed stands")).to_have_value("120")
    page.get_by_label("Time zone, such as").fill("Europe/Lisbon")
    page.get_by_role("button", name="Save where it is").click()
    expect(page.get_by_label("Time zone, such as")).to_have_value("Europe/Lisbon")
    pictured(page, "settings")
    page.get_by_role("link", name="Quarantine").click()
    expect(page.get_by_role("heading", name="Quarantine", level=1)).to_be_visible()
    pictured(page, "quarantine")
    page.get_by_role("link", name="Mailbox").click()
    expect(page.get_by_role("heading", name="Mailbox", level=1)).to_be_visible()
    # Both have booked, each in their own journey.
    for login in ("patient", "guardian"):
        to_them = page.get_by_role("listitem").filter(has_text=f"To {login}@demo.example")
        expect(to_them.filter(has=page.get_by_role("link", name="invite.ics")).first).to_be_visible()
    pictured(page, "mailbox")


# In this order: what is booked, listed and sent comes before who looks at it.
JOURNEYS: dict[str, Callable[[Page], None]] = {
    "clinic_manager": manager,
    "patient": patient,
    "guardian": guardian,
    "specialist": specialist,
    "clinic_staff": staff,
    "clinic_auditor": auditor,
    "platform_auditor": auditor,
    "platform_admin": admin,
}


def main() -> None:
    """One journey for each role that has one."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for role, journey in JOURNEYS.items():
            begun, account = time.monotonic(), next(found for found in ACCOUNTS if found["role"] == role)
            with watched(browser) as page:
                sign_in(page, account)
                journey(page)
            print(f"demo: {role}: {journey.__doc__} {time.monotonic() - begun:.1f} s", flush=True)
        browser.close()


main()
