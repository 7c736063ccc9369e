"""Whoever an answer shows is in the log under its request, and nobody else: every read that is answered, walked."""

import re

import access_world
import httpx
import pytest
from access_world import CHICK, FINCH, WREN, Api, World
from callers import CALLERS, everybody
from test_routes_by_roles import OF_ANY_ACCOUNT, PUBLIC
from things import filled
from walking import REVIEWED, logged, of_a_patient, told

from policies.words import Role
from tests.integration.sealing import seal_all

OF_PEOPLE = re.compile(r"(/v1)?/me(/.*)?")
OF_THE_LOG = re.compile(r"(/v1)?/audit(/.*)?|/fhir/AuditEvent(/.*)?")
# Of one patient, whom the address says, or whose the thing in it is: Finch, whatever the answer tells of them.
OF_ONE = re.compile(r".*\{(patient|form|handover|appointment|consent|campaign)\}.*|.*/messages|/fhir/Consent")
# All of a segment, or of a doubtful registration.
OF_SEVERAL = re.compile(
    r".*/segments/\{segment\}/(changes|edit|members(\.csv|\.ndjson)?|reach)|/clinics/\{clinic\}/segments/\{segment\}"
    r"|.*/merges|/fhir/Group/\{segment\}"
)
COUNTED = re.compile(r".*/reach")  # how many can be written to: of them, and by no id
# Whom each of them is and guards.
OWN = {Role.PATIENT: {WREN}, Role.GUARDIAN: {FINCH, CHICK}, "impersonated": {FINCH, CHICK}}
Answers = dict[tuple[str, str], httpx.Response]


def reads() -> list[tuple[str, str]]:
    """Path and caller of each read that is answered, as reviewed."""
    head, *lines = (line.split() for line in REVIEWED.read_text().splitlines())
    callers = dict(zip(head[1:], CALLERS, strict=True))
    return [
        (path, str(caller))
        for method, path, *statuses in lines
        if method == "GET" and path not in PUBLIC | OF_ANY_ACCOUNT
        for caller, status in zip(callers.values(), statuses, strict=True)
        if status[0] == "2"
    ]


@pytest.fixture(scope="module")
def answers(world: World, api: Api) -> Answers:
    signed = everybody(world, api)
    addresses = {path: filled(world, path) for path, _ in reads()}
    seal_all(world.server)
    found = {(path, caller): signed[caller].ask(api, "GET", addresses[path]) for path, caller in reads()}
    assert {route: answer.status_code for route, answer in found.items() if answer.status_code != 200} == {}
    return found


def named(answer: httpx.Response) -> set[str]:
    """The names of people in an answer."""
    return {name for name in (FINCH, WREN, access_world.HERON, CHICK) if name in answer.text}


@pytest.mark.check(21)
def test_rows_returned_are_rows_recorded(world: World, answers: Answers) -> None:
    ids = {name: str(patient) for (clinic, name), patient in world.patients.items() if clinic == "north"}
    disclosed, shown, meant = {}, {}, {}
    recorded = logged(world)[1]
    for (path, caller), answer in answers.items():
        if not OF_PEOPLE.fullmatch(path) and not OF_THE_LOG.fullmatch(path):
            route = path, caller
            disclosed[route] = recorded.get(answer.headers["x-request-id"], set())
            shown[route] = {own for name, own in ids.items() if name in answer.text or own in told(answer)}
            several, one = {ids[FINCH], ids[WREN]}, {ids[FINCH]}
            meant[route] = several if OF_SEVERAL.fullmatch(path) else one if OF_ONE.fullmatch(path) else set()
    assert {route: (disclosed[route], meant[route]) for route in meant if disclosed[route] != meant[route]} == {}
    assert {route for route in shown if not shown[route] <= disclosed[route]} == set()
    lists = {route for route in shown if OF_SEVERAL.fullmatch(route[0]) and not COUNTED.fullmatch(route[0])}
    assert len(lists) >= 12 and {route for route in lists if shown[route] != disclosed[route]} == set()
    assert len([route for route in meant if meant[route]]) >= 40


@pytest.mark.check(21)
def test_people_see_themselves_and_whom_they_guard_and_it_is_recorded_whose_it_was(
    world: World, answers: Answers
) -> None:
    whose: dict[str, set[object]] = {}
    for request, person in world.look("select request_id::text, acting_for from audit.access_event"):
        whose.setdefault(request, set()).add(person)
    own = {route: answer for route, answer in answers.items() if OF_PEOPLE.fullmatch(route[0])}
    assert {route for route, answer in own.items() if not named(answer) <= OWN.get(route[1], set())} == set()
    naming = {path for (path, _), answer in own.items() if named(answer)}
    assert naming >= {f"/v1/me/{path}" for path in ("profile", "dependents", "dependents/{dependent}/profile")}
    guarded = {
        route: answer for route, answer in own.items()
        if (CHICK in named(answer) and route[1] != "impersonated")
        or (route[1] == Role.GUARDIAN and route[0].startswith("/v1/me/dependents/{"))
    }  # fmt: skip
    assert len(guarded) >= 20
    unnamed = {
        route for route, answer in guarded.items() if world.people[CHICK] not in whose[answer.headers["x-request-id"]]
    }
    assert unnamed == set()


@pytest.mark.check(21)
def test_auditors_are_shown_ids_alone(world: World, answers: Answers) -> None:
    recorded = logged(world)
    audits = {route: answer for route, answer in answers.items() if OF_THE_LOG.fullmatch(route[0])}
    assert len(audits) >= 30 and [route for route, answer in audits.items() if of_a_patient(answer.text)] == []
    for answer in audits.values():
        request = answer.headers["x-request-id"]
        assert recorded[0][request] and request not in recorded[1]
