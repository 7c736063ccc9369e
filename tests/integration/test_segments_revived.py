"""A segment is had back from the archive: whom that brings is named first, and a broken rule is replaced."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import FINCH, WREN, Api, World
from pages_of import browser_sign_in

NORTH = "/v1/clinics/north/segments"
DAYS = "registration.days > 1"
GONE = {"measure": "appointments.moon_phase", "op": ">", "value": 1}
REVERSED = {"measure": "registration.days", "op": "between", "value": [9, 1]}
Headers = dict[str, str]


@pytest.fixture
def slug(api: Api, manager: Headers) -> Iterator[str]:
    """A segment of everybody at north, in the archive."""
    found = f"s-{uuid4()}"
    assert api.post(NORTH, headers=manager, json={"slug": found, "name": found, "rule": DAYS}).status_code == 201
    assert api.post(f"{NORTH}/{found}/archive", headers=manager, json={"reason": "mistake"}).status_code == 200
    yield found
    api.post(f"{NORTH}/{found}/archive", headers=manager, json={"reason": "mistake"})


def store(world: World, slug: str, rule: Any) -> None:
    """What an older version of Cloister may have stored."""
    world.change(
        "update clinic_north.segment_version set rule = %s"
        " where segment_id = (select segment_id from clinic_north.segment where slug = %s)",
        json.dumps(rule), slug,
    )  # fmt: skip


def difference(api: Api, headers: Headers, slug: str, **asked: Any) -> dict[str, Any]:
    answer = api.post(f"{NORTH}/{slug}/diff", headers=headers, json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fault(answer: Any) -> tuple[int, str, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["place"], error["rule"]


@pytest.mark.check(21)
def test_whom_it_would_bring_back_is_named_before_and_recorded(
    world: World, api: Api, manager: Headers, slug: str
) -> None:
    found = difference(api, manager, slug)
    assert [found[name] for name in ("before", "after", "entered", "left")] == [0, 2, 2, 0]
    assert api.post(f"{NORTH}/{slug}/diff", headers=manager).json() == found  # nor need it be said
    assert sorted(patient["name"] for patient in found["entering"]) == sorted([FINCH, WREN])
    (event,) = world.look(
        "select resource_id, patients from audit.access_event where action = 'segment.compare'"
        " order by occurred_at desc limit 1"
    )
    assert event == (slug, 2)
    assert difference(api, manager, slug, rule="age > 65")["entered"] == 1
    assert difference(api, manager, slug, rule=DAYS)["entered"] == 2
    assert api.post(f"{NORTH}/{slug}/revive", headers=manager).json()["version"] == 2
    for nothing in ({}, {"json": {}}):
        found = api.post(f"{NORTH}/{slug}/diff", headers=manager, **nothing)
        assert fault(found) == (422, "body.rule", "missing")


def test_until_a_run_has_followed_its_members_are_still_there(
    world: World, api: Api, manager: Headers, slug: str
) -> None:
    world.change(
        "insert into clinic_north.segment_member"
        " (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)"
        " select segment_id, %s, now(), 1, 1, 'data', true from clinic_north.segment where slug = %s",
        world.patients["north", FINCH], slug,
    )  # fmt: skip
    found = difference(api, manager, slug)
    assert (found["before"], found["after"]) == (1, 2) and [each["name"] for each in found["entering"]] == [WREN]
    assert difference(api, manager, slug, rule="age < 0")["left"] == 1


def test_it_comes_back_with_another_rule(world: World, api: Api, manager: Headers, slug: str) -> None:
    assert fault(api.post(f"{NORTH}/{slug}/revive", headers=manager, json={"rule": "age >"}))[:2] == (
        422, "body.rule, line 1, column 6",
    )  # fmt: skip
    assert fault(api.post(f"{NORTH}/{slug}/revive", headers=manager, json={"rule": None}))[:2] == (422, "body.rule")
    assert fault(api.post(f"{NORTH}/{slug}/revive", headers=manager, json={"rule": REVERSED}))[1] == "body.rule.value"
    answer = api.post(f"{NORTH}/{slug}/revive", headers=manager, json={"rule": "age > 65", "fires": True})
    assert answer.status_code == 200 and answer.json()["version"] == 2
    found = api.get(f"{NORTH}/{slug}", headers=manager).json()
    assert (found["text"], found["archived_at"], found["profile_dependent"]) == ("age > 65", None, True)
    assert [version["fires"] for version in found["versions"]] == [False, True]


def test_a_broken_one_comes_back_by_a_new_rule_alone(world: World, api: Api, manager: Headers, slug: str) -> None:
    store(world, slug, GONE)
    for path, body in (("revive", None), ("diff", {})):
        assert fault(api.post(f"{NORTH}/{slug}/{path}", headers=manager, json=body)) == (409, "path.segment", "broken")
    assert difference(api, manager, slug, rule=DAYS)["entered"] == 2
    assert api.post(f"{NORTH}/{slug}/revive", headers=manager, json={"rule": DAYS}).json()["version"] == 2
    assert api.get(f"{NORTH}/{slug}", headers=manager).json()["text"] == DAYS


def test_a_stored_rule_that_would_be_refused_by_now_is_shown_evaluated_and_had_back(
    world: World, api: Api, manager: Headers, slug: str
) -> None:
    store(world, slug, REVERSED)
    assert api.get(f"{NORTH}/{slug}", headers=manager).json()["text"] == "registration.days between 9 and 1"
    found = difference(api, manager, slug)
    assert (found["after"], found["entered"]) == (0, 0)
    answer = api.post(f"{NORTH}/{slug}/revive", headers=manager)
    assert answer.status_code == 200
    listed = {each["slug"]: each["broken"] for each in api.get(NORTH, headers=manager).json()["segments"]}
    assert listed[slug] is False
    match = manager | {"If-Match": answer.headers["etag"]}
    for method, path, asked in (
        (api.patch, slug, {"rule": REVERSED}),
        (api.post, f"{slug}/diff", {"rule": REVERSED}),
        (api.post, "preview", {"rule": REVERSED}),
    ):
        assert fault(method(f"{NORTH}/{path}", headers=match, json=asked)) == (422, "body.rule.value", "no_rule")
    assert api.patch(f"{NORTH}/{slug}", headers=match, json={"name": "Other words"}).status_code == 200
    named = api.post(f"{NORTH}/preview", headers=manager, json={"rule": f'in_segment("{slug}")'})
    assert named.json()["members"] == 0


def test_pages_name_whom_it_brings_back_before_it_comes(world: World, api: Api, manager: Headers, slug: str) -> None:
    browser_sign_in(api, "manager.north")
    at = f"/clinics/north/segments/{slug}"
    page = api.get(at).text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    assert "See whom it would bring back" in page
    seen = api.post(f"{at}/edit", data={"csrf": csrf, "do": "review", "stored": "yes"})
    assert seen.status_code == 200 and FINCH in seen.text and f'action="{at}/revive"' in seen.text
    store(world, slug, GONE)
    assert "See whom it would bring back" not in api.get(at).text
    edit = api.get(f"{at}/edit")
    assert edit.status_code == 200 and "With the rule that is saved here it comes back" in edit.text
    seen = api.post(f"{at}/edit", data={"csrf": csrf, "do": "review", "text": "age > 65"})
    assert seen.status_code == 200 and f'action="{at}/revive"' in seen.text
    refused = api.post(f"{at}/revive", data={"csrf": csrf, "do": "save", "stored": "yes"})
    assert refused.status_code == 422 and "none any more" in refused.text
    saved = api.post(f"{at}/revive", data={"csrf": csrf, "do": "save", "rule": '"age > 65"'}, follow_redirects=False)
    assert saved.status_code == 303
    late = api.post(f"{at}/revive", data={"csrf": csrf, "do": "save", "rule": '"age > 65"'})
    assert late.status_code == 422 and "somebody had it back already" in late.text
    assert api.get(f"{NORTH}/{slug}", headers=manager).json()["text"] == "age > 65"
    api.cookies.clear()


def test_a_difference_of_many_is_turned_over_on_the_page(world: World, api: Api, slug: str) -> None:
    many = [uuid4() for _ in range(150)]
    world.change(
        "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
        " select id, 1, 'Canary ' || id, '2020-01-01', false from unnest(%s::uuid[]) as id",
        many,
    )
    browser_sign_in(api, "manager.north")
    at = f"/clinics/north/segments/{slug}"
    csrf = api.get(at).text.split('name="csrf" value="')[1].split('"')[0]
    for how in ({"stored": "yes"}, {"rule": json.dumps("registration.days > 2")}):
        cursor, seen = "", []
        for said in ("100 of 152 are named", "52 of 152 are named"):
            page = api.post(f"{at}/edit", data={"csrf": csrf, "do": "review", "cursor": cursor, **how}).text
            assert said in page
            seen += [found.split("<")[0] for found in page.split("<li>Canary ")[1:]]
            cursor = page.split('name="cursor" value="')[-1].split('"')[0]
        assert len(set(seen)) == len(seen) == 152 and {str(patient) for patient in many} < set(seen)
        assert cursor == "" and "First page" in page and "Next page" not in page
    for bad in ("x", "x" * 1000):
        data = {"csrf": csrf, "do": "review", "stored": "yes", "cursor": bad}
        assert api.post(f"{at}/edit", data=data).status_code == 404
    world.change("delete from clinic_north.raw_patients where name like 'Canary %%-%%'")
    api.cookies.clear()


@pytest.mark.check(7)
def test_another_clinics_archived_segment_is_not_there(api: Api, manager: Headers, slug: str) -> None:
    south = access_world.sign_in(api, "manager.south")
    for path in (f"{NORTH}/{slug}/diff", f"/v1/clinics/south/segments/{slug}/diff"):
        assert api.post(path, headers=south, json={}).status_code == 404
