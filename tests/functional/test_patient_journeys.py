"""In a real browser: a patient's and a guardian's day, from the overview to a signed consent."""

from datetime import datetime, timedelta

import access_world
import pytest
from access_world import CHICK, WREN, Api, World
from in_browser import looked_at, sign_in
from playwright.sync_api import Page, expect

from api.identity.booking_pages import open_page
from tests.integration.records import BERLIN, Family, add_chick, days, today


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


def prescribe(family: Family, name: str, title: str) -> None:
    exercises = [{"name": "Bridge", "times": 2, "instructions": "Lift slowly, and hold for five breaths."},
                 {"name": "Walk", "weekdays": [1, 2, 3, 4, 5, 6, 7]}]  # fmt: skip
    body = {"title": title, "starts_on": str(today()), "ends_on": str(today() + days(13)), "exercises": exercises}
    path = f"/clinics/north/patients/{family.world.patients['north', name]}/plans"
    family.done("specialist.north", "POST", path, body)


def test_a_patient_fills_in_a_form_ticks_exercises_and_decides(family: Family, page: Page) -> None:
    form = family.assign(WREN, "intake")
    family.done("manager.north", "POST", "/clinics/north/consent-texts", {
        "purpose": "profile_sharing", "text_version": f"v{page.viewport_size['width']}",
        "body": "The clinic may read your profile.\n\nYou can take this back at any time.",
    })  # fmt: skip
    title = f"Back, {page.viewport_size['width'] if page.viewport_size else 0}"
    prescribe(family, WREN, title)
    sign_in(page, "wren")
    expect(page.get_by_role("heading", name="What is next")).to_be_visible()
    looked_at(page, "patient-overview")

    page.goto(f"/me/forms/{form}")
    expect(page.get_by_label("What is it?")).to_be_hidden()
    page.get_by_label("Something else").first.check()
    expect(page.get_by_label("What is it?")).to_be_visible()
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("This is needed.")).to_be_visible()
    looked_at(page, "patient-form")
    page.get_by_label("What is it?").fill("My <b>shoulder</b> & neck")
    page.get_by_role("button", name="Complete").click()
    looked_at(page, "patient-forms")
    page.get_by_role("link", name="Before your first visit").first.click()
    expect(page.get_by_text("My <b>shoulder</b> & neck")).to_be_visible()
    looked_at(page, "patient-form-done")

    page.get_by_role("link", name="Exercises").click()
    plan = page.get_by_role("region", name=title)
    plan.get_by_role("button", name="Bridge: done once more").click()
    expect(plan.get_by_text("1 of 2")).to_be_visible()
    looked_at(page, "patient-exercises")

    page.get_by_role("link", name="Consents").click()
    looked_at(page, "patient-consents")
    page.get_by_role("link", name="Sharing the profile", exact=True).first.click()
    page.get_by_role("button", name="I have read this, and agree").click()
    page.get_by_role("link", name="Sharing the profile", exact=True).first.click()
    looked_at(page, "patient-consent")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked", exact=True).first).to_be_visible()


def test_a_patient_books_edits_the_profile_and_sees_who_read_it(family: Family, page: Page) -> None:
    width = page.viewport_size["width"]
    sign_in(page, "wren")
    page.get_by_role("link", name="Book an appointment").click()
    looked_at(page, "patient-book-where")
    page.get_by_role("link", name="North").click()
    page.get_by_label("What, and with whom").select_option(label="Visit · Dr. North")
    when = datetime.now(BERLIN) + timedelta(days=30 + width % 7)
    page.get_by_label("When").fill(f"{when:%Y-%m-%dT10:00}")
    looked_at(page, "patient-book")
    page.get_by_role("button", name="Show free times").click()
    looked_at(page, "patient-free-times")
    page.get_by_label("10:00").first.check()
    page.get_by_role("button", name="Book it").click()
    expect(page.get_by_role("heading", name="To come")).to_be_visible()
    page.get_by_text("Move or cancel").first.click()
    looked_at(page, "patient-appointments")

    page.get_by_role("link", name="Profile").click()
    looked_at(page, "patient-profile")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Phone with").fill("12")
    page.get_by_label("Allergies").fill("Nuts")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was changed yet.")).to_be_visible()
    looked_at(page, "patient-profile-edit")
    page.get_by_label("Phone with").fill(access_world.PHONE)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nuts")).to_be_visible()
    page.get_by_role("link", name="How your account is reached").click()
    looked_at(page, "patient-account")
    page.goto("/me/profile/history")
    looked_at(page, "patient-history")

    page.get_by_role("link", name="Who read it").click()
    looked_at(page, "patient-accesses")
    page.get_by_role("link", name="Family").click()
    looked_at(page, "patient-family")


def test_a_guardian_cares_for_a_dependent(family: Family, page: Page) -> None:
    family.assign(CHICK, "mood")
    sign_in(page, "finch")
    page.get_by_role("link", name=CHICK).first.click()
    expect(page.get_by_role("heading", name=CHICK)).to_be_visible()
    looked_at(page, "guardian-dependent")
    page.get_by_role("link", name="Family").click()
    page.get_by_role("button", name="Make a code").click()
    expect(page.get_by_role("heading", name="The code")).to_be_visible()
    looked_at(page, "guardian-invitation")
    page.get_by_role("button", name="Take it back").click()


def test_a_newcomer_books(world: World, page: Page) -> None:
    open_page(world.server, "north")
    page.goto("/book/north")
    page.get_by_label("Name of whom it is for").fill("Robin & Co")
    page.get_by_label("Your email").fill("robin@example.org")
    page.get_by_label("What, and with whom").select_option(label="Visit · Dr. North")
    page.get_by_role("button", name="Show free times").click()
    expect(page.get_by_role("group", name="Free times")).to_be_visible()
    page.get_by_role("button", name="Later days").click()
    assert page.get_by_label("Your email").input_value() == "robin@example.org"
    looked_at(page, "newcomer-free-times")
    page.goto("/book/north")
    page.get_by_label("Name of whom it is for").fill("Robin & Co")
    page.get_by_label("Your email").fill("robin@example.org")
    page.get_by_label("What, and with whom").select_option(label="Visit · Dr. North")
    looked_at(page, "newcomer-book")
    when = datetime.now(BERLIN) + timedelta(days=50 + page.viewport_size["width"] % 7)
    page.get_by_label("When").fill(f"{when:%Y-%m-%dT11:00}")
    page.get_by_role("button", name="Book it").click()
    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    looked_at(page, "newcomer-booked")


def test_a_specialist_and_the_front_desk_look_at_their_day(family: Family, page: Page) -> None:
    world = family.world
    world.change(
        "insert into operational.appointment (clinic_id, patient_id, service, modality, specialist, status, booked_on,"
        " starts_on, starts_at) values (%s, %s, 'visit', 'in_person', 'Dr. North', 'booked', %s, %s, now())",
        world.clinic_ids["north"], world.patients["north", WREN], today(), today(),
    )  # fmt: skip
    sign_in(page, "specialist.north")
    looked_at(page, "specialist-agenda")
    page.get_by_role("link", name=WREN).first.click()
    expect(page.get_by_role("heading", name=WREN)).to_be_visible()
    looked_at(page, "specialist-brief")
    page.get_by_role("link", name="Prescribe, change or end").click()
    page.get_by_role("button", name="Prescribe", exact=True).click()
    expect(page.get_by_text("Name at least one exercise.")).to_be_visible()
    page.get_by_label("Title").fill("Walking")
    page.get_by_label("Last day").fill(str(today() + days(10)))
    page.get_by_label("Name").first.fill("Walk & breathe")
    looked_at(page, "specialist-plans")
    page.get_by_role("button", name="Prescribe", exact=True).click()
    expect(page.get_by_role("heading", name="Walking").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, "staff.north")
    page.locator("summary").first.click()
    looked_at(page, "staff-appointments")
    page.get_by_role("link", name="Book", exact=True).click()
    looked_at(page, "staff-book")
    page.get_by_role("link", name="Doubtful registrations").click()
    looked_at(page, "staff-merges")
