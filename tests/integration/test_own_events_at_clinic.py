"""What people do at a clinic, carry away from it, or bring to one, is in that clinic's log, and in no other's."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import access_world
import httpx
import psycopg
import pytest
from access_world import FINCH, WREN, Api, World
from auditing import auditors, found
from booking import ask as booking
from booking import at, post
from exporting import ask
from psycopg import sql
from things import Things

from infra.database import connect_admin
from infra.roles import Group

__all__ = ["auditors"]  # a fixture

Seen = set[tuple[str, str]]
RECORD = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type, decision, policies,
    clinic_id) values (gen_random_uuid(), statement_timestamp(), 'human', 'patient', 'export.make', 'person', 'permit',
    '{}', %s)"""


def seen(api: Api, auditors: dict[str, dict[str, str]], answer: httpx.Response) -> Seen:
    """What north's auditor finds of a request, without whose it was."""
    events = found(api, auditors["auditor.north"])
    of_it = [event for event in events if event["request_id"] == answer.headers["x-request-id"]]
    assert all(event["principal_id"] is event["principal"] is event["session_id"] is None for event in of_it)
    return {(event["action"], event["decision"]) for event in of_it}


def bring(api: Api, login: str, archive: bytes, clinic: str) -> httpx.Response:
    headers = access_world.sign_in(api, login) | {"content-type": "application/zip"}
    return api.post("/v1/me/handovers/preview", headers=headers, content=archive, params={"clinic": clinic})


@pytest.mark.check(10)
@pytest.mark.check(50)
def test_an_export_is_in_the_log_of_the_clinic_whose_records_it_carries(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    finch = access_world.sign_in(api, "finch")
    assert seen(api, auditors, ask(api, finch, "north")) == {("export.make", "permit")}
    assert seen(api, auditors, ask(api, finch, "south")) == set()


@pytest.mark.check(10)
@pytest.mark.check(50)
def test_a_hand_over_is_in_the_log_of_the_clinic_that_it_comes_to(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    carried = {login: ask(api, access_world.sign_in(api, login), "north").content for login in ("finch", "wren")}
    assert seen(api, auditors, bring(api, "finch", carried["finch"], "north")) == {("own_handover.preview", "permit")}
    assert seen(api, auditors, bring(api, "finch", carried["finch"], "south")) == set()
    # A try as well.
    wrong = bring(api, "finch", carried["wren"], "north")
    assert wrong.status_code == 422
    assert seen(api, auditors, wrong) == {("own_handover.preview", "deny")}
    assert seen(api, auditors, bring(api, "finch", carried["wren"], "south")) == set()


ITEMS = [
    ("GET", "forms/{form}", None, "own_record.read"),
    ("PUT", "forms/{form}/answers", {"answers": {}}, "form.answer"),
    ("POST", "forms/{form}/confidential", None, "own_record.hide"),
    ("GET", "appointments/{appointment}/video", None, "own_visit.join"),
    ("POST", "appointments/{appointment}/cancel", None, "own_appointment.change"),
    ("PUT", "plans/{plan}/exercises/{exercise}/days/{today}", {"times": 1}, "exercise.tick"),
]
# One's own, and a dependent's; but a guardian hides nothing.
OF_WHOM = [
    (whose, *item) for whose in ("/v1/me/", "/v1/me/dependents/{dependent}/") for item in ITEMS
    if "dependent" not in whose or item[3] != "own_record.hide"
]  # fmt: skip


@pytest.mark.check(10)
@pytest.mark.check(50)
@pytest.mark.parametrize(("whose", "method", "path", "body", "action"), OF_WHOM)
def test_what_people_do_at_a_clinic_is_in_that_clinics_log_alone(
    world: World, api: Api, auditors: dict[str, dict[str, str]], whose: str, method: str, path: str, body: Any,
    action: str,
) -> None:  # fmt: skip
    """Refusals as well: a form of another kind is not to be answered."""
    finch = access_world.sign_in(api, "finch")
    for clinic in ("north", "south"):
        things = Things(world, whose + path, clinic)
        answer = api.request(method, things.address, headers=finch, json=body)
        assert answer.status_code in (200, 204, 409), answer.text
        decision = "deny" if answer.status_code == 409 and method != "GET" else "permit"
        assert seen(api, auditors, answer) == ({(action, decision)} if clinic == "north" else set())


@pytest.mark.check(50)
def test_signing_and_revoking_are_in_the_log_of_the_clinic_that_they_are_for(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    finch = access_world.sign_in(api, "finch")
    for clinic, purpose in (("north", "profile_sharing"), ("south", "communications")):
        asked = {"clinic": clinic, "purpose": purpose}
        revoked = api.post("/v1/me/consents/revoke", headers=finch, json=asked)
        assert revoked.status_code == 201, revoked.text
        signed = api.post("/v1/me/consents", headers=finch, json={**asked, "text_version": "v1", "sha256": "1" * 64})
        at_north = clinic == "north"
        assert seen(api, auditors, revoked) == ({("consent.revoke", "permit")} if at_north else set())
        # Not the text that was shown.
        assert signed.status_code == 409
        assert seen(api, auditors, signed) == ({("consent.sign", "deny")} if at_north else set())


@pytest.mark.check(50)
def test_a_booking_is_in_the_log_of_its_clinic_the_first_as_well(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    booked = [
        post(api, access_world.sign_in(api, login), booking(clinic, starts_at=at(hour)), clinic)
        for hour, (login, clinic) in enumerate((("finch", "north"), ("heron", "north"), ("finch", "south")), 9)
    ]
    assert [answer.status_code for answer in booked] == [201] * 3
    told = {("own_appointment.book", "permit")}
    assert [seen(api, auditors, answer) for answer in booked] == [told, told, set()]


@pytest.mark.check(50)
def test_what_people_do_for_themselves_is_in_no_clinics_log(
    world: World, api: Api, auditors: dict[str, dict[str, str]]
) -> None:
    finch = access_world.sign_in(api, "finch")
    for path in ("profile", "access-log", "dependents", "forms", "appointments", "plans", "consents"):
        answer = api.get(f"/v1/me/{path}", headers=finch)
        assert answer.status_code == 200 and seen(api, auditors, answer) == set()
    edited = api.patch("/v1/me/profile", headers={**finch, "If-Match": '"0"'}, json={"sex": "male"})
    assert edited.status_code in (200, 409) and seen(api, auditors, edited) == set()


@pytest.mark.check(10)
@pytest.mark.parametrize(
    ("name", "clinic", "own"), [(WREN, "north", True), (FINCH, "south", True), (WREN, "south", False)]
)
def test_nobody_leaves_an_event_at_a_clinic_that_is_not_theirs(world: World, name: str, clinic: str, own: bool) -> None:
    with connect_admin(world.server) as admin:
        admin.execute(sql.SQL("set role {}").format(sql.Identifier(world.server.roles.of(Group.FAMILY))))
        admin.execute("select set_config('cloister.person_id', %s, false)", [str(world.people[name])])
        refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
        told: AbstractContextManager[Any] = nullcontext() if own else refused
        with told:
            admin.execute(RECORD, [world.clinic_ids[clinic]])
