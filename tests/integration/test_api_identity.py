"""Who asks is proven anew each time: passwords, tokens, keys and sessions end when they should."""

import base64
import json
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import PASSWORD, Api, World
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from api import accounts, demo_accounts, system_keys
from api.identity import issuer as issuing
from api.identity import passwords
from api.identity.lockout import ATTEMPTS
from api.identity.second_factor import Secret
from infra.errors import InvalidInput, Refused
from infra.settings import settings
from policies.words import Role

ME = "/v1/clinics"


def status(api: Api, token: str) -> int:
    return api.get(ME, headers={"Authorization": f"Bearer {token}"}).status_code


def claims(principal: object, **other: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": settings().issuer, "aud": issuing.AUDIENCE, "sub": str(principal), "iat": now, "exp": now + 60}
    return {**good, "jti": "1", **other}


def unsigned(*parts: dict[str, Any]) -> str:
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


@pytest.fixture
def manager(world: World) -> object:
    return world.look("select principal_id from operational.principal where login = 'manager.north'")[0][0]


def test_a_token_of_the_issuer_is_good(world: World, api: Api, manager: Any) -> None:
    assert status(api, issuing.open_issuer(world.server).issue(manager)) == 200


def test_a_token_that_was_verified_before_still_ends(
    world: World, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = issuing.open_issuer(world.server)
    token = issuer.issue(manager, lifetime=60)
    found = issuer.verify(token)
    assert found is not None and issuer.verify(token) is found
    assert issuer.verify(f"{token}A") is None and issuer.verify(token[:-6] + "AAAAAA") is None
    ended = found.expires_at + issuing.LEEWAY_SECONDS
    monkeypatch.setattr(issuing.time, "time", lambda: ended)
    assert issuer.verify(token) is None


def test_a_token_that_was_verified_before_goes_with_its_key(world: World, manager: Any) -> None:
    issuer = issuing.open_issuer(world.server)
    token = issuer.issue(manager)
    assert issuer.verify(token)
    issuer._take([issuing.SigningKey(OKPKey.generate_key("Ed25519", auto_kid=True), datetime.now(UTC))])
    assert issuer.verify(token) is None


def test_no_more_than_so_many_tokens_are_remembered(
    world: World, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "REMEMBERED_TOKENS", 3)
    issuer = issuing.open_issuer(world.server)
    tokens = [issuer.issue(manager) for _ in range(5)]
    assert all(issuer.verify(token) for token in tokens + tokens) and len(issuer._verified) == 3


@pytest.mark.check(32)
@pytest.mark.parametrize(
    "wrong",
    [{"iss": "urn:other"}, {"aud": "urn:other"}, {"exp": 1}, {"iat": 9_999_999_999}, {"nbf": 9_999_999_999},
     {"sub": "nobody"},
     {"sub": str(uuid4())}],
    ids=lambda wrong: "-".join(wrong),
)  # fmt: skip
def test_a_token_with_one_wrong_claim_is_none(world: World, api: Api, manager: object, wrong: dict[str, Any]) -> None:
    signing = issuing.open_issuer(world.server)._signing
    header = {"alg": "Ed25519", "kid": signing.kid, "typ": "at+jwt"}

    def sign(given: dict[str, Any]) -> str:
        return jwt.encode(header, given, signing, algorithms=["Ed25519"])

    assert status(api, sign(claims(manager))) == 200
    assert status(api, sign(claims(manager, **wrong))) == 401


def test_a_token_of_another_key_or_algorithm_is_none(world: World, api: Api, manager: object) -> None:
    own = issuing.open_issuer(world.server)._signing
    header = {"kid": own.kid, "typ": "at+jwt"}
    foreign = OKPKey.generate_key("Ed25519", parameters={"kid": own.kid or ""})
    public = OctKey.import_key(json.dumps(own.as_dict(private=False)))
    good = issuing.open_issuer(world.server).issue(manager)  # type: ignore[arg-type]
    for token in (
        jwt.encode({**header, "alg": "Ed25519"}, claims(manager), foreign, algorithms=["Ed25519"]),
        jwt.encode({**header, "alg": "HS256"}, claims(manager), public, algorithms=["HS256"]),
        unsigned({**header, "alg": "none"}, claims(manager)),
        good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
    ):
        assert status(api, token) == 401


def test_the_signing_key_is_stored_encrypted_and_kept(world: World) -> None:
    first, second = issuing.open_issuer(world.server), issuing.open_issuer(world.server)
    assert first.public_keys() == second.public_keys()
    stored = bytes(world.look("select private_jwk from operational.issuer_key")[0][0])
    assert first._signing.as_dict(private=True)["d"].encode() not in stored  # type: ignore[union-attr]
    assert '"d"' not in json.dumps(first.public_keys())


def test_a_disabled_account_and_a_revoked_role_end_at_once(world: World, api: Api) -> None:
    person = accounts.add_user(world.server, "leaver", "L", Role.CLINIC_MANAGER, "north", PASSWORD)
    headers = access_world.sign_in(api, "leaver")
    assert api.get("/v1/clinics/north/segments", headers=headers).status_code == 200
    world.change("update operational.principal_role set revoked_at = now() where principal_id = %s", person)
    assert api.get("/v1/clinics/north/segments", headers=headers).status_code == 404
    world.change("update operational.principal set disabled_at = now() where principal_id = %s", person)
    assert api.get("/v1/clinics/north/segments", headers=headers).status_code == 401


def test_every_failed_sign_in_looks_the_same(world: World, api: Api) -> None:
    accounts.add_user(world.server, "clumsy", "C", Role.CLINIC_STAFF, "north", PASSWORD)

    def attempt(login: str, password: str) -> tuple[int, bytes]:
        answer = api.post("/v1/token", data={"username": login, "password": password})
        return answer.status_code, answer.content

    unknown = attempt("nobody", PASSWORD)
    wrong = [attempt("clumsy", "not the password") for _ in range(ATTEMPTS)]
    locked = attempt("clumsy", PASSWORD)
    assert {unknown, *wrong, locked} == {unknown}
    assert unknown[0] == 401
    world.change("update operational.principal set locked_until = now() where login = 'clumsy'")
    assert attempt("clumsy", PASSWORD)[0] == 200


def test_an_account_rests_longer_each_time_and_an_hour_at_most(world: World, api: Api) -> None:
    accounts.add_user(world.server, "tired", "T", Role.CLINIC_STAFF, "north", PASSWORD)
    rests = []
    for _ in range(ATTEMPTS + 8):
        api.post("/v1/token", data={"username": "tired", "password": "not the password"})
        rests += world.look(
            "select extract(epoch from locked_until - now())::integer / 15 from operational.principal"
            " where login = 'tired' and locked_until is not null"
        )
        world.change("update operational.principal set locked_until = now() where login = 'tired'")
    # In quarters of a minute, as some of it has passed when it is looked at.
    minutes = [round((row[0] + 1) / 4) for row in rests]
    assert minutes[-9:] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    # Resting, nothing is counted: who guesses on does not make it longer.
    world.change("update operational.principal set locked_until = now() + interval '1 hour' where login = 'tired'")
    before = world.look("select failed_attempts, locked_until from operational.principal where login = 'tired'")
    api.post("/v1/token", data={"username": "tired", "password": PASSWORD})
    assert world.look("select failed_attempts, locked_until from operational.principal where login = 'tired'") == before
    world.change("update operational.principal set locked_until = now() where login = 'tired'")
    assert api.post("/v1/token", data={"username": "tired", "password": PASSWORD}).status_code == 200
    after = world.look("select failed_attempts, locked_until from operational.principal where login = 'tired'")
    assert after == [(0, None)]


def test_every_failed_sign_in_does_the_same_work(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.add_user(world.server, "watched", "W", Role.CLINIC_STAFF, "north", PASSWORD)
    hashed: list[str] = []
    real = passwords.hasher()

    class Counting:
        def verify(self, password: str, stored: str) -> bool:
            hashed.append(stored.rsplit("$", 2)[0])
            return real.verify(password, stored)

    passwords._nobodys_hash()
    monkeypatch.setattr(passwords, "hasher", Counting)

    def work(login: str) -> list[str]:
        hashed.clear()
        api.post("/v1/token", data={"username": login, "password": "not the password"})
        return list(hashed)

    unknown, wrong, system = work("nobody at all"), work("watched"), work("robot.north")
    world.change("update operational.principal set locked_until = now() + interval '1 hour' where login = 'watched'")
    assert unknown == wrong == system == work("watched")
    assert len(unknown) == 1 and unknown[0].startswith("$argon2id$")


def test_a_system_has_no_password_to_try(api: Api) -> None:
    answer = api.post("/v1/token", data={"username": "robot.north", "password": ""})
    assert answer.status_code in (401, 422)


@pytest.mark.parametrize("ending", ["revoked_at = now()", "expires_at = now()"])
def test_a_key_ends(world: World, api: Api, ending: str) -> None:
    clear = system_keys.add_api_key(world.server, f"ending {ending}", "north")
    assert status(api, clear) == 200
    assert status(api, clear[:-1] + ("a" if clear[-1] != "a" else "b")) == 401
    world.change(f"update operational.api_key set {ending} where prefix = %s", clear.split("_")[1])
    assert status(api, clear) == 401


def test_keys_and_session_tokens_are_not_stored_in_clear(world: World) -> None:
    rows = world.look("select k::text from operational.api_key as k")
    secrets = [clear.split("_", 2)[2] for clear in world.keys.values()]
    assert len(rows) >= len(secrets) > 0
    assert not [secret for secret in secrets for (row,) in rows if secret in row]


def browser_sign_in(api: Api, login: str, *, without_cookies: bool = True) -> str:
    if without_cookies:
        api.cookies.clear()
    form = api.get("/sign-in").text.split('name="form" value="')[1].split('"')[0]
    answer = api.post("/sign-in", data={"login": login, "password": PASSWORD, "form": form})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if "cloister_session" in value)
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    return api.cookies["cloister_session"]


def test_a_session_is_new_at_sign_in_and_over_at_sign_out(api: Api) -> None:
    first = browser_sign_in(api, "manager.north")
    page = api.get("/clinics")
    assert page.status_code == 200
    assert api.post("/sign-out", data={"csrf": "made up"}).status_code == 404
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    assert api.post("/sign-out", data={"csrf": csrf}).status_code == 303
    api.cookies.set("cloister_session", first)
    assert api.get("/clinics").status_code == 401
    assert browser_sign_in(api, "manager.north") != first


def test_signing_in_again_ends_the_session_before(api: Api) -> None:
    first = browser_sign_in(api, "manager.north")
    second = browser_sign_in(api, "manager.north", without_cookies=False)
    assert second != first
    for cookie, status in ((first, 401), (second, 200)):
        api.cookies.clear()
        assert api.get("/clinics", cookies={"cloister_session": cookie}).status_code == status


def test_a_planted_session_is_not_the_one_that_a_sign_in_gives(api: Api) -> None:
    planted = "planted-by-somebody-else"
    browser_sign_in(api, "manager.north")
    (own,) = [cookie for cookie in api.cookies.jar if cookie.name == "cloister_session"]
    own.value = planted
    given = browser_sign_in(api, "manager.north", without_cookies=False)
    assert given != planted
    api.cookies.clear()
    assert api.get("/clinics", cookies={"cloister_session": planted}).status_code == 401


@pytest.mark.parametrize("ending", ["expires_at = now()", "last_seen_at = now() - interval '31 minutes'"])
def test_a_session_ends_by_itself(world: World, api: Api, ending: str) -> None:
    browser_sign_in(api, "manager.north")
    assert api.get("/clinics").status_code == 200
    world.change(f"update operational.session set {ending}")
    answer = api.get("/clinics", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_sign_in_form_from_elsewhere_is_refused(api: Api) -> None:
    api.cookies.clear()
    answer = api.post("/sign-in", data={"login": "manager.north", "password": PASSWORD, "form": "guessed"})
    assert answer.status_code == 400
    assert "cloister_session" not in api.cookies


def test_demo_accounts_are_made_once_and_kept_private(world: World, api: Api) -> None:
    first = demo_accounts.ensure_demo_accounts(world.server, ["north", "south"])
    assert demo_accounts.ensure_demo_accounts(world.server, ["north", "south"]) == first
    path = Path(world.server.secrets_folder.parent / "demo-accounts.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    people = [account for account in first if account.role != Role.AUTOMATION_SYSTEM]
    for account in people:
        code = Secret(account.totp).code() if account.totp else ""
        form = {"username": account.login, "password": account.secret, "code": code}
        answer = api.post("/v1/token", data=form)
        assert answer.status_code == 200
    assert [status(api, account.secret) for account in first if account not in people] == [200]


def test_demo_accounts_exist_in_a_demo_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_MODE", "production")
    with pytest.raises(Refused):
        demo_accounts.ensure_demo_accounts(world.server, ["north"])
    with pytest.raises(Refused):
        demo_accounts.demo_code(world.server, "auditor")


def test_a_demos_code_signs_in(world: World, api: Api) -> None:
    made = demo_accounts.ensure_demo_accounts(world.server, ["north", "south"])
    account = next(found for found in made if found.totp)
    code = demo_accounts.demo_code(world.server, account.login)
    world.change("update operational.principal set totp_last_step = null where login = %s", account.login)
    form = {"username": account.login, "password": account.secret, "code": code}
    assert api.post("/v1/token", data=form).status_code == 200
    with pytest.raises(InvalidInput):
        demo_accounts.demo_code(world.server, "manager.north")


@pytest.mark.parametrize(
    ("role", "clinic", "password"),
    [(Role.CLINIC_MANAGER, None, PASSWORD), (Role.PLATFORM_ADMIN, "north", PASSWORD), (Role.PATIENT, None, PASSWORD),
     (Role.CLINIC_MANAGER, "nowhere", PASSWORD), (Role.CLINIC_MANAGER, "north", "short")],
)  # fmt: skip
def test_an_account_that_makes_no_sense_is_refused(world: World, role: Role, clinic: str | None, password: str) -> None:
    with pytest.raises(InvalidInput):
        accounts.add_user(world.server, "odd", "O", role, clinic, password)
    assert world.look("select 1 from operational.principal where login = 'odd'") == []
