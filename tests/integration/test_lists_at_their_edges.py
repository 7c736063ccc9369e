"""Lists of members, feeds and days at the edges that their callers meet: other purposes, limits, and ends of pages."""

from datetime import UTC, datetime, timedelta

import pytest
from access_world import Api, World
from pulling import CHANGES, CSV, MEMBERS, NDJSON, Headers, key, move, newcomer, pulled, recorded

from api.limits import Places

NORTH = "/v1/clinics/north/segments"


@pytest.fixture(scope="module")
def robot(world: World) -> Headers:
    return key(world, "north")


def test_a_key_for_messages_has_no_feed_no_tag_and_no_past(world: World, api: Api) -> None:
    writer = key(world, "north.messages")
    assert api.get(CHANGES.format("everybody"), headers=writer).status_code == 404
    listed = api.get(MEMBERS.format("everybody"), headers=writer)
    assert listed.status_code == 200 and "etag" not in listed.headers
    assert "etag" not in pulled(api, writer).headers
    move(world)
    segment = world.segments["north", "everybody"]
    world.change("update clinic_north.segment set archived_at = now() where segment_id = %s", segment)
    try:
        before = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        answers = [
            api.get(MEMBERS.format("everybody"), headers=who, params={"at": before})
            for who in (writer, key(world, "north"))
        ]
        assert [answer.status_code for answer in answers] == [410, 200]
        assert answers[0].json()["errors"][0]["rule"] == "archived"
        assert api.get(CHANGES.format("everybody"), headers=writer).status_code == 404
        # Of whom it is no business it is as one that never was.
        of_elders = key(world, "north.elders")
        gone, never = (api.get(MEMBERS.format(slug), headers=of_elders) for slug in ("everybody", "never-was"))
        assert gone.status_code == never.status_code == 404 and gone.json() == never.json()
    finally:
        world.change("update clinic_north.segment set archived_at = null where segment_id = %s", segment)


def test_the_tag_of_a_page_changes_once_another_page_follows(world: World, api: Api, robot: Headers) -> None:
    there = api.get(MEMBERS.format("everybody"), headers=robot).json()["members"]
    page = {"limit": str(len(there))}
    before = api.get(MEMBERS.format("everybody"), headers=robot, params=page)
    assert before.json()["next"] is None
    known = robot | {"If-None-Match": before.headers["etag"]}
    assert api.get(MEMBERS.format("everybody"), headers=known, params=page).status_code == 304
    later = [newcomer(world, f"Canary Late {number}") for number in range(8)]
    move(world, enter=later)
    try:
        after = api.get(MEMBERS.format("everybody"), headers=known, params=page)
        assert after.status_code == 200 and after.json()["next"] is not None
    finally:
        move(world, leave=later)


def test_waits_limits_and_spans_end_where_they_are_said_to(api: Api, robot: Headers) -> None:
    def status(path: str, **query: object) -> int:
        return api.get(
            f"{NORTH}/everybody/{path}", headers=robot, params={k: str(v) for k, v in query.items()}
        ).status_code

    assert [status("changes", wait=wait) for wait in (-1, 31, "x")] == [422] * 3
    assert [status("members", limit=limit) for limit in (0, 1, 1000, 1001)] == [422, 200, 200, 422]
    today = datetime.now(UTC).date() - timedelta(days=1)
    first = [today - timedelta(days=days) for days in (399, 400)]
    assert [status("days", **{"from": day, "to": today}) for day in first] == [200, 422]
    assert status("days", **{"from": today, "to": today - timedelta(days=1)}) == 422
    assert status("days", to=today + timedelta(days=3)) == 422


def test_one_pull_too_many_is_told_to_come_again_and_holds_nothing(
    world: World, api: Api, robot: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Places, name: str = "") -> object:
        raise self._refusal(1)

    monkeypatch.setattr(Places, "place", full)
    answer = pulled(api, robot)
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    assert all(seen[1] == 0 for seen in recorded(world, answer))
    monkeypatch.undo()
    assert pulled(api, robot).status_code == 200


def test_what_is_in_no_format_names_those_that_there_are(api: Api, robot: Headers) -> None:
    answer = pulled(api, robot, "application/pdf")
    assert answer.status_code == 406
    assert all(kind in answer.text for kind in ("application/json", NDJSON, CSV, "application/vnd.apache.arrow.stream"))
    assert pulled(api, robot, f"text/*;q=0.9, {NDJSON};q=0.2").headers["content-type"].startswith("text/csv")


def test_a_segment_of_a_body_over_64_kib_is_refused_and_up_to_it_read(api: Api, manager: Headers) -> None:
    def tried(length: int) -> int:
        body = '{"rule": "age > 1"' + " " * (length - 19) + "}"
        assert len(body) == length
        headers = manager | {"Content-Type": "application/json"}
        return api.post(f"{NORTH}/preview", headers=headers, content=body).status_code

    assert [tried(length) for length in (65_536, 65_537)] == [200, 413]
