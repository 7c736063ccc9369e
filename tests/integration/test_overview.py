"""A clinic in numbers: exact for its managers, rounded for its staff, and recorded; of one clinic alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import access_world
import httpx
import pytest
from access_world import FINCH, WREN, Api, World

from tests.integration.pages_of import browser_sign_in

NORTH = "/v1/clinics/north"
Headers = dict[str, str]
MANY = 14


def got(api: Api, headers: Headers, path: str = f"{NORTH}/overview") -> dict[str, Any]:
    answer = api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sizes(found: dict[str, Any]) -> dict[str, Any]:
    return {segment["slug"]: segment["members"] for segment in found["segments"]}


@pytest.fixture(scope="module")
def visits(world: World) -> None:
    """Around the as-of date of both clinics: two attended, one missed, one to come; one long ago."""
    for clinic in ("north", "south"):
        patient = world.patients[clinic, FINCH]
        for day, status in (
            ("2026-03-03", "fulfilled"), ("2026-02-10", "fulfilled"), ("2026-02-11", "noshow"),
            ("2026-03-04", "booked"), ("2025-03-04", "noshow"),
        ):  # fmt: skip
            world.change(
                f"insert into clinic_{clinic}.raw_appointments (patient_id, appointment_id, version, service, modality,"
                " status, booked_on, starts_on) values (%s, %s, 1, 'x', 'video', %s, '2025-01-01', %s)",
                patient, uuid4(), status, day,
            )  # fmt: skip
        for day, done in (("2026-03-04", 1), ("2026-03-01", 2), ("2026-01-01", 5)):
            world.change(
                f"insert into clinic_{clinic}.raw_adherence (patient_id, plan_id, day, version, prescribed, done)"
                " values (%s, %s, %s, 1, 5, %s)", patient, uuid4(), day, done,
            )  # fmt: skip


@pytest.mark.usefixtures("visits")
def test_a_manager_sees_the_clinic_in_exact_numbers(api: Api, manager: Headers) -> None:
    found = got(api, manager)
    assert (found["as_of"], found["patients"], found["shared"], found["rounded"]) == ("2026-03-04", 2, 1, False)
    assert found["visits"] == {
        "days": 30, "past": 3, "fulfilled": 2, "noshow": 1, "cancelled": 0, "noshow_rate": 1 / 3, "upcoming": 1,
    }  # fmt: skip
    assert found["adherence"] == 0.3
    assert sizes(found) == {"everybody": 2, "elders": 2, "empty": 0}


def test_since_when_changes_wait_is_said_of_the_clinic_alone(world: World, api: Api, manager: Headers) -> None:
    wait = (
        "insert into operational.outbox (clinic_id, entity, patient_id, changed_at)"
        " values (%s, 'patient', %s, date_trunc('second', now()) - %s * interval '1 second')"
    )
    world.change("delete from operational.outbox")
    world.change(wait, world.clinic_ids["south"], world.patients["south", FINCH], 600)
    assert got(api, manager)["waiting_since"] is None
    for seconds in (60, 120, 5):
        world.change(wait, world.clinic_ids["north"], world.patients["north", FINCH], seconds)
    (oldest,) = world.look("select min(changed_at) from operational.outbox where clinic_id = %s",
                           world.clinic_ids["north"])  # fmt: skip
    assert datetime.fromisoformat(got(api, manager)["waiting_since"]) == oldest[0]
    staff = access_world.sign_in(api, "staff.north")
    assert got(api, staff)["waiting_since"] is None
    for login, said in (("manager.north", True), ("staff.north", False)):
        browser_sign_in(api, login)
        assert ("are not counted yet" in api.get("/clinics/north").text) is said
        api.cookies.clear()
    world.change("delete from operational.outbox")
    browser_sign_in(api, "manager.north")
    assert "are not counted yet" not in api.get("/clinics/north").text
    api.cookies.clear()


def test_a_segments_days_end_today_by_the_clinics_clock(world: World, api: Api, manager: Headers) -> None:
    now = datetime.now(UTC).astimezone(ZoneInfo("Europe/Berlin"))
    at = "update clinic_north.segment_member set entered_at = %s where patient_id = %s and segment_id = %s"
    which = world.patients["north", WREN], world.segments["north", "everybody"]
    try:
        world.change(at, now - timedelta(days=2), *which)
        found = {segment["slug"]: segment["trend"] for segment in got(api, manager)["segments"]}
        assert found["everybody"] == [1] * 27 + [2] * 3 and found["empty"] == [0] * 30
        days = api.get(f"{NORTH}/segments/everybody/days", headers=manager).json()["days"]
        assert [day["members"] for day in days] == found["everybody"]
        assert got(api, manager)["first_day"] == days[0]["day"]
    finally:
        world.change(at, "2026-01-01", *which)


WRITES = {
    "raw_patients": "update clinic_north.raw_patients set name = name",
    "raw_appointments": "delete from clinic_north.raw_appointments where status = 'arrived'",
    "raw_adherence": "update clinic_north.raw_adherence set done = done",
    "segment_member": "update clinic_north.segment_member set version = version",
    "segment_state": "delete from clinic_north.segment_state where version < 0",
}


@pytest.fixture
def unnoted(world: World) -> Iterator[str]:
    """An appointment that was written behind the mart's clock."""
    appointment = uuid4()
    world.change("alter table clinic_north.raw_appointments disable trigger written")
    world.change(
        "insert into clinic_north.raw_appointments (patient_id, appointment_id, version, service, modality, status,"
        " booked_on, starts_on) values (%s, %s, 1, 'x', 'video', 'booked', '2025-01-01', '2026-03-05')",
        world.patients["north", FINCH], appointment,
    )  # fmt: skip
    world.change("alter table clinic_north.raw_appointments enable trigger written")
    yield "one more to come"
    world.change("delete from clinic_north.raw_appointments where appointment_id = %s", appointment)


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES.keys())
def test_what_was_counted_is_good_until_the_mart_is_written(
    world: World, api: Api, manager: Headers, request: pytest.FixtureRequest, statement: str
) -> None:
    before = got(api, manager)["visits"]["upcoming"]
    request.getfixturevalue("unnoted")
    assert got(api, manager)["visits"]["upcoming"] == before
    world.change(statement)
    assert got(api, manager)["visits"]["upcoming"] == before + 1


@pytest.mark.usefixtures("visits")
def test_a_renamed_segment_has_its_new_name_at_once(world: World, api: Api, manager: Headers) -> None:
    got(api, manager)
    world.change("update clinic_north.segment set name = 'Canary Others' where slug = 'empty'")
    try:
        assert "Canary Others" in {segment["name"] for segment in got(api, manager)["segments"]}
    finally:
        world.change("update clinic_north.segment set name = 'Empty' where slug = 'empty'")


@pytest.mark.check(14)
def test_what_was_counted_before_a_revocation_is_told_no_more_after_it(
    world: World, api: Api, manager: Headers
) -> None:
    assert got(api, manager)["shared"] == 1
    world.consent("north", FINCH, "revoked")
    try:
        assert got(api, manager)["shared"] == 0 == got(api, manager)["shared"]
    finally:
        world.consent("north", FINCH)
    assert got(api, manager)["shared"] == 1


@pytest.mark.check(12)
def test_whoever_withdrew_is_counted_no_more_where_a_count_tells_of_profiles(
    world: World, api: Api, manager: Headers
) -> None:
    world.consent("north", FINCH, "revoked")
    try:
        found = got(api, manager)
        assert (found["patients"], found["shared"]) == (2, 0)
        assert sizes(found) == {"everybody": 2, "elders": 1, "empty": 0}
    finally:
        world.consent("north", FINCH)


@pytest.mark.check(21)
def test_each_look_is_an_event_and_names_nobody(world: World, api: Api, manager: Headers) -> None:
    got(api, manager)
    ((action, resource, categories, patients),) = world.look(
        "select action, resource_id, categories, patients from audit.access_event order by occurred_at desc limit 1"
    )
    assert (action, resource, categories, patients) == ("clinic.overview", "north", ["aggregate"], 0)


def test_another_clinics_numbers_are_not_there(api: Api, manager: Headers) -> None:
    made_up = api.get("/v1/clinics/nowhere/overview", headers=manager)
    assert made_up.status_code == 404
    assert api.get("/v1/clinics/south/overview", headers=manager).json() == made_up.json()


@pytest.fixture(scope="module")
def crowded(world: World) -> World:
    """More patients: of them a dozen in 'everybody', and so few in 'elders' that it could be somebody."""
    for n in range(MANY):
        patient = uuid4()
        world.change(
            "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
            " values (%s, 1, 'Canary Crowd', '2020-01-01', %s)", patient, n < 12,
        )  # fmt: skip
        if n < 12:
            world.change(
                "insert into clinic_north.segment_member (segment_id, patient_id, entered_at, entered_run, version,"
                " entered_by, fires_in) values (%s, %s, '2026-01-01', 1, 1, 'data', false)",
                world.segments["north", "empty"], patient,
            )  # fmt: skip
    for _ in range(20):
        world.change(
            "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
            " values (%s, 1, 'Canary Crowd', '2020-01-01', false)", uuid4(),
        )  # fmt: skip
    world.change(
        "insert into clinic_north.segment_report (segment_id, dimension, bucket, patients)"
        " select %s, 'age', * from (values ('18-39', 11), ('80+', 1)) as v",
        world.segments["north", "empty"],
    )
    return world


def test_who_may_not_list_members_is_told_no_small_count_and_nothing_day_by_day(crowded: World, api: Api) -> None:
    found = got(api, access_world.sign_in(api, "staff.north"))
    assert found["rounded"] and (found["patients"], found["shared"]) == (30, 10)
    assert sizes(found) == {"everybody": None, "elders": None, "empty": 10}
    assert [segment["trend"] for segment in found["segments"]] == [[], [], []]
    assert found["adherence"] is None and found["visits"]["noshow_rate"] is None
    assert {found["visits"][name] for name in ("past", "fulfilled", "noshow", "cancelled", "upcoming")} == {None}
    assert api.get(f"{NORTH}/segments", headers=access_world.sign_in(api, "staff.north")).status_code == 404


def test_a_key_that_may_not_list_members_is_told_no_small_count_of_them(crowded: World, api: Api) -> None:
    headers = {"Authorization": f"Bearer {crowded.keys['north.messages']}"}
    assert sizes(got(api, headers, f"{NORTH}/segments")) == {"everybody": None, "elders": None, "empty": 10}
    one = got(api, headers, f"{NORTH}/segments/empty")
    # Eleven of twelve leave one over.
    assert one["members"] == 10 and {part["patients"] for part in one["make_up"]} == {None}
    days = got(api, headers, f"{NORTH}/segments/empty/days")["days"]
    assert {(day["entered"], day["left"], day["members"]) for day in days} == {(None, None, 10)}
    listing = {"Authorization": f"Bearer {crowded.keys['north']}"}
    assert sizes(got(api, listing, f"{NORTH}/segments")) == {"everybody": 2, "elders": 2, "empty": 12}


def test_a_page_shows_staff_what_the_api_tells_them(crowded: World, api: Api) -> None:
    browser_sign_in(api, "staff.north")
    page: httpx.Response = api.get("/clinics/north")
    assert page.status_code == 200 and "told down to tens" in page.text
    assert "/segments" not in page.text and '<svg class="spark"' not in page.text
    api.cookies.clear()
