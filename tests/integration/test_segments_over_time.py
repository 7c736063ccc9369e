"""Members over time: at a past time, as a feed and day by day; nothing of who withdrew, each patient shown recorded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import httpx
import pytest
from access_world import FINCH, HERON, WREN, Api, World
from pages_of import browser_sign_in

from infra.segments import count_members
from tests.utc import today

NORTH = "/v1/clinics/north/segments"
NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
Headers = dict[str, str]
# Who entered or left in which run, and when: an hour before midnight in UTC is the next day at north.
STAYS = (
    ("everybody", FINCH, 2, "2026-02-01T12:00Z", 4, "2026-02-03T23:30Z"),
    ("everybody", WREN, 3, "2026-02-01T23:30Z", None, None),
    ("everybody", FINCH, 5, "2026-02-05T12:00Z", None, None),
    ("elders", FINCH, 2, "2026-02-01T12:00Z", None, None),
    ("elders", WREN, 3, "2026-02-02T12:00Z", 4, "2026-02-03T12:00Z"),
)


@pytest.fixture(scope="module")
def filled(world: World) -> World:
    """Both clinics' segments with the same history, each of its own patients."""
    for clinic, other in (("north", WREN), ("south", HERON)):
        world.change(f"delete from clinic_{clinic}.segment_member")
        for slug, name, *stay in STAYS:
            _stay(world, clinic, slug, world.patients[clinic, FINCH if name == FINCH else other], *stay)
    return world


def _stay(
    world: World, clinic: str, slug: str, patient: UUID, run: int, entered: str, left_run: int | None, left: str | None
) -> None:
    gone = left_run is not None
    world.change(
        f"insert into clinic_{clinic}.segment_member (segment_id, patient_id, version, entered_by, entered_run,"
        " entered_at, fires_in, left_by, left_run, left_at, left_version, fires_out)"
        " values (%s, %s, 1, 'rule', %s, %s, false, %s, %s, %s, %s, %s)",
        world.segments[clinic, slug], patient, run, entered,
        "data" if gone else None, left_run, left, 1 if gone else None, True if gone else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def manager(filled: World, api: Api) -> Headers:
    return access_world.sign_in(api, "manager.north")


def key(world: World, name: str) -> Headers:
    return {"Authorization": f"Bearer {world.keys[name]}"}


def got(api: Api, headers: Headers, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"{NORTH}/{path}", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def there_at(api: Api, headers: Headers, segment: str, at: str | None) -> list[str]:
    found = got(api, headers, f"{segment}/members", **({"at": at} if at else {}))
    return sorted(member["name"] for member in found["members"])


def feed(api: Api, headers: Headers, segment: str, **query: Any) -> list[tuple[str, str]]:
    changes = got(api, headers, f"{segment}/changes", **query)["changes"]
    return [(change["kind"], change["name"]) for change in changes]


def disclosed(world: World, action: str) -> list[UUID]:
    """The patients whom the newest event of an action discloses."""
    rows = world.look(
        "select d.patient_id from audit.disclosure as d where d.event_id = ("
        " select event_id from audit.access_event where action = %s order by occurred_at desc limit 1)",
        action,
    )
    return [row[0] for row in rows]


@pytest.mark.check(21)
def test_members_at_a_past_time_are_those_who_were_there_then(filled: World, api: Api, manager: Headers) -> None:
    times = (
        "2026-02-01T11:59Z",
        "2026-02-01T12:00Z",
        "2026-02-02T00:30+01:00",
        "2026-02-03T23:30Z",
        "2026-02-05T12:00Z",
    )
    there = [there_at(api, manager, "everybody", at) for at in times]
    assert there == [[], [FINCH], [FINCH, WREN], [WREN], [FINCH, WREN]]
    assert there_at(api, manager, "everybody", "2026-02-04T00:00Z") == [WREN]
    assert disclosed(filled, "member.list") == [filled.patients["north", WREN]]
    assert there_at(api, manager, "everybody", None) == [FINCH, WREN]
    page = got(api, manager, "everybody/members", at="2026-02-02T00:00Z", limit=1)
    bound = {"limit": 1, "cursor": page["next"]}
    rest = got(api, manager, "everybody/members", at="2026-02-02T01:00+01:00", **bound)
    assert len(page["members"] + rest["members"]) == 2 and rest["next"] is None
    for other in ({}, {"at": "2026-02-02T00:00:01Z"}):
        assert api.get(f"{NORTH}/everybody/members", headers=manager, params=other | bound).json() == NOT_THERE
    robot = got(api, key(filled, "north"), "everybody/members", at="2026-02-01T12:00Z")["members"]
    assert robot == [{"patient_id": str(filled.patients["north", FINCH])}]


@pytest.mark.check(41)
def test_times_to_come_and_times_of_no_place_are_refused(api: Api, manager: Headers) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for at in (soon, "2026-02-01T12:00", "1026-02-01T12:00Z", "Canary"):
        answer = api.get(f"{NORTH}/everybody/members", headers=manager, params={"at": at})
        assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == "query.at"
    tomorrow = str(today() + timedelta(days=2))
    spans = (("query.to", {"to": tomorrow}), ("query.from", {"from": "2026-02-02", "to": "2026-02-01"}),
             ("query.from", {"from": "2020-01-01", "to": "2026-02-01"}), ("query.from", {"from": "Canary"}),
             ("query.from", {"from": "2026-02-30"}), ("query.from", {"to": "0001-01-01"}))  # fmt: skip
    for place, query in spans:
        answer = api.get(f"{NORTH}/everybody/days", headers=manager, params=query)
        assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == place, query


@pytest.mark.check(21)
def test_the_feed_tells_every_change_once_in_order_whatever_its_pages(
    filled: World, api: Api, manager: Headers
) -> None:
    whole = got(api, manager, "everybody/changes")
    found = [(c["kind"], c["name"], c["cause"], c["version"], c["fires"]) for c in whole["changes"]]
    assert found == [
        ("entered", FINCH, "rule", 1, False), ("entered", WREN, "rule", 1, False),
        ("left", FINCH, "data", 1, True), ("entered", FINCH, "rule", 1, False),
    ]  # fmt: skip
    assert whole["changes"][2]["at"] == "2026-02-03T23:30:00Z" and whole["more"] is False
    assert set(disclosed(filled, "member.list")) == {filled.patients["north", name] for name in (FINCH, WREN)}
    pages, after = [], {}
    for _ in range(4):
        page = got(api, manager, "everybody/changes", limit=1, **after)
        pages += page["changes"]
        after = {"after": page["next"]}
    assert pages == whole["changes"] and page["more"] is False
    assert disclosed(filled, "member.list") == [filled.patients["north", FINCH]]
    end = got(api, manager, "everybody/changes", **after)
    assert (end["changes"], end["more"]) == ([], False) and disclosed(filled, "member.list") == []
    robot = got(api, key(filled, "north.elders"), "elders/changes")["changes"]
    seen = {"kind", "patient_id", "at", "cause", "version", "fires"}
    assert {frozenset(change) for change in robot} == {frozenset(seen)}


@pytest.mark.check(6)
def test_a_position_in_a_feed_outlives_the_service_and_is_nobody_elses(
    filled: World, api: Api, manager: Headers
) -> None:
    after = {"after": got(api, manager, "everybody/changes", limit=3)["next"]}
    with access_world.client(filled.server) as restarted:
        assert feed(restarted, manager, "everybody", **after) == [("entered", FINCH)]
    # Empty pages say where the feed goes on as well: what comes next comes once.
    end = got(api, manager, "empty/changes")
    assert end["changes"] == []
    world, patient = filled, filled.patients["north", WREN]
    _stay(world, "north", "empty", patient, 9, "2026-02-09T12:00Z", None, None)
    assert feed(api, manager, "empty", after=end["next"]) == [("entered", WREN)]
    assert feed(api, manager, "empty", after=got(api, manager, "empty/changes", after=end["next"])["next"]) == []
    world.change("delete from clinic_north.segment_member where entered_run = 9")

    def asked(headers: Headers, path: str, cursor: str) -> httpx.Response:
        return api.get(f"/v1/clinics/{path}/changes", headers=headers, params={"after": cursor})

    south = access_world.sign_in(api, "manager.south")
    for headers, path in (
        (south, "south/segments/everybody"), (south, "north/segments/everybody"), (manager, "north/segments/elders"),
        (manager, "south/segments/everybody"), (key(filled, "north"), "north/segments/everybody"),
    ):  # fmt: skip
        stolen, made_up = asked(headers, path, after["after"]), asked(headers, path, "A" * 60)
        assert stolen.status_code == made_up.status_code == 404
        assert stolen.json() == made_up.json() == NOT_THERE
    assert asked(key(filled, "north.elders"), "north/segments/everybody", after["after"]).json() == NOT_THERE
    own = got(api, manager, "everybody/members", limit=1)["next"]
    assert asked(manager, "north/segments/everybody", own).json() == NOT_THERE


def test_days_are_the_clinics_own_and_add_up(filled: World, api: Api, manager: Headers) -> None:
    found = got(api, manager, "everybody/days", **{"from": "2026-01-31", "to": "2026-02-06"})
    assert found["time_zone"] == "Europe/Berlin"
    days = [(day["day"][-2:], day["entered"], day["left"], day["members"]) for day in found["days"]]
    assert days == [
        ("31", 0, 0, 0), ("01", 1, 0, 1), ("02", 1, 0, 2), ("03", 0, 0, 2), ("04", 0, 1, 1), ("05", 1, 0, 2),
        ("06", 0, 0, 2),
    ]  # fmt: skip
    late = got(api, manager, "everybody/days", **{"from": "2026-02-04", "to": "2026-02-04"})["days"]
    assert late == [
        {"day": "2026-02-04", "entered": 0, "left": 1, "members": 1, "entered_by": {}, "left_by": {"data": 1}}
    ]
    assert [day["members"] for day in got(api, manager, "everybody/days")["days"]] == [2] * 30
    assert disclosed(filled, "segment.read") == []
    (of_south,) = api.get(
        "/v1/clinics/south/segments/everybody/days", headers=access_world.sign_in(api, "manager.south"),
        params={"from": "2026-02-02", "to": "2026-02-02"},
    ).json()["days"]  # fmt: skip
    # 23:30 in UTC is still the day before in São Paulo.
    assert (of_south["entered"], of_south["members"]) == (0, 2)


@pytest.mark.check(12)
@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_of_who_withdrew_no_stay_is_told_that_depends_on_the_profile(
    filled: World, api: Api, manager: Headers, how: str
) -> None:
    def seen() -> tuple[Any, ...]:
        days = got(api, manager, "elders/days", **{"from": "2026-02-01", "to": "2026-02-03"})["days"]
        return (
            there_at(api, manager, "elders", "2026-02-02T12:00Z"),
            there_at(api, manager, "elders", None),
            feed(api, manager, "elders"),
            [day["members"] for day in days],
        )

    wrens = [("entered", WREN), ("left", WREN)]
    whole = ([FINCH, WREN], [FINCH], [("entered", FINCH), *wrens], [1, 2, 1])
    position = got(api, manager, "elders/changes", limit=1)["next"]
    assert seen() == whole
    if how == "revoked":
        filled.consent("north", FINCH, "revoked")
    else:
        filled.mart_shows_until("now()")
    assert seen() == ([WREN], [], wrens, [0, 1, 0])
    # A position that was given out before goes on after, and tells nothing either.
    assert feed(api, manager, "elders", after=position) == wrens
    assert len(feed(api, manager, "everybody")) == 4 and there_at(api, manager, "everybody", None) == [FINCH, WREN]
    # A rule that no longer asks for the profile did so while the stay lasted.
    filled.change(
        "update clinic_north.segment set version = 2, profile_dependent = false where slug = 'elders'",
    )
    filled.change(
        "insert into clinic_north.segment_version (segment_id, version, rule, profile_dependent, created_at)"
        " select segment_id, 2, v.rule, false, now() from clinic_north.segment"
        " inner join clinic_north.segment_version as v using (segment_id) where slug = 'elders' and v.version = 1",
    )
    # Nor are those who are members still by the rule before: the new one is saved, and not evaluated yet.
    filled.change(
        "insert into clinic_north.segment_state (segment_id, version, rules, profile_dependent)"
        " values (%s, 1, '', true)",
        filled.segments["north", "elders"],
    )
    assert there_at(api, manager, "elders", None) == [] and got(api, manager, "elders")["members"] == 0
    assert "age" not in {bucket["dimension"] for bucket in got(api, manager, "elders")["make_up"]}
    filled.change("update clinic_north.segment_state set version = 2, profile_dependent = false")
    assert there_at(api, manager, "elders", "2026-02-02T12:00Z") == [WREN] and feed(api, manager, "elders") == wrens
    assert there_at(api, manager, "elders", None) == [FINCH] and got(api, manager, "elders")["members"] == 1
    filled.change("delete from clinic_north.segment_state")
    filled.change("delete from clinic_north.segment_version where version = 2")
    filled.change("update clinic_north.segment set version = 1, profile_dependent = true where slug = 'elders'")
    if how == "revoked":
        filled.consent("north", FINCH)
    else:
        filled.mart_shows_until("null")
    assert seen() == whole


@pytest.mark.check(34)
def test_whom_the_clinic_deleted_is_told_to_have_left_and_no_more(filled: World, api: Api, manager: Headers) -> None:
    gone = uuid4()
    _stay(filled, "north", "empty", gone, 6, "2026-02-06T12:00Z", 7, "2026-02-07T12:00Z")
    (change,) = got(api, manager, "empty/changes")["changes"]
    assert (change["kind"], change["patient_id"]) == ("left", str(gone)) and "name" not in change
    assert there_at(api, manager, "empty", "2026-02-06T12:00Z") == []
    filled.change("delete from clinic_north.segment_member where patient_id = %s", gone)


@pytest.mark.check(34)
def test_whom_the_clinic_deleted_no_number_counts(filled: World, api: Api, manager: Headers) -> None:
    """Numbers and lists are of the same patients: before an evaluation has them leave, and on days before that."""

    def told(slug: str) -> list[Any]:
        segments = api.get(NORTH, headers=manager).json()["segments"]
        (listed,) = (each for each in segments if each["slug"] == slug)
        overview = api.get("/v1/clinics/north/overview", headers=manager).json()["segments"]
        (shown,) = (each for each in overview if each["slug"] == slug)
        (counted,) = (each for each in count_members(filled.server, ["north"]) if each.segment == slug)
        days = got(api, manager, f"{slug}/days", **{"from": "2026-02-01", "to": "2026-02-08"})["days"]
        return [got(api, manager, slug)["members"], listed["members"], shown, counted.members, days]

    before, gone = told("everybody"), uuid4()
    _stay(filled, "north", "everybody", gone, 5, "2026-02-05T12:00Z", 6, "2026-02-06T12:00Z")
    _stay(filled, "north", "everybody", gone, 7, "2026-02-07T12:00Z", None, None)
    assert told("everybody") == before
    assert len(there_at(api, manager, "everybody", None)) == before[0] == 2
    filled.change("delete from clinic_north.segment_member where patient_id = %s", gone)


def test_a_segment_that_cannot_be_evaluated_is_told_to_managers(filled: World, api: Api, manager: Headers) -> None:
    def told() -> list[bool]:
        sees = ("segments/elders", "segments", "segments/everybody")
        return ["cannot be evaluated" in api.get(f"/clinics/north/{path}").text.casefold() for path in sees]

    browser_sign_in(api, "manager.north")
    assert got(api, manager, "elders")["broken"] is False and told() == [False] * 3
    filled.change(
        "insert into clinic_north.segment_broken (segment_id, version, sqlstate) values (%s, 1, '22012')",
        filled.segments["north", "elders"],
    )
    assert got(api, manager, "elders")["broken"] is True and told() == [True, True, False]
    filled.change("update clinic_north.segment_broken set version = 0")  # of a rule before this one
    assert got(api, manager, "elders")["broken"] is False and told() == [False] * 3
    filled.change("delete from clinic_north.segment_broken")
    api.cookies.clear()


@pytest.mark.check(50)
def test_a_clinics_auditor_finds_its_own_reads_of_members_alone(filled: World, api: Api, manager: Headers) -> None:
    south = access_world.sign_in(api, "manager.south")
    for path in ("members", "changes", "days"):
        assert api.get(f"/v1/clinics/south/segments/everybody/{path}", headers=south).status_code == 200
        got(api, manager, f"everybody/{path}")
    headers = access_world.sign_in(api, "auditor.north")
    text = api.get("/v1/audit/events/export", headers=headers, params={"clinic": "north"}).text
    theirs = [str(patient) for (clinic, _), patient in filled.patients.items() if clinic == "south"]
    assert str(filled.patients["north", FINCH]) in text and '"north"' in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert {line["clinic"] for line in lines} == {"north"}
    # That somebody of another clinic tried is north's to know.
    assert {line["decision"] for line in lines if line["organisation"] == "south"} <= {"deny"}
    assert not [patient for patient in theirs if patient in text]
