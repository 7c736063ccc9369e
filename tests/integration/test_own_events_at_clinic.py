"""What people carry away from a clinic, or bring to one, is in that clinic's log, and in no other clinic's."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import access_world
import httpx
import psycopg
import pytest
from access_world import FINCH, WREN, Api, World
from auditing import auditors, found
from exporting import ask
from psycopg import sql

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
