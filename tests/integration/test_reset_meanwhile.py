"""Whoever signs in while what they sign in with is replaced has nothing of it: no session, no token, no codes."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import access_world
import pytest
from access_world import PASSWORD, TOTP, Api, World
from pages_of import browser_sign_in, fields, send

from api import account_care, accounts
from api.identity import passwords, second_factor
from policies.words import Role

ANOTHER = "another long password"
DENIED = "select action from audit.access_event where decision = 'deny' order by occurred_at desc limit 1"


def login_of(world: World, role: Role) -> str:
    """A new account at north."""
    login = f"meanwhile.{time.monotonic_ns()}"
    accounts.add_user(world.server, login, "M", role, "north", PASSWORD)
    return login


def replace_password(world: World, login: str, role: Role, new: str = ANOTHER) -> Callable[[], Any]:
    return lambda: accounts.add_user(world.server, login, "M", role, "north", new)


def after(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, then: Callable[[], Any]) -> None:
    """Have something happen once a step of a sign-in is done."""
    step = getattr(module, name)

    async def done(*given: Any, **named: Any) -> Any:
        found = await step(*given, **named)
        await asyncio.to_thread(then)
        return found

    monkeypatch.setattr(module, name, done)


def before(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, then: Callable[[], Any]) -> None:
    """Have something happen just before a step of a sign-in."""
    step = getattr(module, name)

    async def begun(*given: Any, **named: Any) -> Any:
        await asyncio.to_thread(then)
        return await step(*given, **named)

    monkeypatch.setattr(module, name, begun)


@pytest.fixture
def page(api: Api) -> str:
    """The hidden field of a sign-in page, in a browser without a session."""
    api.cookies.clear()
    return fields(api.get("/sign-in").text)["form"]


def test_an_old_password_begins_no_session_once_it_is_replaced(
    world: World, api: Api, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_of(world, Role.CLINIC_STAFF)
    after(monkeypatch, passwords, "fits", replace_password(world, login, Role.CLINIC_STAFF))
    answer = api.post("/sign-in", data={"form": page, "login": login, "password": PASSWORD})
    assert (answer.status_code, "cloister_session" in api.cookies) == (401, False)
    assert world.look(DENIED) == [("session.sign_in",)]


def test_an_old_password_gets_no_token_once_it_is_replaced(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_of(world, Role.CLINIC_STAFF)
    after(monkeypatch, passwords, "fits", replace_password(world, login, Role.CLINIC_STAFF))
    assert api.post("/v1/token", data={"username": login, "password": PASSWORD}).status_code == 401
    assert world.look(DENIED) == [("token.issue",)]


def test_a_session_that_has_ended_is_not_completed_by_a_code(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_of(world, Role.CLINIC_AUDITOR)
    account_care.enrol(world.server, login, TOTP)
    browser_sign_in(api, login)
    before(monkeypatch, second_factor, "verify", replace_password(world, login, Role.CLINIC_AUDITOR))
    assert send(api, "/sign-in/code", "/sign-in/code", code=TOTP.code()).status_code == 401
    live = "select count(*) from operational.session inner join operational.principal using (principal_id)"
    assert world.look(f"{live} where login = %s and revoked_at is null", login) == [(0,)]


def test_a_session_that_has_ended_sets_up_no_codes(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_of(world, Role.CLINIC_AUDITOR)
    browser_sign_in(api, login)
    monkeypatch.setattr(second_factor.Secret, "fresh", lambda: TOTP)
    before(monkeypatch, second_factor, "enrol", replace_password(world, login, Role.CLINIC_AUDITOR))
    assert send(api, "/sign-in/set-up", "/sign-in/set-up", code=TOTP.code()).status_code == 401
    codes = "select totp_secret is null from operational.principal where login = %s"
    assert world.look(codes, login) == [(True,)]


def test_a_token_of_the_very_second_of_a_new_password_ends_with_the_old_one(world: World, api: Api) -> None:
    login = login_of(world, Role.CLINIC_STAFF)
    again = replace_password(world, login, Role.CLINIC_STAFF, PASSWORD)
    for _ in range(10):
        began, old = int(time.time()), access_world.sign_in(api, login)
        again()
        new = access_world.sign_in(api, login)
        again()
        assert [api.get("/v1/clinics", headers=token).status_code for token in (old, new)] == [401, 401]
        if began == int(time.time()):
            break
    else:
        raise AssertionError("no second was long enough")
    assert api.get("/v1/clinics", headers=access_world.sign_in(api, login)).status_code == 200, (
        "the newest one's is good"
    )
