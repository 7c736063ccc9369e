"""Codes at sign-in: who needs one, that each works once, and that nothing opens before it is given."""

import time
from concurrent.futures import ThreadPoolExecutor

import access_world
import pytest
from access_world import PASSWORD, Api, World
from pages_of import browser_sign_in, send

from api import account_care, accounts
from api.identity import second_factor
from api.identity.issuer import open_issuer
from api.identity.lockout import ATTEMPTS
from api.identity.second_factor import Secret
from infra.encryption.rotation.book import Kind
from infra.errors import InvalidInput
from policies.words import SECOND_FACTOR_ROLES, Role
from tests.integration.sealed_people import turn

CODE_NEEDED = "urn:cloister:problem:code-needed"


@pytest.fixture
def auditor(world: World) -> str:
    """An auditor with codes, nobody else's to lock out."""
    login = f"auditor.{time.monotonic_ns()}"
    accounts.add_user(world.server, login, "A", Role.PLATFORM_AUDITOR, None, PASSWORD)
    account_care.enrol(world.server, login, access_world.TOTP)
    return login


@pytest.fixture
def newcomer(world: World) -> str:
    """An auditor who has not set up codes yet."""
    login = f"new.{time.monotonic_ns()}"
    accounts.add_user(world.server, login, "N", Role.CLINIC_AUDITOR, "north", PASSWORD)
    return login


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> int:
    """A present that stands still, so that a half minute cannot end within a test."""
    now = second_factor.current_step()
    monkeypatch.setattr(second_factor, "current_step", lambda: now)
    return now


def token(api: Api, login: str, code: str = "", password: str = PASSWORD) -> tuple[int, str]:
    answer = api.post("/v1/token", data={"username": login, "password": password, "code": code})
    return answer.status_code, answer.json().get("type", "")


@pytest.mark.parametrize("role", Role)
def test_auditors_and_admins_need_a_code(role: Role) -> None:
    expected = {Role.CLINIC_AUDITOR, Role.PLATFORM_AUDITOR, Role.PLATFORM_ADMIN}
    assert (role in SECOND_FACTOR_ROLES) == (role in expected)


def test_a_code_is_asked_for_after_the_right_password_alone(api: Api, auditor: str, newcomer: str) -> None:
    assert token(api, auditor) == (401, CODE_NEEDED)
    assert token(api, newcomer) == (401, CODE_NEEDED)
    assert token(api, auditor, password="not the password") == token(api, "nobody") == token(api, auditor, "000000")


def test_a_code_is_good_beside_its_half_minute_and_once(api: Api, auditor: str, step: int) -> None:
    totp = access_world.TOTP
    assert token(api, auditor, totp.code(step - 2))[0] == 401
    assert token(api, auditor, totp.code(step - 1))[0] == 200
    assert token(api, auditor, totp.code(step - 1))[0] == 401
    assert token(api, auditor, f"{totp.code(step)[:3]} {totp.code(step)[3:]}")[0] == 200
    assert token(api, auditor, totp.code(step + 1))[0] == 200
    # Older than the last one accepted, though its time is not over.
    assert token(api, auditor, totp.code(step))[0] == 401
    assert token(api, auditor, totp.code(step + 2))[0] == 401


def test_of_two_who_come_with_one_code_at_once_one_gets_in(api: Api, auditor: str, step: int) -> None:
    code = access_world.TOTP.code(step)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: token(api, auditor, code)[0], range(6)))
    assert sorted(answers) == [200, 401, 401, 401, 401, 401]


def test_guessing_codes_rests_the_account_whatever_the_password_does(
    world: World, api: Api, auditor: str, step: int
) -> None:
    for _ in range(ATTEMPTS):
        assert token(api, auditor, "not one")[0] == 401
        assert token(api, auditor) == (401, CODE_NEEDED)
    assert token(api, auditor, access_world.TOTP.code(step))[0] == 401
    world.change("update operational.principal set totp_locked_until = now() where login = %s", auditor)
    assert token(api, auditor, access_world.TOTP.code(step))[0] == 200
    assert world.look("select totp_failures from operational.principal where login = %s", auditor) == [(0,)]


def test_a_token_without_a_code_ends_when_its_owner_needs_one(world: World, api: Api) -> None:
    principal = accounts.add_user(world.server, "promoted", "P", Role.CLINIC_STAFF, "north", PASSWORD)
    old = access_world.sign_in(api, "promoted")
    assert api.get("/v1/clinics", headers=old).status_code == 200
    accounts.add_user(world.server, "promoted", "P", Role.PLATFORM_ADMIN, None, None)
    answer = api.get("/v1/clinics", headers=old)
    assert (answer.status_code, answer.json()["type"]) == (401, CODE_NEEDED)
    forged = open_issuer(world.server).issue(principal, methods=("pwd", "face"))
    assert api.get("/v1/clinics", headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_until_the_code_a_session_opens_nothing_else(api: Api, auditor: str) -> None:
    browser_sign_in(api, auditor)
    for path in ("/", "/audit", "/clinics", "/sessions", "/clinics/north/segments"):
        answer = api.get(path, headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/code"), path
    assert send(api, "/sessions/end-others", "/sign-in/code").status_code == 401


def test_the_code_makes_a_new_session_and_ends_the_old(world: World, api: Api, auditor: str) -> None:
    half = browser_sign_in(api, auditor)
    wrong = send(api, "/sign-in/code", "/sign-in/code", code="000000")
    assert wrong.status_code == 401 and "not good now" in wrong.text
    answer = send(api, "/sign-in/code", "/sign-in/code", code=access_world.fresh_code(world.server, auditor))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert api.cookies["cloister_session"] != half
    assert api.get("/audit").status_code == 200
    api.cookies.set("cloister_session", half)
    assert api.get("/sign-in/code").status_code == 401


def set_up(api: Api, login: str) -> tuple[Secret, list[str]]:
    browser_sign_in(api, login)
    page = api.get("/sign-in/set-up").text
    secret = Secret(page.split('class="secret">')[1].split("<")[0].replace(" ", ""))
    answer = send(api, "/sign-in/set-up", "/sign-in/set-up", code=secret.code())
    assert answer.status_code == 200, answer.text
    return secret, [part.split("<")[0] for part in answer.text.split("<li><code>")[1:]]


def test_codes_are_set_up_at_the_first_sign_in(world: World, api: Api, newcomer: str) -> None:
    secret, recovery = set_up(api, newcomer)
    assert len(set(recovery)) == second_factor.RECOVERY_CODES
    assert api.get("/audit").status_code == 200
    assert secret.base32 not in api.get("/sign-in/set-up", follow_redirects=True).text
    stored = world.look("select p::text from operational.principal as p where login = %s", newcomer)[0][0]
    hashes = world.look("select r::text from operational.recovery_code as r")
    assert secret.base32.encode().hex() not in stored
    assert not [code for code in recovery for (row,) in hashes if code in row or code.encode().hex() in row]


def test_a_secret_is_shown_to_the_session_that_sets_it_up_alone(api: Api, newcomer: str) -> None:
    def shown() -> str:
        return api.get("/sign-in/set-up").text.split('class="secret">')[1].split("<")[0]

    first = browser_sign_in(api, newcomer)
    theirs = shown()
    assert shown() == theirs
    browser_sign_in(api, newcomer)
    assert shown() != theirs
    set_up(api, newcomer)
    api.cookies.set("cloister_session", first)
    # The session that came second cannot set up another app any more.
    answer = api.get("/sign-in/set-up", headers={"accept": "text/html"})
    assert answer.status_code == 303 and "secret" not in answer.text


def test_a_wrong_first_code_sets_nothing_up(world: World, api: Api, newcomer: str) -> None:
    browser_sign_in(api, newcomer)
    answer = send(api, "/sign-in/set-up", "/sign-in/set-up", code="000000")
    assert answer.status_code == 401
    assert world.look("select totp_secret from operational.principal where login = %s", newcomer) == [(None,)]
    assert api.get("/audit").status_code == 401


def test_a_recovery_code_works_once_and_is_an_event(world: World, api: Api, newcomer: str) -> None:
    _, recovery = set_up(api, newcomer)
    assert token(api, newcomer, recovery[0].upper())[0] == 200
    assert token(api, newcomer, recovery[0])[0] == 401
    browser_sign_in(api, newcomer)
    assert send(api, "/sign-in/code", "/sign-in/code", code=recovery[1]).status_code == 303
    assert api.get("/audit").status_code == 200
    used = world.look(
        "select count(*) from audit.access_event as e inner join operational.principal as p using (principal_id)"
        " where p.login = %s and e.action = 'recovery_code.use'",
        newcomer,
    )
    assert used == [(2,)]


def test_an_operator_takes_codes_away(world: World, api: Api, newcomer: str) -> None:
    _, recovery = set_up(api, newcomer)
    account_care.reset_codes(world.server, newcomer)
    assert api.get("/audit").status_code == 401
    assert token(api, newcomer, recovery[0]) == (401, CODE_NEEDED)
    set_up(api, newcomer)
    assert token(api, newcomer, recovery[0])[0] == 401
    with pytest.raises(InvalidInput):
        account_care.reset_codes(world.server, "nobody at all")


def test_every_step_is_an_event_with_its_outcome(world: World, api: Api, newcomer: str) -> None:
    browser_sign_in(api, newcomer)
    send(api, "/sign-in/set-up", "/sign-in/set-up", code="000000")
    set_up(api, newcomer)
    token(api, newcomer, "000000")
    events = world.look(
        "select e.action, e.decision from audit.access_event as e inner join operational.principal as p"
        " using (principal_id) where p.login = %s order by e.occurred_at",
        newcomer,
    )
    assert events == [
        ("session.sign_in", "permit"),
        ("second_factor.enrol", "deny"),
        ("session.sign_in", "permit"),
        ("second_factor.enrol", "permit"),
        ("session.second_factor", "deny"),
    ]


def test_the_rfcs_own_codes() -> None:
    """RFC 6238, appendix B, for SHA-1: the last six of its eight digits."""
    secret = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    times = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
    assert {at: secret.code(at // 30) for at in times} == times


def test_a_secret_is_bound_to_its_principal(world: World, api: Api, auditor: str, newcomer: str) -> None:
    account_care.enrol(world.server, newcomer, Secret.fresh())
    world.change(
        "update operational.principal set totp_secret = (select totp_secret from operational.principal"
        " where login = %s) where login = %s",
        auditor,
        newcomer,
    )
    assert token(api, newcomer, access_world.TOTP.code())[0] == 500


@pytest.mark.check(37)
def test_codes_stay_good_while_their_keys_rotate(api: Api, world: World, auditor: str, step: int) -> None:
    totp = access_world.TOTP
    before = world.look("select totp_secret from operational.principal where login = %s", auditor)
    turn(world.server, Kind.KEK, Kind.DATA)  # leaves the row that the test above has moved
    after = world.look("select totp_secret from operational.principal where login = %s", auditor)
    assert before[0][0][1:17] != after[0][0][1:17], "it stands under another key"
    assert token(api, auditor, totp.code(step))[0] == 200
