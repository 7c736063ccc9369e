"""What the pages of patients and specialists say, and take, once a day is over: a form's, a plan's last."""

import pytest
from access_world import WREN, Api, World
from browsing import Browsers

from tests.integration.records import Family, days, today
from tests.integration.test_care_pages import booked


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    return Family(world, api, {})


@pytest.fixture(scope="module")
def browsers(api: Api) -> Browsers:
    return Browsers(api)


def ended(family: Family, ago: int) -> tuple[str, str]:
    """A plan of one day, so many days ago, as time would have it; the title, and where its exercise is ticked off."""
    path, title, day = f"/clinics/north/patients/{family.world.patients['north', WREN]}/plans", f"{ago} ago", today()
    body = {"title": title, "starts_on": str(day), "ends_on": str(day), "exercises": [{"name": "Bridge", "times": 2}]}
    plan = family.done("specialist.north", "POST", path, body)["id"]
    for table, columns in (
        ("exercise", ["starts_on", "ends_on"]),
        ("treatment_plan", ["starts_on", "ends_on"]),
        ("adherence", ["day"]),
    ):
        moved = ", ".join(f"{column} = {column} - {ago}" for column in columns)
        family.world.change(f"update operational.{table} set {moved} where plan_id = %s", plan)
    ((exercise,),) = family.world.look("select exercise_id from operational.exercise where plan_id = %s", plan)
    return title, f"/me/plans/{plan}/exercises/{exercise}/days/{day - days(ago)}"


def test_the_last_day_of_a_plan_is_ticked_off_the_day_after(family: Family, browsers: Browsers) -> None:
    yesterdays, shown = "/me/exercises?day=yesterday", {"shown": "yesterday"}
    title, tick = ended(family, 1)
    older, _ = ended(family, 2)
    for at, expected in ((yesterdays, True), ("/me/exercises", False)):
        page = browsers.get("wren", at).text
        runs, over = page.split("Earlier plans")
        assert (title in runs, title in over, tick in page) == (expected, not expected, expected)
        assert older in over and older not in runs
    assert browsers.post("wren", tick, yesterdays, times=1, **shown).headers["location"].startswith(yesterdays)
    assert "1 of 2" in browsers.get("wren", yesterdays).text
    browsers.post("wren", tick, yesterdays, times=0, **shown)
    assert "0 of 2" in browsers.get("wren", yesterdays).text


@pytest.mark.parametrize(("ago", "said", "unsaid"), [(2, "was due on", "due by"), (-2, "due by", "was due on")])
def test_a_form_says_until_when_it_is_due_or_was(
    family: Family, browsers: Browsers, ago: int, said: str, unsaid: str
) -> None:
    family.world.change(
        "update operational.form set deleted_at = now(), deleted_by = gen_random_uuid(), delete_reason = 'x'"
    )
    form, visit = family.assign(WREN, "pain"), booked(family, WREN)
    family.world.change("update operational.form set due_on = %s where form_id = %s", today() - days(ago), form)
    for login, path in (
        ("wren", "/me"),
        ("wren", "/me/forms"),
        ("wren", f"/me/forms/{form}"),
        ("specialist.north", f"/agenda/north/{visit}"),
    ):
        page = browsers.get(login, path).text.replace("Was due", "was due").replace("Due by", "due by")
        assert said in page and unsaid not in page, path
