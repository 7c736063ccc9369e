"""Plans: prescribed by who treats, ticked off by patients and guardians; a day without a tick is a day not done."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from access_world import CHICK, FINCH, HERON, WREN, Api, World

from tests.integration.records import NOT_THERE, Family, add_chick, days, today

BRIDGE = {"name": "Bridge", "times": 2, "instructions": "Lift slowly."}
WALK = {"name": "Walk"}


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


def prescribe(family: Family, name: str, exercises: list[dict[str, Any]], length: int = 10) -> str:
    """A plan from today on."""
    body = {"title": "Back", "starts_on": str(today()), "ends_on": str(today() + days(length - 1))}
    path = f"/clinics/north/patients/{family.world.patients['north', name]}/plans"
    return str(family.done("specialist.north", "POST", path, {**body, "exercises": exercises})["id"])


def begun(family: Family, name: str, exercises: list[dict[str, Any]], ago: int = 1) -> str:
    """A plan that began some days ago, as time would have made it."""
    plan = prescribe(family, name, exercises)
    for table in ("treatment_plan", "exercise"):
        family.world.change(f"update operational.{table} set starts_on = starts_on - %s where plan_id = %s", ago, plan)
    family.world.change(
        "insert into operational.adherence (clinic_id, plan_id, day, patient_id, prescribed, done)"
        " select clinic_id, plan_id, day - %s, patient_id, prescribed, 0 from operational.adherence"
        " where plan_id = %s and day < %s", ago, plan, today() + days(ago),
    )  # fmt: skip
    return plan


def found(family: Family, plan: str, login: str = "wren", path: str = "/me") -> dict[str, Any]:
    (one,) = [p for p in family.done(login, "GET", f"{path}/plans")["plans"] if p["id"] == plan]
    return dict(one)


def day_rows(family: Family, plan: str) -> dict[date, tuple[int, int]]:
    look = family.world.look
    return {
        row[0]: row[1:]
        for row in look(
            "select day, prescribed, done from operational.adherence where plan_id = %s and deleted_at is null", plan
        )
    }


def tick(plan: str, exercise: str, day: date, path: str = "/me") -> str:
    return f"{path}/plans/{plan}/exercises/{exercise}/days/{day}"


def test_a_plan_has_its_days_from_the_moment_it_is_prescribed(family: Family) -> None:
    weekdays = [today().isoweekday()]
    plan = prescribe(family, WREN, [BRIDGE, {**WALK, "weekdays": weekdays}])
    expected = {today() + days(n): (3 if n in (0, 7) else 2, 0) for n in range(10)}
    assert day_rows(family, plan) == expected
    shown = found(family, plan)
    assert (shown["prescribed_by"], shown["clinic"], shown["title"]) == ("Dr. North", "north", "Back")
    assert [(e["name"], e["times"], e["done"]) for e in shown["exercises"]] == [("Bridge", 2, {}), ("Walk", 1, {})]
    assert shown["progress"] == {"prescribed": 3, "done": 0, "streak": 0}
    at_clinic = family.done("specialist.north", "GET", path_of(family, WREN))["plans"]
    assert shown in at_clinic


def path_of(family: Family, name: str, clinic: str = "north") -> str:
    return f"/clinics/{clinic}/patients/{family.world.patients[clinic, name]}/plans"


def test_exercises_are_ticked_off_today_and_yesterday_and_taken_back(family: Family) -> None:
    plan = begun(family, WREN, [BRIDGE, WALK])
    bridge, walk = (e["id"] for e in found(family, plan)["exercises"])
    yesterday = today() - days(1)
    for exercise, day, times, total in (
        (bridge, today(), 2, 2), (walk, today(), 1, 3), (bridge, today(), 1, 2), (walk, today(), 0, 1),
        (bridge, yesterday, 2, 2), (walk, yesterday, 1, 3),
    ):  # fmt: skip
        assert family.done("wren", "PUT", tick(plan, exercise, day), {"times": times}) == {
            "prescribed": 3, "done": total,
        }  # fmt: skip
    assert day_rows(family, plan)[today()] == (3, 1) and day_rows(family, plan)[yesterday] == (3, 3)
    shown = found(family, plan)
    assert shown["progress"] == {"prescribed": 6, "done": 4, "streak": 1}
    assert shown["exercises"][0]["done"] == {str(today()): 1, str(yesterday): 2}
    newest = family.world.look("select entity, patient_id from operational.outbox order by outbox_id desc limit 1")
    assert newest == [("adherence", family.world.patients["north", WREN])]


@pytest.mark.check(41)
def test_other_days_and_numbers_are_refused_by_their_place(family: Family) -> None:
    tomorrow = (today() + days(1)).isoweekday()
    plan = begun(family, WREN, [BRIDGE, {**WALK, "weekdays": [tomorrow]}], ago=3)
    bridge, walk = (e["id"] for e in found(family, plan)["exercises"])
    for day in (today() + days(1), today() - days(2), "2023-02-29", "today", "%00"):
        refusal = (422, "path.day", "not_today_or_yesterday")
        assert family.refused("wren", "PUT", tick(plan, bridge, day), {"times": 1}) == refusal
    for body in ({"times": 3}, None, {"times": -1}, {}, {"times": True}, {"times": "x"}):
        status, where, _ = family.refused("wren", "PUT", tick(plan, bridge, today()), body)
        assert (status, where) == (422, "body.times"), body
    assert family.refused("wren", "PUT", tick(plan, walk, today()), {"times": 1}) == (409, "path.day", "not_prescribed")
    assert day_rows(family, plan)[today()][1] == 0


def test_two_who_tick_off_at_once_lose_nothing(family: Family) -> None:
    plan = prescribe(family, WREN, [{"name": f"E{n}", "times": 1} for n in range(8)])
    exercises = [e["id"] for e in found(family, plan)["exercises"]]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda e: family.done("wren", "PUT", tick(plan, e, today()), {"times": 1}), exercises))
    assert day_rows(family, plan)[today()] == (8, 8)


def test_a_changed_plan_keeps_its_past(family: Family) -> None:
    plan = begun(family, WREN, [BRIDGE])
    (bridge,) = (e["id"] for e in found(family, plan)["exercises"])
    family.done("wren", "PUT", tick(plan, bridge, today()), {"times": 2})
    before = {day: row for day, row in day_rows(family, plan).items() if day <= today()}
    body = {"exercises": [{**WALK, "times": 5}], "ends_on": str(today() + days(3))}
    for _ in range(2):  # the second takes the place of the first, which had no day yet
        family.done("specialist.north", "PUT", f"/clinics/north/plans/{plan}/exercises", body)
    assert day_rows(family, plan) == before | {today() + days(n): (5, 0) for n in (1, 2, 3)}
    shown = found(family, plan)
    assert {e["name"] for e in shown["exercises"]} == {"Bridge", "Walk"} and len(shown["exercises"]) == 2
    walk = next(e["id"] for e in shown["exercises"] if e["name"] == "Walk")
    assert family.refused("wren", "PUT", tick(plan, walk, today()), {"times": 1}) == (409, "path.day", "not_prescribed")


def test_an_ended_plan_has_no_more_days_and_one_not_begun_is_gone(family: Family) -> None:
    plan = begun(family, WREN, [BRIDGE])
    family.done("specialist.north", "POST", f"/clinics/north/plans/{plan}/end")
    assert set(day_rows(family, plan)) == {today() - days(1), today()}
    assert found(family, plan)["ends_on"] == str(today())
    family.world.change(
        "update operational.treatment_plan set ends_on = ends_on - 1, starts_on = starts_on - 1 where plan_id = %s",
        plan,
    )
    refusal = (409, "path.plan", "over")
    assert family.refused("specialist.north", "POST", f"/clinics/north/plans/{plan}/end") == refusal
    body = {"exercises": [WALK]}
    assert family.refused("specialist.north", "PUT", f"/clinics/north/plans/{plan}/exercises", body) == refusal
    later = {"title": "L", "starts_on": str(today() + days(5)), "ends_on": str(today() + days(9)), "exercises": [WALK]}
    plan = family.done("specialist.north", "POST", path_of(family, WREN), later)["id"]
    family.done("specialist.north", "POST", f"/clinics/north/plans/{plan}/end")
    assert day_rows(family, plan) == {}
    assert plan not in family.ask("wren", "GET", "/me/plans").text
    deleted = family.world.look(
        "select delete_reason, deleted_by is not null from operational.treatment_plan where plan_id = %s", plan
    )
    assert deleted == [("ended before it began", True)]


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"starts_on": "2020-01-01"}, "body.starts_on"),
        ({"starts_on": "2023-02-29"}, "body.starts_on"),
        ({"ends_on": "2020-01-01"}, "body.ends_on"),
        ({"ends_on": "9999-12-31"}, "body.ends_on"),
        ({"exercises": []}, "body.exercises"),
        ({"exercises": [WALK] * 26}, "body.exercises"),
        ({"exercises": [{**WALK, "times": 0}]}, "body.exercises.0.times"),
        ({"exercises": [{**WALK, "times": 21}]}, "body.exercises.0.times"),
        ({"exercises": [{**WALK, "weekdays": [8]}]}, "body.exercises.0.weekdays.0"),
        ({"exercises": [{**WALK, "weekdays": []}]}, "body.exercises.0.weekdays"),
        ({"exercises": [{**WALK, "name": "a\u202eb"}]}, "body.exercises.0.name"),
        ({"title": "a\u0000b"}, "body.title"),
        ({"Canary field": 1}, "body"),
    ],
)  # fmt: skip
def test_a_plan_that_means_nothing_is_refused_by_its_place(family: Family, change: dict[str, Any], place: str) -> None:
    whole = {"title": "T", "starts_on": str(today()), "ends_on": str(today()), "exercises": [WALK]}
    answer = family.ask("specialist.north", "POST", path_of(family, WREN), {**whole, **change})
    assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == place, answer.text
    assert "Canary" not in answer.text


@pytest.mark.check(7)
def test_plans_are_for_who_treats_at_the_patients_clinic(family: Family) -> None:
    plan = prescribe(family, WREN, [WALK])
    whole = {"title": "T", "starts_on": str(today()), "ends_on": str(today()), "exercises": [WALK]}
    asked = [
        ("GET", path_of(family, WREN), None), ("POST", path_of(family, WREN), whole),
        ("PUT", f"/clinics/north/plans/{plan}/exercises", {"exercises": [WALK]}),
        ("POST", f"/clinics/north/plans/{plan}/end", None),
    ]  # fmt: skip
    for login in ("other.north", "specialist.south", "staff.north", "manager.north", "wren"):
        for method, path, body in asked:
            assert family.ask(login, method, path, body).json() == NOT_THERE, (login, method, path)
    strangers = [family.world.patients["south", HERON], uuid4(), "no-id"]
    for stranger in strangers:
        for method, body in (("GET", None), ("POST", whole)):
            answer = family.ask("specialist.north", method, f"/clinics/north/patients/{stranger}/plans", body)
            assert answer.json() == NOT_THERE
    exercise = found(family, plan)["exercises"][0]["id"]
    for login, path in (("finch", "/me"), ("heron", "/me"), ("finch", family.of_chick)):
        answer = family.ask(login, "PUT", tick(plan, exercise, today(), path), {"times": 1})
        assert answer.json() == NOT_THERE


def test_a_guardian_ticks_off_for_a_dependent_and_it_says_who(family: Family) -> None:
    plan = prescribe(family, CHICK, [WALK])
    exercise = found(family, plan, "finch", family.of_chick)["exercises"][0]["id"]
    assert family.done("finch", "PUT", tick(plan, exercise, today(), family.of_chick), {"times": 1})["done"] == 1
    by = family.world.look("select done_by from operational.exercise_done where exercise_id = %s", exercise)
    assert by == [(family.world.people[FINCH],)]
    event = family.world.look(
        "select action, role, acting_for from audit.access_event where decision = 'permit'"
        " order by occurred_at desc limit 1"
    )
    assert event == [("exercise.tick", "guardian", family.world.people[CHICK])]
    assert found(family, plan, "chick")["progress"] == {"prescribed": 1, "done": 1, "streak": 1}


@pytest.mark.check(39)
def test_a_plan_that_is_sent_twice_by_one_key_is_one(family: Family) -> None:
    body = {"title": "Once", "starts_on": str(today()), "ends_on": str(today() + days(3)), "exercises": [WALK]}
    path = f"/v1/clinics/north/patients/{family.world.patients['north', WREN]}/plans"
    family.ask("specialist.north", "GET", "/clinics")
    headers = {**family.headers["specialist.north"], "Idempotency-Key": str(uuid4())}

    def sent(_: int) -> tuple[int, str]:
        answer = family.api.post(path, headers=headers, json=body)
        return answer.status_code, answer.text

    with ThreadPoolExecutor(5) as pool:
        answers = set(pool.map(sent, range(5)))
    assert len(answers) == 1 and answers.pop()[0] == 201
    other = family.api.post(path, headers=headers, json={**body, "title": "Twice"})
    assert (other.status_code, other.json()["errors"][0]["rule"]) == (422, "reused")
    assert family.world.look("select count(*) from operational.treatment_plan where title = 'Once'") == [(1,)]
