"""In a browser: what an admin sets up, from the form to what it leads to, with markup in every name."""

from collections.abc import Iterator

import access_world
import pytest
from access_world import Api, World
from in_browser import give_code, looked_at, sign_in
from playwright.sync_api import Browser, Page, expect

from tests.functional.conftest import watched

MARKUP = "<script>alert(1)</script> & co"


@pytest.fixture(scope="module", params=[(1280, 900), (360, 740)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, api: Api) -> Iterator[Page]:
    """One sign-in of the admin for all of the journeys."""
    with watched(browser, api, *request.param) as opened:
        sign_in(opened, "admin")
        give_code(opened, api, "admin")
        yield opened


def test_health_says_what_is_wrong_and_what_to_do(world: World, page: Page) -> None:
    world.change(
        "insert into pipeline.clinic_run (invocation_id, model, clinic, status, sqlstate)"
        " values ('i', 'patient_summary', 'south', 'failed', '23514') on conflict do nothing"
    )
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_role("row", name="South Build failed")).to_be_visible()
    expect(page.get_by_text("cloister materialize").first).to_be_visible()
    looked_at(page, "admin-health")


def test_an_account_is_made_given_roles_and_disabled(page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    login = f"<b>ana</b> {width}"
    page.get_by_role("link", name="Accounts").click()
    looked_at(page, "admin-accounts")
    expect(page.get_by_text("finch")).to_have_count(0)
    page.get_by_label("Login", exact=True).fill("auditor")
    page.get_by_label("Name", exact=True).fill(MARKUP)
    page.get_by_label("Role").select_option("clinic_staff")
    page.get_by_label("Clinic").select_option("north")
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Somebody has this login.")).to_be_visible()
    assert page.get_by_label("Name", exact=True).input_value() == MARKUP
    looked_at(page, "admin-accounts-fault")
    page.get_by_label("Login", exact=True).fill(login)
    page.get_by_role("button", name="Make the account").click()
    assert "/password/" in page.get_by_label("Link").inner_text()
    looked_at(page, "admin-account-added")
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_role("heading", name=login, level=1)).to_be_visible()
    expect(page.get_by_text(MARKUP)).to_be_visible()
    page.get_by_label("Role", exact=True).select_option("specialist")
    page.get_by_label("Clinic", exact=True).select_option("south")
    page.get_by_role("button", name="Give", exact=True).click()
    looked_at(page, "admin-account")
    page.get_by_role("button", name="End the role clinic staff at north").click()
    expect(page.get_by_role("button", name="End the role")).to_have_count(1)
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable")).to_be_visible()
    page.goto("/accounts?sought=admin.too")
    page.get_by_role("link", name="admin.too").click()
    expect(page.get_by_role("button", name="Disable")).to_have_count(0)


def test_a_key_is_shown_once_renewed_and_ended(api: Api, page: Page) -> None:
    login = f"crm.{page.viewport_size['width']}" if page.viewport_size else "crm"
    page.goto("/clinics")
    page.get_by_role("listitem").filter(has_text="North").get_by_role("link", name="API keys").click()
    looked_at(page, "admin-keys")
    page.get_by_label("Login of the system").fill(login)
    page.get_by_label("Purpose").select_option("operations")
    page.get_by_label("Name").check()
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_label("API key").inner_text()
    looked_at(page, "admin-key")
    members = "/v1/clinics/north/segments/everybody/members"
    assert api.get(members, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    page.get_by_role("link", name="go on").click()
    assert key not in page.content()
    prefix = key.split("_")[1]
    page.get_by_role("button", name=f"Renew {prefix}").click()
    expect(page.get_by_text("The old one stays good for 7 days.")).to_be_visible()
    page.get_by_role("link", name="go on").click()
    page.get_by_role("button", name=f"End {prefix} now").click()
    assert api.get(members, headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_services_and_bookings_of_a_clinic(page: Page) -> None:
    page.goto("/clinics/north/settings")
    page.get_by_label("Specialists, one a line").fill(f"Dr. North\n{MARKUP}\n")
    page.get_by_label("Days ahead").fill("90")
    page.get_by_role("button", name="Save", exact=True).click()
    looked_at(page, "admin-settings")
    page.get_by_role("link", name="Add a service").click()
    looked_at(page, "admin-service")
    page.get_by_label("Name", exact=True).fill(MARKUP)
    page.get_by_label("Slug").fill("Not A Slug")
    page.get_by_label("pain").check()
    page.get_by_label(MARKUP).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A slug is up to 60")).to_be_visible()
    assert page.get_by_label("pain").is_checked()
    page.get_by_label("Slug").fill("markup")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name=MARKUP).click()
    page.get_by_label("Can be booked").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="markup").get_by_text("Closed")).to_be_visible()


def test_how_long_a_guardians_signature_stands_is_said_on_the_clinics_page(world: World, page: Page) -> None:
    grace = "select slug, consent_grace_days from operational.clinic where slug in ('north', 'south') order by slug"
    (_, north), (_, south) = world.look(grace)
    page.goto("/clinics/north/settings")
    days = page.get_by_role("spinbutton", name="Days that what a guardian signed stands")
    assert days.input_value() == str(north)
    days.evaluate("field => field.form.noValidate = true")
    days.fill("-1")
    page.get_by_role("button", name="Save the days").click()
    expect(page.get_by_text("stands for 0 to 3650 days more")).to_be_visible()
    assert days.input_value() == "-1"
    looked_at(page, "admin-settings-fault")
    assert world.look(grace) == [("north", north), ("south", south)]
    days.fill(str(north + 1))
    page.get_by_role("button", name="Save the days").click()
    assert days.input_value() == str(north + 1)
    assert world.look(grace) == [("north", north + 1), ("south", south)]
    events = "select decision, resource_id from audit.access_event where action = 'clinic_retention.save' order by 1"
    assert set(world.look(events)) == {("deny", "north"), ("permit", "north")}


def test_where_a_clinic_is_is_said_on_its_page(world: World, page: Page) -> None:
    where = "select time_zone, country from operational.clinic where slug = %s"
    (north,), (south,) = (world.look(where, clinic) for clinic in ("north", "south"))
    page.goto("/clinics/north/settings")
    zone, country = page.get_by_label("Time zone, such as"), page.get_by_label("Country, two letters")
    assert (zone.input_value(), country.input_value()) == north
    zone.fill("Europe/Atlantis")
    country.fill("xx")
    page.get_by_role("button", name="Save where it is").click()
    expect(page.get_by_text("Choose a time zone of the list")).to_be_visible()
    expect(page.get_by_text("A country is two letters")).to_be_visible()
    assert (zone.input_value(), country.input_value()) == ("Europe/Atlantis", "XX")
    looked_at(page, "admin-settings-no-place")
    assert world.look(where, "north") == [north]
    for place in (("Asia/Tokyo", "SG"), north):
        zone.fill(place[0])
        country.fill(place[1].lower())
        page.get_by_role("button", name="Save where it is").click()
        assert (zone.input_value(), country.input_value()) == place
        assert world.look(where, "north") == [place] and world.look(where, "south") == [south]


def test_a_form_is_built_by_buttons_alone(world: World, page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.goto("/clinics/north/forms")
    looked_at(page, "admin-forms")
    page.get_by_role("link", name="Build a form").click()
    page.get_by_label("Title").fill(MARKUP)
    page.get_by_label("Name, by which").fill(f"built_{width}")
    for kind in ("choice", "number", "scale"):
        page.get_by_label("Kind of question").select_option(kind)
        page.get_by_role("button", name="Add a question").click()
    page.get_by_role("button", name="Move question 3 up").click()
    questions = page.get_by_role("group")
    questions.nth(0).get_by_label("Question", exact=True).fill("Do you smoke?")
    questions.nth(0).get_by_label("Options").fill("yes = Yes, often\nno = No")
    questions.nth(1).get_by_label("Most").fill("ten")
    page.get_by_role("button", name="Save the form").click()
    expect(page.get_by_text("Ask something")).to_have_count(2)
    looked_at(page, "admin-form-faults")
    questions.nth(1).get_by_label("Question", exact=True).fill("How strong is the urge?")
    questions.nth(1).get_by_label("Most").fill("10")
    questions.nth(2).get_by_label("Question", exact=True).fill("How many a day?")
    questions.nth(2).get_by_label("Shown only if").select_option("question_1")
    questions.nth(2).get_by_label("This number or option").fill("yes")
    page.get_by_role("button", name="Add a score").click()
    questions.nth(3).get_by_label("Words").fill("Sum")
    questions.nth(3).get_by_label("Sum of the ids").fill("question_2, question_3")
    page.get_by_role("button", name="Save the form").click()
    expect(page.get_by_text("Version 1 is the newest.")).to_be_visible()
    looked_at(page, "admin-form")
    page.get_by_role("button", name="Remove score 1").click()
    page.get_by_role("button", name="Save as the next version").click()
    expect(page.get_by_text("Version 2 is the newest.")).to_be_visible()
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_text("You look at version 1")).to_be_visible()
    assert page.get_by_label("Sum of the ids").input_value() == "question_2, question_3"
    ((saved,),) = world.look(
        "select questions -> 2 -> 'shown_when' from operational.form_template"
        " where template = %s and template_version = 2", f"built_{width}",
    )  # fmt: skip
    assert saved == {"question": "question_1", "op": "is", "value": "yes"}


def test_quarantine_tells_what_came_of_another_try(world: World, page: Page) -> None:
    tried = "update operational.quarantine set tried_at = now(), {} where clinic_id = %s"
    north = world.clinic_ids["north"]
    try:
        for trouble, said in (("null", "and refused still"), ("'the import failed'", "Could not be tried: the import")):
            world.change(tried.format(f"trouble = {trouble}"), north)
            page.goto("/clinics/north/quarantine")
            expect(page.get_by_text(said).first).to_be_visible()
        looked_at(page, "admin-quarantine-tried")
        world.change(tried.format("retry_asked_at = now()"), north)
        page.goto("/clinics/north/quarantine")
        page.get_by_role("link", name="Look again").first.click()
        expect(page.get_by_text("Asked for").first).to_be_visible()
        looked_at(page, "admin-quarantine-asked")
        world.change(tried.format("resolved_at = now()"), north)
        page.get_by_role("link", name="Look again").first.click()
        expect(page.get_by_role("heading", name="Came in after all")).to_be_visible()
        expect(page.get_by_text("Nothing waits")).to_be_visible()
        looked_at(page, "admin-quarantine-came-in")
    finally:
        world.change(tried.format("tried_at = null, trouble = null, retry_asked_at = null, resolved_at = null").replace(
            "tried_at = now(), ", ""), north)  # fmt: skip


def test_quarantine_tells_why_and_nothing_of_the_rows(page: Page) -> None:
    page.goto("/clinics/north/settings")
    page.get_by_role("link", name="Quarantine").click()
    looked_at(page, "admin-quarantine")
    assert "anary" not in page.content()
    page.get_by_role("button", name="again").first.click()
    assert "import the mended file" in page.get_by_role("alert").inner_text()


@pytest.mark.check(21)
def test_each_page_leaves_its_event(world: World, page: Page) -> None:
    for path, action in (
        ("/admin", "platform.health"),
        ("/accounts", "account.list"),
        ("/clinics/north/keys", "api_key.list"),
        ("/clinics/north/quarantine", "quarantine.list"),
        ("/clinics/north/settings", "clinic_settings.read"),
        ("/clinics/north/forms", "template.read"),
    ):
        page.goto(path)
        newest = "select action, decision from audit.access_event order by occurred_at desc limit 1"
        assert world.look(newest) == [(action, "permit")]
    assert access_world.FINCH not in page.content()
