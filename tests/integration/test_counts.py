"""Counts: a few tell of one, so they are exact for whoever may list the members, and then recorded."""

from typing import Any
from uuid import UUID

import pytest
from access_world import Api, World
from campaigning import Crowd, crowd, manager, people, progress, started
from hypothesis import given
from hypothesis import strategies as st

from policies.small_counts import told as rounded
from policies.words import ConsentPurpose
from tests.integration.posting import mail_server, send


@pytest.fixture(scope="module")
def dozen(world: World) -> Crowd:
    """Twelve members, of whom one has not agreed to messages; ten and more of the clinic's patients are none."""
    people(world, "beside", 10)
    found = people(world, "dozen", 11)
    found.add("twelfth", signed=(ConsentPurpose.PROFILE_SHARING,))
    for dimension, bucket, patients in (("age", "65-79", 11), ("age", "80+", 1)):
        world.change(
            "insert into clinic_north.segment_report (segment_id, dimension, bucket, patients)"
            " select segment_id, %s, %s, %s from clinic_north.segment where slug = 'dozen'",
            dimension, bucket, patients,
        )  # fmt: skip
    return found


@pytest.fixture
def writer(world: World) -> dict[str, str]:
    """A key that writes to patients, and lists nobody else."""
    return {"Authorization": f"Bearer {world.keys['north.messages']}"}


def named(world: World, answer: Any) -> set[UUID]:
    """Whom the event of a request names."""
    rows = world.look(
        "select d.patient_id from audit.disclosure as d inner join audit.access_event as e using (event_id)"
        " where e.request_id = %s",
        answer.headers["x-request-id"],
    )
    return {row[0] for row in rows}


@given(st.integers(0, 10_000))
def test_a_rounded_count_is_below_by_less_than_ten_and_never_of_a_few(count: int) -> None:
    shown = rounded(count)
    assert (shown is None) == (count < 10)
    assert shown is None or (shown % 10 == 0 and 0 <= count - shown < 10)


@pytest.mark.check(12)
def test_whoever_may_not_list_the_members_is_told_tens_wherever_they_are_counted(
    api: Api, dozen: Crowd, writer: dict[str, str]
) -> None:
    (listed,) = [each for each in api.get("/v1/clinics/north/segments", headers=writer).json()["segments"]
                 if each["slug"] == "dozen"]  # fmt: skip
    for shown in (listed, api.get(dozen.path, headers=writer).json()):
        assert shown["rounded"] and shown["members"] == 10
        # Eleven of twelve would tell of the twelfth.
        assert [(each["bucket"], each["patients"]) for each in shown["make_up"]] == [("65-79", None), ("80+", None)]
    days = api.get(f"{dozen.path}/days", headers=writer).json()
    assert days["rounded"] and {day["members"] for day in days["days"]} == {10}
    assert {day[count] for day in days["days"] for count in ("entered", "left")} == {None}
    reach = api.get(f"{dozen.path}/reach", headers=writer)
    assert reach.json()["matched"] == 10 and set(reach.json()["withheld"].values()) == {None}


@pytest.mark.check(12)
def test_days_on_which_few_are_left_over_are_told_to_who_may_list_the_members(
    world: World, api: Api, dozen: Crowd, writer: dict[str, str]
) -> None:
    found = crowd(world, "nearly-all")
    there = world.look("select patient_id from clinic_north.raw_patients order by 1")
    for day, count in (("2026-01-02", len(there) - 11), ("2026-01-03", len(there) - 3)):
        world.change(
            "insert into clinic_north.segment_member (segment_id, patient_id, entered_at, entered_run, version,"
            " entered_by, fires_in) select segment_id, unnest(%s), %s, 1, 1, 'data', false"
            " from clinic_north.segment where slug = 'nearly-all' on conflict do nothing",
            [patient for (patient,) in there[:count]], f"{day}T12:00Z",
        )  # fmt: skip
    # All but three of them leave, then the others.
    for day, count in (("2026-01-04", len(there) - 6), ("2026-01-05", len(there) - 3)):
        world.change(
            "update clinic_north.segment_member set left_at = %s, left_run = 2, left_version = 1, left_by = 'data',"
            " fires_out = false where patient_id = any(%s) and left_at is null and segment_id ="
            " (select segment_id from clinic_north.segment where slug = 'nearly-all')",
            f"{day}T12:00Z", [patient for (patient,) in there[:count]],
        )  # fmt: skip

    def days(headers: dict[str, str]) -> list[tuple[int | None, ...]]:
        answer = api.get(f"{found.path}/days", headers=headers, params={"from": "2026-01-01", "to": "2026-01-05"})
        return [(day["entered"], day["left"], day["members"]) for day in answer.json()["days"]]

    most, all_but_three = len(there) - 11, len(there) - 3
    assert days(manager(api)) == [
        (0, 0, 0), (most, 0, most), (8, 0, all_but_three), (0, all_but_three - 3, 3), (0, 3, 0),
    ]  # fmt: skip
    tens = most // 10 * 10
    assert tens >= 10
    assert days(writer) == [
        (None, None, None), (tens, None, tens), (None, None, None), (None, None, None), (None, None, None),
    ]  # fmt: skip


@pytest.mark.check(12)
@pytest.mark.check(21)
def test_whoever_lists_them_is_told_exactly_and_those_of_a_few_are_recorded(
    world: World, api: Api, dozen: Crowd, writer: dict[str, str]
) -> None:
    shown = api.get(dozen.path, headers=manager(api)).json()
    assert not shown["rounded"] and shown["members"] == 12
    reach = api.get(f"{dozen.path}/reach", headers=manager(api))
    assert reach.json()["withheld"]["no_communications"] == 1 and reach.json()["contactable"]["email"] == 11
    assert named(world, reach) == {dozen.patients["twelfth"]}
    preview = api.post(f"{dozen.path}/messages/preview", headers=manager(api), json={"subject": "a", "text": "b"})
    assert named(world, preview) == {dozen.patients["twelfth"]}
    assert named(world, api.get(f"{dozen.path}/reach", headers=writer)) == set()


@pytest.mark.check(21)
def test_how_far_a_message_is_names_those_of_a_few(world: World, api: Api) -> None:
    found = crowd(world, "pair")
    found.add("agreed")
    found.add("silent", signed=(ConsentPurpose.PROFILE_SHARING,))
    campaign = started(api, found)
    with mail_server() as (_, smtp):
        send(world, smtp)
    assert progress(api, found, campaign)["withheld"] == {"no_communications": 1}
    both = set(found.patients.values())
    for answer in (
        api.get(f"{found.path}/messages/{campaign}", headers=manager(api)),
        api.get(f"{found.path}/messages", headers=manager(api)),
        api.post(f"{found.path}/messages/{campaign}/stop", headers=manager(api)),
    ):
        assert answer.status_code == 200 and named(world, answer) == both
