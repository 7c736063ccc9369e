"""A stored rule that is none any more, since its measure is gone: it is shown and mended, and holds up no other."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import FINCH, WREN, Api, World
from pages_of import browser_sign_in

from infra.errors import InvalidInput
from infra.segments import add_segments
from policies.segments.definition import SegmentDefinition
from policies.segments.text import read as rule_of

NORTH = "/v1/clinics/north/segments"
SOUTH = "/v1/clinics/south/segments"
GONE = {"all": [{"measure": "appointments.moon_phase", "op": ">", "value": 1}, {"in_segment": "everybody"}]}
DAYS = "registration.days > 1"
Headers = dict[str, str]


@pytest.fixture
def south(api: Api) -> Headers:
    return access_world.sign_in(api, "manager.south")


@pytest.fixture
def slugs(world: World, api: Api, manager: Headers, south: Headers) -> Iterator[tuple[str, str]]:
    """A segment of either clinic whose rule is none at north, and one that names it."""
    own, user = f"gone-{uuid4()}", f"user-{uuid4()}"
    for at, headers in ((NORTH, manager), (SOUTH, south)):
        for slug, rule in ((own, "age > 65"), (user, f'in_segment("{own}")')):
            assert add(api, headers, slug, rule, at)[0] == 201
    take_measure(world, own)
    yield own, user
    for slug in (user, own):
        api.post(f"{NORTH}/{slug}/archive", headers=manager, json={"reason": "mistake"})


def take_measure(world: World, slug: str) -> None:
    world.change(
        "update clinic_north.segment_version set rule = %s"
        " where segment_id = (select segment_id from clinic_north.segment where slug = %s) and version = 1",
        json.dumps(GONE), slug,
    )  # fmt: skip


def add(api: Api, headers: Headers, slug: str, rule: Any, at: str = NORTH) -> tuple[int, dict[str, Any]]:
    answer = api.post(at, headers=headers, json={"slug": slug, "name": slug, "rule": rule})
    return answer.status_code, answer.json()


def shown(api: Api, headers: Headers, slug: str, at: str = NORTH) -> tuple[dict[str, Any], Headers]:
    answer = api.get(f"{at}/{slug}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json(), headers | {"If-Match": answer.headers["etag"]}


def dependent(world: World) -> dict[str, bool]:
    return dict(world.look("select slug, profile_dependent from clinic_north.segment"))


def test_it_is_shown_as_it_is_stored_and_said_to_be_broken(
    api: Api, manager: Headers, south: Headers, slugs: tuple[str, str]
) -> None:
    found, _ = shown(api, manager, slugs[0])
    assert (found["rule"], found["text"], found["broken"]) == (GONE, None, True)
    assert (found["versions"][0]["rule"], found["versions"][0]["text"]) == (GONE, None)
    assert found["used_by"] == [slugs[1]] and slugs[0] in shown(api, manager, "everybody")[0]["used_by"]
    theirs, _ = shown(api, south, slugs[0], SOUTH)
    assert (theirs["text"], theirs["broken"]) == ("age > 65", False)
    listed = api.get(NORTH, headers=manager)
    assert listed.status_code == 200 and set(slugs) <= {each["slug"] for each in listed.json()["segments"]}


def test_others_are_edited_and_tried_and_whoever_names_it_is_told(
    world: World, api: Api, manager: Headers, slugs: tuple[str, str]
) -> None:
    assert add(api, manager, f"other-{uuid4()}", DAYS)[0] == 201
    preview = api.post(f"{NORTH}/preview", headers=manager, json={"rule": DAYS})
    compared = api.post(f"{NORTH}/everybody/diff", headers=manager, json={"rule": DAYS})
    assert (preview.json()["members"], compared.json()["after"]) == (2, 2)
    for slug in slugs:
        naming = {"any": [{"in_segment": "everybody"}, {"in_segment": slug}]}
        tried = api.post(f"{NORTH}/preview", headers=manager, json={"rule": naming})
        for status, said in (add(api, manager, "naming", naming), (tried.status_code, tried.json())):
            (error,) = said["errors"]
            assert (status, error["place"], error["rule"]) == (422, "body.rule.any.1.in_segment", "no_rule")
            assert f"names '{slug}', which is broken" in error["detail"]
    # What a broken one asks for nobody knows: those keep what they told.
    assert all(dependent(world)[slug] for slug in slugs)


def test_another_rule_mends_it_and_those_that_name_it(
    world: World, api: Api, manager: Headers, slugs: tuple[str, str]
) -> None:
    _, match = shown(api, manager, slugs[0])
    renamed = api.patch(f"{NORTH}/{slugs[0]}", headers=match, json={"name": "Still broken"})
    assert renamed.json() == {"slug": slugs[0], "version": 1, "changed": True, "warnings": []}
    _, match = shown(api, manager, slugs[0])
    mended = api.patch(f"{NORTH}/{slugs[0]}", headers=match, json={"rule": DAYS})
    assert (mended.status_code, mended.json()["version"]) == (200, 2)
    found, _ = shown(api, manager, slugs[0])
    assert (found["text"], found["broken"], [each["text"] for each in found["versions"]]) == (DAYS, False, [None, DAYS])
    assert not any(dependent(world)[slug] for slug in slugs)
    naming = api.post(f"{NORTH}/preview", headers=manager, json={"rule": f'in_segment("{slugs[1]}")'})
    assert naming.json()["members"] == 2


@pytest.mark.check(21)
def test_before_it_is_mended_those_are_named_who_would_enter_and_leave(
    world: World, api: Api, manager: Headers, slugs: tuple[str, str]
) -> None:
    finch, wren = (world.patients["north", name] for name in (FINCH, WREN))
    world.change(
        "insert into clinic_north.segment_member (segment_id, patient_id, version, entered_by, entered_run, entered_at,"
        " fires_in) select segment_id, %s, 1, 'rule', 1, now(), false from clinic_north.segment where slug = any(%s)",
        finch, list(slugs),
    )  # fmt: skip
    asked = {"rule": "age is unknown"}
    found = api.post(f"{NORTH}/{slugs[0]}/diff", headers=manager, json=asked).json()
    assert [found[name] for name in ("before", "after", "entered", "left")] == [1, 1, 1, 1]
    assert [found[name][0]["patient_id"] for name in ("entering", "leaving")] == [str(wren), str(finch)]
    assert found["used_by"] == [{"slug": slugs[1], "before": 1, "after": 1}]
    world.consent("north", FINCH, "revoked")  # whose stay told an age
    found = api.post(f"{NORTH}/{slugs[0]}/diff", headers=manager, json=asked).json()
    assert (found["before"], found["leaving"]) == (0, [])
    world.consent("north", FINCH)


def test_it_is_archived_and_not_had_back_and_what_it_names_is_not_archived(
    api: Api, manager: Headers, slugs: tuple[str, str]
) -> None:
    def archived(slug: str) -> int:
        answer = api.post(f"{NORTH}/{slug}/archive", headers=manager, json={"reason": "mistake"})
        return answer.status_code

    assert [archived(slug) for slug in ("everybody", *slugs, slugs[0])] == [409, 409, 200, 200]
    revived = api.post(f"{NORTH}/{slugs[0]}/revive", headers=manager)
    (error,) = revived.json()["errors"]
    assert (revived.status_code, error["rule"]) == (409, "broken")
    assert shown(api, manager, slugs[0])[0]["text"] is None


@pytest.mark.parametrize("asked", ["undecided", "patients/{patient}/explanation"])
def test_nobody_is_explained_by_it(
    world: World, api: Api, manager: Headers, slugs: tuple[str, str], asked: str
) -> None:
    path = asked.format(patient=world.patients["north", FINCH])
    for slug in slugs:
        answer = api.get(f"{NORTH}/{slug}/{path}", headers=manager)
        errors = [{"place": "path.segment", "rule": "not_evaluated"}]
        assert (answer.status_code, answer.json()["errors"]) == (409, errors)


def test_pages_show_it_and_take_another_rule(api: Api, manager: Headers, slugs: tuple[str, str]) -> None:
    browser_sign_in(api, "manager.north")
    pages = ["", *(f"/{slug}{page}" for slug in slugs for page in ("", "/changes", "/settings", "/edit"))]
    for page in pages:
        answer = api.get(f"/clinics/north/segments{page}")
        assert answer.status_code == 200, page
    assert "moon_phase" in api.get(f"/clinics/north/segments/{slugs[0]}/settings").text
    assert "Another one takes its place" in api.get(f"/clinics/north/segments/{slugs[0]}/edit").text
    assert "which is broken" in api.get(f"/clinics/north/segments/{slugs[1]}/edit").text
    api.cookies.clear()


def test_a_command_saves_others_and_mends_it(world: World, api: Api, manager: Headers, slugs: tuple[str, str]) -> None:
    def put(slug: str, rule: str) -> dict[str, int]:
        return add_segments(world.server, ["north"], [SegmentDefinition(slug=slug, name=slug, rule=rule_of(rule))])

    assert put(f"other-{uuid4()}", DAYS)["added"] == 1 and all(dependent(world)[slug] for slug in slugs)
    with pytest.raises(InvalidInput, match="which is broken"):
        put("naming", f'in_segment("{slugs[1]}")')
    assert put(slugs[0], DAYS)["changed"] == 1 and not any(dependent(world)[slug] for slug in slugs)
    assert not shown(api, manager, slugs[0])[0]["broken"]
