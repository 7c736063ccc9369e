"""Segments are added, changed, archived and revived by a clinic's manager: nothing lost, each step recorded."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import access_world
import httpx
import pytest
from access_world import Api, World

from policies.segments.catalogue import describe
from policies.segments.definition import RESERVED
from policies.segments.rule import DEEPEST_RULE
from policies.segments.schema import rule_schema
from policies.segments.templates import segment_templates
from policies.segments.text import write

NORTH = "/v1/clinics/north/segments"
SOUTH = "/v1/clinics/south/segments"
NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
Headers = dict[str, str]


@pytest.fixture(scope="module")
def south(api: Api) -> Headers:
    return access_world.sign_in(api, "manager.south")


def add(api: Api, headers: Headers, slug: str, rule: Any, at: str = NORTH, **more: Any) -> httpx.Response:
    return api.post(at, headers=headers, json={"slug": slug, "name": slug.title(), "rule": rule, **more})


def read(api: Api, headers: Headers, slug: str, at: str = NORTH) -> dict[str, Any]:
    answer = api.get(f"{at}/{slug}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return {**found, "etag": answer.headers["etag"]}


def fault(answer: httpx.Response) -> tuple[int, str, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["place"], error["rule"]


def events(world: World, slug: str) -> list[tuple[Any, ...]]:
    return world.look(
        "select decision, resource_type, clinic_id from audit.access_event"
        " where action = 'segment.edit' and resource_id = %s order by occurred_at",
        slug,
    )


def test_a_rule_is_added_as_text_or_json_and_read_in_both(world: World, api: Api, manager: Headers) -> None:
    answer = add(api, manager, "by-text", 'age > 65 and sex = "female"', description="Canary words")
    assert answer.status_code == 201 and answer.json() == {
        "slug": "by-text",
        "version": 1,
        "changed": True,
        "warnings": [],
    }
    found = read(api, manager, "by-text")
    assert answer.headers["etag"] == found["etag"]
    age, sex = {"measure": "age", "op": ">", "value": 65}, {"measure": "sex", "op": "=", "value": "female"}
    assert found["rule"] == {"all": [age, sex]} and found["text"] == 'age > 65 and sex = "female"'
    assert found["profile_dependent"] and found["members"] == 0 and found["description"] == "Canary words"
    (version,) = found["versions"]
    assert version["created_by"] == "manager.north" and not version["fires"] and version["profile_dependent"]
    assert add(api, manager, "by-json", found["rule"], fires=True).status_code == 201
    again = read(api, manager, "by-json")
    assert again["rule"] == found["rule"] and again["versions"][0]["fires"]
    assert events(world, "by-text") == [("permit", "segment", world.clinic_ids["north"])]


def test_another_rule_is_another_version_and_other_words_are_none(api: Api, manager: Headers) -> None:
    add(api, manager, "changing", "registration.days > 1")
    first = read(api, manager, "changing")
    match = {"If-Match": first["etag"]}
    answer = api.patch(f"{NORTH}/changing", headers=manager | match, json={"name": "Other words"})
    assert answer.json() == {"slug": "changing", "version": 1, "changed": True, "warnings": []}
    anew = api.patch(f"{NORTH}/changing", headers=manager | {"If-Match": "*"}, json={"name": "Other words"})
    assert (anew.status_code, anew.json()["changed"]) == (200, False)
    renamed = read(api, manager, "changing")
    assert renamed["name"] == "Other words" and renamed["etag"] == answer.headers["etag"] != first["etag"]
    asked = {"rule": "age > 3", "fires": True}
    answer = api.patch(f"{NORTH}/changing", headers=manager | {"If-Match": renamed["etag"]}, json=asked)
    assert answer.json()["version"] == 2
    changed = read(api, manager, "changing")
    assert changed["profile_dependent"] and changed["name"] == "Other words" and changed["text"] == "age > 3"
    found = [(v["version"], v["text"], v["profile_dependent"], v["fires"]) for v in changed["versions"]]
    assert found == [(1, "registration.days > 1", False, False), (2, "age > 3", True, True)]
    same = api.patch(f"{NORTH}/changing", headers=manager | {"If-Match": changed["etag"]}, json={"rule": "age > 3"})
    assert same.json() == {"slug": "changing", "version": 2, "changed": False, "warnings": []}
    assert len(read(api, manager, "changing")["versions"]) == 2


def test_of_two_editors_at_once_one_is_told_and_nothing_is_lost(api: Api, manager: Headers) -> None:
    add(api, manager, "contested", "registration.days > 1")
    headers = manager | {"If-Match": read(api, manager, "contested")["etag"]}
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(
                lambda days: api.patch(
                    f"{NORTH}/contested", headers=headers, json={"rule": f"registration.days > {days}"}
                ),
                (10, 20),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    late = next(answer for answer in answers if answer.status_code == 412)
    assert fault(late) == (412, "header.if-match", "changed_meanwhile")
    assert late.json()["type"] == "urn:cloister:problem:changed-meanwhile" and "2" in late.json()["errors"][0]["detail"]
    assert [version["version"] for version in read(api, manager, "contested")["versions"]] == [1, 2]
    without = api.patch(f"{NORTH}/contested", headers=manager, json={"name": "x"})
    assert fault(without) == (422, "header.if-match", "missing")


@pytest.mark.parametrize(
    ("rule", "place", "said"),
    [
        ("adherance.rate < 1", "body.rule, line 1, column 1", "did you mean 'adherence.completion_rate'"),
        ("age >\n and", "body.rule, line 2, column 2", "expected"),
        ({"all": [{"measure": "age", "op": "<", "value": "Canary"}]}, "body.rule.all.0.value", "must be a number"),
        ({"not": {"all": []}}, "body.rule.not.all", "1 to 200"),
        ({"any": [{"in_segment": "everbody"}]}, "body.rule.any.0.in_segment", "did you mean 'everybody'"),
        ('age > 1 or\n in_segment("everbody")', "body.rule, line 2, column 2", "did you mean 'everybody'"),
        ({"in_segment": "refused"}, "body.rule.in_segment", "refused → refused"),
        ('not in_segment("refused")', "body.rule, line 1, column 5", "refused → refused"),
    ],
)  # fmt: skip
@pytest.mark.check(41)
def test_what_is_no_rule_is_refused_with_its_place_and_what_was_expected(
    api: Api, manager: Headers, rule: Any, place: str, said: str
) -> None:
    for answer in (
        add(api, manager, "refused", rule),
        api.post(f"{NORTH}/preview", headers=manager, json={"rule": rule}),
    ):
        if "refused" in said and answer.request.url.path.endswith("preview"):
            continue
        assert fault(answer) == (422, place, "no_rule") and said in answer.json()["errors"][0]["detail"]
        assert "Canary" not in answer.text
    assert api.get(f"{NORTH}/refused", headers=manager).json() == NOT_THERE


def test_a_segment_that_others_name_is_not_archived_and_its_dependence_is_theirs(api: Api, manager: Headers) -> None:
    add(api, manager, "base", "registration.days > 1")
    add(api, manager, "middle", 'in_segment("base") and registration.days > 2')
    add(api, manager, "top", 'not in_segment("middle")')
    assert [read(api, manager, slug)["used_by"] for slug in ("base", "middle", "top")] == [["middle"], ["top"], []]
    assert not read(api, manager, "top")["profile_dependent"]
    match = {"If-Match": read(api, manager, "base")["etag"]}
    assert api.patch(f"{NORTH}/base", headers=manager | match, json={"rule": "age > 1"}).status_code == 200
    top = read(api, manager, "top")
    assert top["profile_dependent"] and top["versions"][0]["profile_dependent"] and top["version"] == 1
    match = {"If-Match": read(api, manager, "base")["etag"]}
    circle = api.patch(f"{NORTH}/base", headers=manager | match, json={"rule": 'in_segment("top")'})
    assert (
        fault(circle) == (422, "body.rule, line 1, column 1", "no_rule") and "→" in circle.json()["errors"][0]["detail"]
    )
    refused = api.post(f"{NORTH}/base/archive", headers=manager, json={"reason": "mistake"})
    assert fault(refused) == (409, "path.segment", "used_by") and "middle" in refused.json()["errors"][0]["detail"]


@pytest.mark.check(34)
def test_what_is_archived_is_listed_apart_and_comes_back_as_a_new_version(api: Api, manager: Headers) -> None:
    add(api, manager, "passing", "registration.days > 1", fires=True)
    listed = lambda archived: {  # noqa: E731
        s["slug"] for s in api.get(NORTH, headers=manager, params={"archived": archived}).json()["segments"]
    }
    assert "passing" in listed(False) and "passing" not in listed(True)
    assert fault(api.post(f"{NORTH}/passing/revive", headers=manager)) == (409, "path.segment", "not_archived")
    assert api.post(f"{NORTH}/passing/archive", headers=manager, json={"reason": "Canary"}).status_code == 422
    gone = api.post(f"{NORTH}/passing/archive", headers=manager, json={"reason": "no_longer"})
    assert gone.status_code == 200 and "passing" not in listed(False) and "passing" in listed(True)
    found = read(api, manager, "passing")
    assert (found["archived_by"], found["archive_reason"]) == ("manager.north", "no_longer") and found["archived_at"]
    assert fault(api.get(f"{NORTH}/passing/members", headers=manager)) == (410, "path.segment", "archived")
    assert api.get(f"{NORTH}/passing/changes", headers=manager).json()["changes"] == []
    late = api.patch(f"{NORTH}/passing", headers=manager | {"If-Match": found["etag"]}, json={"name": "x"})
    assert fault(late) == (409, "path.segment", "archived")
    assert fault(add(api, manager, "passing", "age > 1")) == (409, "body.slug", "taken")
    assert fault(add(api, manager, "user", 'in_segment("passing")'))[0] == 422
    back = api.post(f"{NORTH}/passing/revive", headers=manager)
    assert back.json() == {"slug": "passing", "version": 2, "changed": True, "warnings": []}
    found = read(api, manager, "passing")
    assert found["archived_at"] is None and found["archive_reason"] is None and not found["versions"][1]["fires"]


def test_a_template_is_enabled_with_chosen_values_once(api: Api, manager: Headers) -> None:
    path = f"{NORTH}/templates/over-65-low-adherence"
    first = api.post(path, headers=manager, json={"values": {"age": 70}})
    assert first.status_code == 200 and first.json() == {
        "slug": "over-65-low-adherence",
        "version": 1,
        "changed": True,
        "warnings": [],
    }
    assert read(api, manager, "over-65-low-adherence")["text"] == "age > 70 and adherence.completion_rate(30d) < 0.5"
    assert api.post(path, headers=manager, json={"values": {"age": 70}}).json()["changed"] is False
    assert fault(api.post(path, headers=manager)) == (409, "body.slug", "taken")
    assert api.post(path, headers=manager, json={"slug": "over-65"}).json()["slug"] == "over-65"
    bad = api.post(path, headers=manager, json={"slug": "bad", "values": {"window": "age) > 1 or age(1d"}})
    assert fault(bad) == (422, "body.values.window", "no_rule")
    for odd in (True, None, [1], {}, "7"):
        bad = api.post(path, headers=manager, json={"slug": "bad", "values": {"age": odd}})
        assert fault(bad) == (422, "body.values.age", "no_rule")
    assert api.post(f"{NORTH}/templates/none", headers=manager).json() == NOT_THERE
    offered = api.get("/v1/segments/templates", headers=manager).json()["templates"]
    assert len(offered) == 3 and {p["default"] for p in offered[1]["parameters"]} == {30, "intake"}


def test_each_template_is_enabled_as_it_is_offered(api: Api, manager: Headers) -> None:
    offered = api.get("/v1/segments/templates", headers=manager).json()["templates"]
    assert {each["template"] for each in offered} == set(segment_templates())
    for each in offered:
        slug, chosen = f"{each['template']}-here", {part["name"]: part["default"] for part in each["parameters"]}
        answer = api.post(
            f"{NORTH}/templates/{each['template']}", headers=manager, json={"slug": slug, "values": chosen}
        )
        assert (answer.status_code, answer.json()["slug"], answer.json()["changed"]) == (200, slug, True)
        found, usual = read(api, manager, slug), segment_templates()[each["template"]].with_values({})
        assert (found["name"], found["text"]) == (each["name"], write(usual))


@pytest.mark.check(41)
def test_the_deepest_rule_comes_back_as_it_was_and_of_two_values_of_a_key_neither_is_taken(
    api: Api, manager: Headers
) -> None:
    deepest: dict[str, Any] = {"measure": "sex", "op": "in", "value": ["x"]}
    for _ in range(DEEPEST_RULE - 1):
        deepest = {"all": [deepest]}
    assert add(api, manager, "deepest", deepest).status_code == 201
    found = read(api, manager, "deepest")
    asked = {"rule": found["rule"]}
    same = api.patch(f"{NORTH}/deepest", headers=manager | {"If-Match": found["etag"]}, json=asked)
    assert found["rule"] == deepest and same.json() == {
        "slug": "deepest",
        "version": 1,
        "changed": False,
        "warnings": [],
    }
    assert fault(add(api, manager, "deeper", {"not": deepest}))[:2] == (422, "body.rule.not" + ".all.0" * 38 + ".all")
    twice = '{"slug": "twice", "name": "Twice", "rule": {"measure": "age", "op": ">", "value": 1, "value": 2}}'
    answer = api.post(NORTH, headers=manager | {"content-type": "application/json"}, content=twice)
    assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == "body"


def test_the_language_that_is_published_is_the_one_that_is_read(api: Api, manager: Headers) -> None:
    assert api.get("/v1/segments/schema", headers=manager).json() == rule_schema()
    assert api.get("/v1/segments/measures", headers=manager).json() == {"measures": describe()}


def test_words_of_paths_and_bad_slugs_name_no_segment(api: Api, manager: Headers) -> None:
    paths = api.get("/v1/openapi.json").json()["paths"]
    words = {path.split("/")[5] for path in paths if path.startswith(f"{NORTH.replace('north', '{clinic}')}/")}
    assert words - {"{segment}"} | {"new"} == RESERVED  # `new` is the page of the rule builder
    for word in RESERVED:
        assert fault(add(api, manager, word, "age > 1")) == (422, "body.slug", "reserved")
    for slug in ("A", "a_b", "-a", "a" * 81, ""):
        asked = {"slug": slug, "name": "Any", "rule": "age > 1"}
        assert fault(api.post(NORTH, headers=manager, json=asked))[:2] == (422, "body.slug")
    assert fault(api.post(NORTH, headers=manager)) == (422, "body", "missing")


@pytest.mark.check(7)
def test_another_clinics_segment_of_the_same_slug_is_neither_seen_nor_changed(
    world: World, api: Api, manager: Headers, south: Headers
) -> None:
    add(api, manager, "both", "registration.days > 1")
    add(api, south, "both", "registration.days > 2", SOUTH)
    foreign = read(api, south, "both", SOUTH)
    for method, path, body in (
        ("PATCH", "both", {"rule": "age > 1"}), ("PATCH", "made-up", {"rule": "age > 1"}),
        ("POST", "both/archive", {"reason": "mistake"}), ("POST", "made-up/archive", {"reason": "mistake"}),
        ("POST", "both/revive", {}), ("POST", "both/diff", {"rule": "age > 1"}),
        ("POST", "preview", {"rule": "age > 1"}),
        ("POST", "", {"slug": "x", "name": "x", "rule": "age > 1"}), ("POST", "templates/high-pain-not-seen", {}),
    ):  # fmt: skip
        url = f"{SOUTH}/{path}".rstrip("/")
        answer = api.request(method, url, headers=manager | {"If-Match": foreign["etag"]}, json=body)
        assert (answer.status_code, answer.json()) == (404, NOT_THERE), path
    own = api.patch(f"{NORTH}/made-up", headers=manager | {"If-Match": foreign["etag"]}, json={"rule": "age > 1"})
    assert own.json() == NOT_THERE
    assert api.patch(f"{NORTH}/a'b", headers=manager, json={"rule": "age > 1"}).json() == NOT_THERE
    # A tag of the other clinic's segment fits this clinic's as little as any made-up one.
    assert read(api, south, "both", SOUTH) == foreign and read(api, manager, "both")["text"] == "registration.days > 1"
    denied = world.look("select count(*) from audit.access_event where action = 'segment.edit' and decision = 'deny'")
    assert denied[0][0] > 8


@pytest.mark.check(21)
def test_every_edit_leaves_an_event_that_names_its_segment(world: World, api: Api, manager: Headers) -> None:
    add(api, manager, "logged", "registration.days > 1")
    etag = read(api, manager, "logged")["etag"]
    api.patch(f"{NORTH}/logged", headers=manager | {"If-Match": etag}, json={"name": "Canary name"})
    api.patch(f"{NORTH}/logged", headers=manager | {"If-Match": etag}, json={"name": "Late"})
    api.post(f"{NORTH}/logged/archive", headers=manager, json={"reason": "mistake"})
    api.post(f"{NORTH}/logged/revive", headers=manager, json={"fires": False})
    assert events(world, "logged") == [("permit", "segment", world.clinic_ids["north"])] * 4
    late = world.look("select action, resource_id from audit.access_event where decision = 'deny' order by occurred_at")
    assert ("segment.edit", None) in late
