"""Rules that are not saved: whom they mean, what they would change; each patient shown is in the log."""

import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import access_world
import httpx
import pytest
from access_world import FINCH, HERON, WREN, Api, World
from psycopg import sql

from api.gateway import Grant
from api.guard import LARGEST_BODY
from api.segments import trying_repository
from bench.hostile_rules import json_rules, text_rules
from infra.database import connect_admin
from infra.roles import ClinicKind
from infra.settings import settings
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from policies.segments.rule import located
from tests.unit.test_hostile_rules import PLACES

NORTH = "/v1/clinics/north/segments"
OVER_65 = {"measure": "age", "op": ">", "value": 65}
Headers = dict[str, str]


def tried(api: Api, headers: Headers, rule: Any, path: str = "preview", **more: Any) -> dict[str, Any]:
    answer = api.post(f"{NORTH}/{path}", headers=headers, json={"rule": rule, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["patients"], found["members"], found["undecided"]


def names(patients: list[dict[str, Any]]) -> list[str]:
    return sorted(patient["name"] for patient in patients)


def newest_event(world: World) -> tuple[str, str, list[Any]]:
    """The action and resource of the newest event, and the patients it discloses."""
    (event, action, resource, patients), *_ = world.look(
        "select event_id, action, resource_id, patients from audit.access_event order by occurred_at desc limit 1"
    )
    disclosed = [row[0] for row in world.look("select patient_id from audit.disclosure where event_id = %s", event)]
    assert len(disclosed) == patients
    return action, resource, disclosed


@contextmanager
def withdrawn(world: World, how: str) -> Iterator[None]:
    """Finch's profile at north is withheld meanwhile, though the mart still holds it."""
    if how == "revoked":
        world.consent("north", FINCH, "revoked")
        yield
        world.consent("north", FINCH)
        return
    world.mart_shows_until("now()")
    yield
    world.mart_shows_until("null")


@pytest.mark.check(21)
def test_a_rule_that_is_not_saved_names_whom_it_means_and_leaves_them_in_the_log(
    world: World, api: Api, manager: Headers
) -> None:
    found = tried(api, manager, "age > 65")
    assert counts(found) == (2, 1, 1) and found["as_of"] == "2026-03-04" and found["profile_dependent"]
    assert found["sample"] == [{"patient_id": str(world.patients["north", FINCH]), "name": FINCH}]
    assert newest_event(world) == ("segment.preview", "north", [world.patients["north", FINCH]])
    assert tried(api, manager, OVER_65) == found
    everybody = tried(api, manager, "registration.days > 1")
    assert counts(everybody) == (2, 2, 0) and names(everybody["sample"]) == [FINCH, WREN]
    assert len(newest_event(world)[2]) == 2
    nobody = tried(api, manager, "registration.days < 0")
    assert nobody["sample"] == [] and newest_event(world) == ("segment.preview", "north", [])


_WHO = sql.SQL("""
select current_user as role, array(
    select c.oid::regclass::text from pg_class as c
    where c.relnamespace::regnamespace::text like 'clinic\\_%%' and c.relkind in ('r', 'p', 'v')
        and has_table_privilege(c.oid, 'insert, update, delete, truncate')
    order by 1
) as writes""")


def test_a_rule_is_tried_as_the_clinics_reader_who_writes_rules_alone(
    world: World, api: Api, manager: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def watched(evaluate: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def looked(grant: Grant, *given: Any) -> Any:
            seen.extend(await grant.look(_WHO))
            return await evaluate(grant, *given)

        return looked

    for name in ("preview", "compare"):
        monkeypatch.setattr(trying_repository, name, watched(getattr(trying_repository, name)))
    tried(api, manager, "age > 65")
    tried(api, manager, "age > 65", "elders/diff")
    reader = world.server.roles.clinic("north", ClinicKind.READER)
    assert seen == [{"role": reader, "writes": ["segment", "segment_version"]}] * 2


@pytest.mark.check(21)
@pytest.mark.parametrize("limit", [0, 1])
def test_of_a_count_of_a_few_all_are_named_and_recorded(world: World, api: Api, manager: Headers, limit: int) -> None:
    everybody = sorted([world.patients["north", FINCH], world.patients["north", WREN]])
    assert counts(tried(api, manager, "registration.days > 1", limit=limit)) == (2, 2, 0)
    assert sorted(newest_event(world)[2]) == everybody
    assert tried(api, manager, "registration.days > 1", "empty/diff", limit=limit)["entered"] == 2
    assert sorted(newest_event(world)[2]) == everybody


def test_a_rule_may_name_segments_and_stays_undecided_where_they_are(api: Api, manager: Headers) -> None:
    assert counts(tried(api, manager, 'in_segment("elders")')) == (2, 1, 1)
    assert counts(tried(api, manager, 'not in_segment("elders")')) == (2, 0, 1)
    assert counts(tried(api, manager, 'in_segment("elders") or in_segment("everybody")')) == (2, 2, 0)


@pytest.mark.check(12)
@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_no_rule_counts_on_a_profile_that_is_withheld(world: World, api: Api, manager: Headers, how: str) -> None:
    rules = ("age > 65", "age <= 65", "not age > 65", 'sex = "female"', 'in_segment("elders")')
    with withdrawn(world, how):
        assert world.look("select birth_date from clinic_north.raw_patients where profile_shared") != []
        for rule in rules:
            found = tried(api, manager, rule)
            assert counts(found) == (2, 0, 2) and found["sample"] == [], rule
        assert counts(tried(api, manager, "age is unknown")) == (2, 2, 0)
        compared = tried(api, manager, "age < 10", "elders/diff")
        assert (compared["before"], compared["after"], compared["leaving"]) == (0, 0, [])
    assert counts(tried(api, manager, "age > 65")) == (2, 1, 1)


@pytest.mark.check(12)
def test_an_attribute_that_is_not_shared_moves_no_count(world: World, api: Api, manager: Headers) -> None:
    rules = ("age > 65", "age < 30", 'sex = "male"', 'not sex = "male"', "age is known")
    before = [tried(api, manager, rule) for rule in rules]
    world.change(
        "update operational.profile set birth_date = '2010-01-01', sex = 'male' where person_id = %s",
        world.people[WREN],
    )
    ingest(world.server, "north", Asset.PATIENTS, uuid4())
    assert [tried(api, manager, rule) for rule in rules] == before


@pytest.mark.check(21)
def test_a_changed_rule_names_who_would_enter_and_leave_and_how_those_that_name_it_would_change(
    world: World, api: Api, manager: Headers
) -> None:
    for slug, rule in (("no-elders", 'not in_segment("elders")'), ("neither", 'not in_segment("no-elders")')):
        asked = {"slug": slug, "name": slug, "rule": rule}
        assert api.post(NORTH, headers=manager, json=asked).status_code == 201
    # A key of some segments alone is told of no other one.
    for headers, users in ((manager, ["no-elders"]), ({"Authorization": f"Bearer {world.keys['north.elders']}"}, [])):
        assert api.get(f"{NORTH}/elders", headers=headers).json()["used_by"] == users
    finch, wren = (world.patients["north", name] for name in (FINCH, WREN))
    more = tried(api, manager, "registration.days > 1", "elders/diff")
    assert (more["before"], more["after"], more["entered"], more["left"]) == (1, 2, 1, 0)
    assert names(more["entering"]) == [WREN] and more["leaving"] == []
    assert newest_event(world) == ("segment.compare", "elders", [wren])
    sizes = {size["slug"]: (size["before"], size["after"]) for size in more["used_by"]}
    assert sizes == {"no-elders": (0, 0), "neither": (1, 2)}
    other = tried(api, manager, "age is unknown", "elders/diff")
    assert (names(other["entering"]), names(other["leaving"])) == ([WREN], [FINCH])
    assert {size["slug"]: (size["before"], size["after"]) for size in other["used_by"]} == {
        "no-elders": (0, 1), "neither": (1, 1),
    }  # fmt: skip
    assert sorted(newest_event(world)[2]) == sorted([finch, wren])
    same = tried(api, manager, OVER_65, "elders/diff")
    assert (same["entered"], same["left"], same["entering"], same["leaving"]) == (0, 0, [], [])
    assert newest_event(world) == ("segment.compare", "elders", [])


def test_of_many_changes_the_first_are_named_and_all_are_counted(world: World, api: Api, manager: Headers) -> None:
    many = [uuid4() for _ in range(30)]
    for patient in many:
        world.change(
            "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
            " values (%s, 1, 'Canary Many', '2026-03-01', false)",
            patient,
        )
    found = tried(api, manager, "registration.days < 10", "empty/diff", limit=7)
    assert (found["entered"], len(found["entering"])) == (30, 7)
    first = sorted(str(patient) for patient in many)[:7]
    assert [patient["patient_id"] for patient in found["entering"]] == first
    assert sorted(map(str, newest_event(world)[2])) == first
    assert len(tried(api, manager, "registration.days < 10", limit=7)["sample"]) == 7
    world.change("delete from clinic_north.raw_patients where name = 'Canary Many'")


@pytest.mark.check(21)
def test_page_by_page_everybody_is_named_once_on_either_side(world: World, api: Api, manager: Headers) -> None:
    """Elders as they are: Finch. The rule to be brings in thirty, and Finch leaves, of whom a count of one tells."""
    finch, many = str(world.patients["north", FINCH]), [uuid4() for _ in range(30)]
    for patient in many:
        world.change(
            "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
            " values (%s, 1, 'Canary Many', '2026-03-01', false)",
            patient,
        )
    asked: dict[str, Any] = {"limit": 13}
    entering, leaving, told = [], [], []
    for expected in (13, 13, 4):
        found = tried(api, manager, "registration.days < 10", "elders/diff", **asked)
        assert (found["entered"], found["left"], len(found["entering"])) == (30, 1, expected)
        entering += [patient["patient_id"] for patient in found["entering"]]
        leaving += [patient["patient_id"] for patient in found["leaving"]]
        told.append(sorted(map(str, newest_event(world)[2])))
        # Whoever is one of a few is told of by each count, and so recorded each time.
        assert told[-1] == sorted([*entering[-expected:], finch])
        asked["cursor"] = found["next"]
    assert entering == sorted(map(str, many)) and leaving == [finch] and found["next"] is None
    assert tried(api, manager, "registration.days < 10", "elders/diff", limit=0)["next"] is None
    first = tried(api, manager, "registration.days < 10", "elders/diff", limit=13)
    for path, rule in (("elders/diff", "registration.days < 11"), ("everybody/diff", "registration.days < 10")):
        body = {"rule": rule, "cursor": first["next"]}
        assert api.post(f"{NORTH}/{path}", headers=manager, json=body).status_code == 404
    world.change("delete from clinic_north.raw_patients where name = 'Canary Many'")


def test_a_rule_that_takes_too_long_is_refused_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_STATEMENT_TIMEOUT_MS", "200")
    settings.cache_clear()
    with access_world.client(world.server) as api, connect_admin(world.server) as admin:
        headers = access_world.sign_in(api, "manager.north")
        with admin.transaction():
            admin.execute("lock table clinic_north.raw_patients in access exclusive mode")
            answer = api.post(f"{NORTH}/preview", headers=headers, json={"rule": "age > 65"})
        assert (answer.status_code, answer.json()["errors"]) == (
            422, [{"place": "body.rule", "rule": "takes_too_long"}],
        )  # fmt: skip
        assert counts(tried(api, headers, "age > 65")) == (2, 1, 1)


@pytest.mark.check(9)
def test_nothing_of_the_other_clinic_is_tried_or_named(world: World, api: Api, manager: Headers) -> None:
    theirs = [str(patient) for (clinic, _), patient in world.patients.items() if clinic == "south"] + [HERON]
    answers = [
        api.post(f"{NORTH}/{path}", headers=manager, json={"rule": "registration.days > 0"})
        for path in ("preview", "elders/diff", "everybody/diff")
    ]
    assert all(answer.status_code == 200 for answer in answers)
    assert not [item for item in theirs for answer in answers if item in answer.text]
    assert not set(theirs) & {
        str(row[0])
        for row in world.look("select d.patient_id from audit.disclosure d join audit.access_event e using (event_id)"
                              " where e.action in ('segment.preview', 'segment.compare')")
    }  # fmt: skip


def test_what_is_asked_badly_is_refused_by_its_place(api: Api, manager: Headers) -> None:
    def places(path: str, body: Any) -> list[str]:
        answer: httpx.Response = api.post(f"{NORTH}/{path}", headers=manager, json=body)
        assert answer.status_code == 422
        return [error["place"] for error in answer.json()["errors"]]

    for path in ("preview", "elders/diff"):
        assert places(path, {"rule": "age > 1", "limit": 101}) == ["body.limit"]
        assert [places(path, {"rule": odd}) for odd in (1, None, [], {}, True)] == [["body.rule"]] * 5
        assert places(path, {}) == ["body.rule"]
    assert places("preview", None) == ["body"]
    assert places("elders/diff", None) == ["body.rule"]  # of an archived one it would be the stored one


def test_two_versions_that_are_too_much_together_are_refused(api: Api, manager: Headers) -> None:
    def wide(first: int) -> str:
        counts = [f"appointments.count({first + days}d) = 1" for days in range(600)]
        return " or ".join(f"({' or '.join(counts[start : start + 200])})" for start in (0, 200, 400))

    asked = {"slug": "wide", "name": "Wide", "rule": wide(1)}
    assert api.post(NORTH, headers=manager, json=asked).status_code == 201
    answer = api.post(f"{NORTH}/wide/diff", headers=manager, json={"rule": wide(1001)})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["place"]) == (422, "body.rule") and "1000 different measures" in error["detail"]
    api.post(f"{NORTH}/wide/archive", headers=manager, json={"reason": "mistake"})


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (f"age > {'9' * 5_000}", "body.rule, line 1, column 7"),
        (f"sex is known and\n  age between -{'9' * 5_000} and 1", "body.rule, line 2, column 15"),
        ({"measure": "age", "op": ">", "value": 9 * 10**4_999}, "body.rule.value"),
        ({"all": [{"measure": "age", "op": "in", "value": [1, 9 * 10**4_999]}]}, "body.rule.all.0.value.1"),
    ],
)
def test_a_number_of_five_thousand_digits_is_refused_by_its_place(
    api: Api, manager: Headers, rule: Any, place: str
) -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)  # to write it
    bodies = [json.dumps({**more, "rule": rule}) for more in ({}, {"slug": "long", "name": "Long"})]
    sys.set_int_max_str_digits(limit)
    headers = {**manager, "content-type": "application/json"}
    for path, body in zip(("/preview", "/everybody/diff", ""), (bodies[0], *bodies), strict=True):
        answer = api.post(f"{NORTH}{path}", headers=headers, content=body)
        assert answer.status_code == 422, path
        assert [error["place"] for error in answer.json()["errors"]] == [place], path


# What is found before a rule is read: what is no JSON, nests too deeply, or holds a number or character that is none.
BEFORE = {
    "json.nested_lists": "body",
    "json.nested_below_the_decoder": "body",
    "json.key_twice": "body",
    "json.cut": "body.47",  # how far it could be read
    "json.empty": "body.9",
    "json.not_a_number": "body.rule.value",
    "json.infinity": "body.rule.value",
    "json.long_integer": "body.rule.value",
    "json.long_integer_in_a_list": "body.rule.value.1",
    "json.long_integer_for_a_window": "body.rule.window",
    "text.lone_surrogate": "body.rule",
    "text.lone_surrogate_outside": "body.rule",
    "text.nul": "body.rule",
}


@pytest.mark.check(41)
def test_whatever_comes_instead_of_a_rule_is_a_422_with_its_place(api: Api, manager: Headers) -> None:
    bodies = {f"json.{name}": f'{{"rule": {text}}}' for name, text in json_rules().items()}
    bodies |= {f"text.{name}": json.dumps({"rule": text}) for name, text in text_rules().items()}
    headers, places, sent = {**manager, "content-type": "application/json"}, {}, 0
    for name, body in bodies.items():
        answer = api.post(f"{NORTH}/preview", headers=headers, content=body)
        if len(body.encode()) > LARGEST_BODY:
            assert answer.status_code == 413, name
            continue
        sent += 1
        assert answer.status_code == 422, (name, answer.text)
        (error,) = answer.json()["errors"]
        if error["place"] != located("body.rule", PLACES[name]):
            places[name] = error["place"]
    assert sent > 50
    assert places == BEFORE


def test_a_rule_that_cannot_be_evaluated_is_refused_and_nothing_is_told(
    world: World, api: Api, manager: Headers
) -> None:
    patient = uuid4()
    assert api.post(NORTH, headers=manager, json={"slug": "days", "name": "Days", "rule": "registration.days > 1"})
    assert api.get(f"{NORTH}/days/undecided", headers=manager).status_code == 200
    world.change(
        "insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)"
        " values (%s, 1, 'Canary Ever', '-infinity', false)",
        patient,
    )
    for path in ("preview", "elders/diff"):
        answer = api.post(f"{NORTH}/{path}", headers=manager, json={"rule": "registration.days > 1"})
        assert (answer.status_code, answer.json()["errors"]) == (
            422, [{"place": "body.rule", "rule": "not_evaluated"}],
        )  # fmt: skip
    answer = api.get(f"{NORTH}/days/undecided", headers=manager)
    assert (answer.status_code, answer.json()["errors"]) == (409, [{"place": "path.segment", "rule": "not_evaluated"}])
    world.change("delete from clinic_north.raw_patients where patient_id = %s", patient)
    assert counts(tried(api, manager, "registration.days > 1")) == (2, 2, 0)
