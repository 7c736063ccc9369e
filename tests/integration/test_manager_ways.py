"""From each page of a clinic its manager gets to the others, and to no page of somebody else's."""

import re
from collections.abc import Iterator

import pytest
from access_world import Api, World
from pages_of import browser_sign_in, send

SEGMENTS = "/clinics/north/segments"
ONE = f"{SEGMENTS}/everybody"


@pytest.fixture
def pages(api: Api) -> Iterator[Api]:
    """A manager of north in a browser."""
    browser_sign_in(api, "manager.north")
    yield api
    api.cookies.clear()


def got(pages: Api, path: str) -> str:
    answer = pages.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_how_long_things_are_kept_is_shown_to_a_manager_and_not_to_be_changed(
    world: World, pages: Api, manager: dict[str, str]
) -> None:
    kept = pages.get("/v1/clinics/north/settings", headers=manager).json()["retention"]
    shown = got(pages, "/clinics/north/settings").partition('id="retention"')[2]
    assert f"{kept['audit_years']} years" in shown and f"{kept['feed_days']} days" in shown
    assert f"{kept['consent_grace_days']} days" in shown
    assert not re.search(r"<(input|select|textarea|button)", shown)
    for days in ("60", "no number"):  # whether it is any good, they are not told
        refused = send(pages, "/clinics/north/settings/retention", "/clinics/north/settings", consent_grace_days=days)
        assert refused.status_code == 404
        newest = "select action, decision from audit.access_event order by occurred_at desc limit 1"
        assert world.look(newest) == [("clinic_retention.save", "deny")]
    assert pages.get("/v1/clinics/north/settings", headers=manager).json()["retention"] == kept


def test_where_a_clinic_is_is_shown_to_a_manager_and_not_to_be_changed(
    world: World, pages: Api, manager: dict[str, str]
) -> None:
    kept = pages.get("/v1/clinics/north/settings", headers=manager).json()
    shown = got(pages, "/clinics/north/settings").partition('id="location"')[2]
    assert kept["time_zone"] in shown and kept["country"] in shown
    assert not re.search(r"<(input|select|textarea|button|datalist)", shown)
    for zone in ("Asia/Tokyo", "no zone"):
        asked = {"time_zone": zone, "country": "SG"}
        refused = send(pages, "/clinics/north/settings/location", "/clinics/north/settings", **asked)
        assert refused.status_code == 404
        newest = "select action, decision from audit.access_event order by occurred_at desc limit 1"
        assert world.look(newest) == [("clinic_location.save", "deny")]
    after = pages.get("/v1/clinics/north/settings", headers=manager).json()
    assert (after["time_zone"], after["country"]) == (kept["time_zone"], kept["country"])


@pytest.mark.parametrize("tab", ["Doubtful registrations", "Settings"])
def test_from_each_part_of_a_clinic_its_manager_gets_to_the_others(pages: Api, tab: str) -> None:
    for path in ("", "/segments", "/webhooks", "/merges"):
        (nav,) = re.findall(r'<nav class="tabs parts.*?</nav>', got(pages, f"/clinics/north{path}"), re.S)
        (at,) = re.findall(rf'href="([^"]+)"[^>]*>{tab}<', nav)
        assert got(pages, at)
        # What is the front desk's is no manager's.
        assert "/appointments" not in nav and "/book" not in nav
    assert '<a href="/clinics/north">North</a>' in got(pages, "/clinics/north/settings")


def test_a_segments_page_leads_to_a_webhook_of_its_own_and_who_is_told_is_said_before_archiving(
    world: World, pages: Api
) -> None:
    path = re.search(r'href="([^"]+/webhooks\?segment=[^"]+)#new"', got(pages, f"{SEGMENTS}/elders"))
    assert path
    ticked = re.findall(r'name="chosen" value="([^"]+)" checked', got(pages, path[1]))
    assert ticked == [str(world.segments["north", "elders"])]
    hook = f"/clinics/north/webhooks/{world.webhooks['north']}"
    assert all(hook in got(pages, f"{SEGMENTS}/{each}/settings") for each in ("everybody", "elders"))
    only = "update operational.webhook_endpoint set segments = %s where endpoint_id = %s"
    world.change(only, [world.segments["north", "elders"]], world.webhooks["north"])
    try:
        assert hook in got(pages, f"{SEGMENTS}/elders/settings")
        assert "No webhook is told of it." in got(pages, f"{ONE}/settings")
    finally:
        world.change(only, None, world.webhooks["north"])
