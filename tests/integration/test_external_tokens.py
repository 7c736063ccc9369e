"""Tokens of an external issuer: its keys over real HTTP, rotation, and everything that is refused."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import access_world
import json_web_keys
import pytest
from access_world import Api, World
from joserfc import jwt
from joserfc.jwk import OKPKey
from json_web_keys import AUDIENCE, Idp, rsa

from api import account_care
from api.identity import jwks
from infra.errors import InvalidInput, Misconfigured, Refused
from infra.settings import settings

ME = "/v1/clinics"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def idp() -> Iterator[Idp]:
    with json_web_keys.running() as found:
        yield found


@pytest.fixture(scope="module")
def api(world: World, idp: Idp) -> Iterator[Api]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLOISTER_OIDC_ISSUER", idp.url)
        environment.setenv("CLOISTER_OIDC_AUDIENCE", AUDIENCE)
        settings.cache_clear()
        account_care.link(world.server, "manager.north", "subject-1")
        account_care.link(world.server, "auditor", "subject-auditor")
        with access_world.client(world.server) as running:
            yield running
    settings.cache_clear()


@pytest.fixture(autouse=True)
def clock(api: Api, idp: Idp) -> Clock:
    """A source of keys that knows nothing yet, and an issuer that answers."""
    idp.keys, idp.asked, idp.answers = [rsa("first")], [], {}
    source, found = api.app.state.services.external._keys, Clock()
    source.__init__(idp.url, None, "RS256", found)
    return found


def ask(api: Api, token: str) -> Any:
    return api.get(ME, headers={"Authorization": f"Bearer {token}"})


def status(api: Api, token: str) -> int:
    return int(ask(api, token).status_code)


def test_a_linked_subject_is_the_account(api: Api, idp: Idp) -> None:
    answer = ask(api, idp.token())
    assert [clinic["slug"] for clinic in answer.json()["clinics"]] == ["north"]
    assert idp.asked == ["/.well-known/openid-configuration", "/keys"]
    assert status(api, idp.token()) == 200
    assert len(idp.asked) == 2


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT"])
def test_types_of_access_tokens_are_taken(api: Api, idp: Idp, typ: str) -> None:
    assert status(api, idp.token(header={"typ": typ})) == 200


@pytest.mark.check(32)
@pytest.mark.parametrize(
    "wrong",
    [{"aud": "https://other"}, {"aud": ["https://other"]}, {"aud": None}, {"iss": "https://other"}, {"iss": None},
     {"exp": 1}, {"exp": None}, {"exp": "never"}, {"nbf": 9_999_999_999}, {"iat": 9_999_999_999}, {"iat": None},
     {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 300}, {"sub": "a\x00b"}, {"sub": "somebody else"},
     {"act": {"sub": "admin"}}, {"act": {}}],
    ids=str,
)  # fmt: skip
def test_a_token_with_one_wrong_claim_is_none(api: Api, idp: Idp, wrong: dict[str, Any]) -> None:
    assert status(api, idp.token()) == 200
    answer = ask(api, idp.token(**wrong))
    assert (answer.status_code, answer.json()["title"]) == (401, "Sign in to see this.")


@pytest.mark.parametrize("jti", [None, "a\x00b", "x" * 300, "j-1"])
def test_a_token_needs_no_id_and_an_odd_one_reaches_no_log(world: World, api: Api, idp: Idp, jti: str | None) -> None:
    assert status(api, idp.token(jti=jti)) == 200
    named = world.look("select session_id from audit.access_event order by occurred_at desc limit 1")[0][0]
    assert named == ("token:j-1" if jti == "j-1" else "token:external")


def test_one_of_several_audiences_does(api: Api, idp: Idp) -> None:
    assert status(api, idp.token(aud=["https://other", AUDIENCE])) == 200


def test_clocks_may_be_apart_by_so_many_seconds(api: Api, idp: Idp) -> None:
    now, leeway = int(time.time()), settings().oidc_leeway_seconds
    assert status(api, idp.token(exp=now - leeway + 10, nbf=now + leeway - 10, iat=now + leeway - 10)) == 200
    assert status(api, idp.token(exp=now - leeway - 10)) == 401
    assert status(api, idp.token(nbf=now + leeway + 60)) == 401


def unsigned(*parts: dict[str, Any]) -> str:
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, ""])


def hs256(claims: dict[str, Any], key_id: str, secret: bytes) -> str:
    """By hand: the library refuses a public key as the secret of a MAC."""
    head = unsigned({"alg": "HS256", "kid": key_id, "typ": "JWT"}, claims)[:-1]
    mac = hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


@pytest.mark.check(32)
def test_no_algorithm_but_the_pinned_one_and_no_key_but_its_own(api: Api, idp: Idp) -> None:
    own, other = rsa("first"), rsa("second")
    idp.keys = [own, other]
    assert status(api, idp.token(own)) == status(api, idp.token(other)) == 200
    public = own.as_pem(private=False)
    header, claims = {"kid": "first", "typ": "JWT"}, idp.claims()
    stranger = rsa("first")
    edward = OKPKey.generate_key("Ed25519", parameters={"kid": "first"})
    forged = idp.token(own).split(".")
    forged[1] = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "subject-auditor"}).encode()).decode().rstrip("=")
    for token in (
        unsigned({**header, "alg": "none"}, claims),
        unsigned({**header, "alg": "None"}, claims),
        hs256(claims, "first", public),
        hs256(claims, "first", json.dumps(own.as_dict(private=False)).encode()),
        jwt.encode({**header, "alg": "PS256"}, claims, own, algorithms=["PS256"]),
        jwt.encode({**header, "alg": "Ed25519"}, claims, edward, algorithms=["Ed25519"]),
        idp.token(stranger),
        idp.token(own, header={"kid": "second"}),
        idp.token(own, header={"kid": ""}),
        idp.token(own, header={"typ": "logout+jwt"}),
        idp.token(stranger, header={"kid": "first", "jwk": stranger.as_dict(private=False)}),
        jwt.encode({"alg": "RS256"}, claims, own),
        ".".join(forged),
        idp.token(own)[:-6] + "AAAAAA",
    ):
        assert status(api, token) == 401, token.split(".")[0]


def test_a_token_too_deep_or_too_long_is_none(api: Api, idp: Idp) -> None:
    deep = base64.urlsafe_b64encode(b'{"iss":' + b"[" * 5000).decode().rstrip("=")
    assert status(api, f"{deep}.{deep}.x") == 401
    assert status(api, idp.token(**{f"c{n}": "x" * 100 for n in range(100)})) == 401


def test_an_email_makes_nobody(world: World, api: Api, idp: Idp) -> None:
    claimed = {"email": "manager.north", "preferred_username": "manager.north", "email_verified": True}
    assert status(api, idp.token(sub="stranger", **claimed)) == 401


def test_a_subject_is_one_issuers_alone(world: World, api: Api, idp: Idp) -> None:
    account_care.link(world.server, "manager.south", "subject-2", "https://other")
    assert status(api, idp.token(sub="subject-2")) == 401


def test_an_unlinked_subject_is_nobody_at_once(world: World, api: Api, idp: Idp) -> None:
    account_care.link(world.server, "staff.north", "leaver", idp.url)
    assert status(api, idp.token(sub="leaver")) == 200
    with pytest.raises(Refused):
        account_care.link(world.server, "manager.south", "leaver", idp.url)
    account_care.unlink(world.server, "leaver", idp.url)
    assert status(api, idp.token(sub="leaver")) == 401
    with pytest.raises(InvalidInput):
        account_care.unlink(world.server, "leaver", idp.url)
    actions = {row[0] for row in world.look("select action from audit.access_event where role = 'operator'")}
    assert {"identity.link", "identity.unlink"} <= actions


def test_who_needs_a_second_factor_needs_it_elsewhere_too(api: Api, idp: Idp) -> None:
    answer = ask(api, idp.token(sub="subject-auditor"))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:cloister:problem:code-needed")
    assert status(api, idp.token(sub="subject-auditor", amr=["pwd"])) == 401
    assert status(api, idp.token(sub="subject-auditor", amr="mfa")) == 401
    assert status(api, idp.token(sub="subject-auditor", amr=["pwd", "mfa"])) == 200


def test_rotation_is_noticed_by_the_unknown_kid(api: Api, idp: Idp, clock: Clock) -> None:
    old = idp.keys[0]
    assert status(api, idp.token(old)) == 200
    new = rsa("second")
    idp.keys = [new, old]
    clock.now += jwks.PAUSE_SECONDS
    assert status(api, idp.token(new)) == status(api, idp.token(old)) == 200
    assert idp.asked.count("/keys") == 2


def test_a_key_that_the_issuer_took_back_is_forgotten_in_time(api: Api, idp: Idp, clock: Clock) -> None:
    stolen = idp.keys[0]
    assert status(api, idp.token(stolen)) == 200
    idp.keys = [rsa("second")]
    assert status(api, idp.token(stolen)) == 200
    clock.now += jwks.KEPT_SECONDS + 1
    assert status(api, idp.token(stolen)) == 401


def test_made_up_kids_do_not_hammer_the_issuer(api: Api, idp: Idp, clock: Clock) -> None:
    assert status(api, idp.token()) == 200
    clock.now += jwks.PAUSE_SECONDS
    stranger = rsa("x")
    assert {status(api, idp.token(stranger, header={"kid": str(uuid4())})) for _ in range(20)} == {401}
    assert idp.asked.count("/keys") == 2


@pytest.mark.parametrize(
    "answer",
    [(500, b"{}"), (302, b""), (200, b"no json"), (200, b"[]"), (200, b'{"keys": 7}'), (200, b" " * (jwks.LARGEST + 1)),
     (200, b'{"keys":' + b"[" * 20_000)],
    ids=["500", "redirect", "text", "list", "no keys", "too large", "too deep"],
)  # fmt: skip
def test_an_issuer_that_fails_is_a_503_and_what_is_known_goes_on(
    api: Api, idp: Idp, clock: Clock, answer: tuple[int, bytes]
) -> None:
    assert status(api, idp.token()) == 200
    idp.answers["/keys"] = answer
    clock.now += jwks.KEPT_SECONDS + 1
    assert status(api, idp.token()) == 200
    found = ask(api, idp.token(rsa("unknown")))
    assert (found.status_code, found.json()["type"]) == (503, "urn:cloister:problem:issuer-unavailable")
    assert found.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in found.text
    clock.now += jwks.STALE_SECONDS
    assert status(api, idp.token()) == 503
    idp.answers.clear()
    clock.now += jwks.PAUSE_SECONDS
    assert status(api, idp.token()) == 200


def test_an_issuer_that_is_down_is_a_503(api: Api, idp: Idp) -> None:
    source = api.app.state.services.external._keys
    source.__init__("http://127.0.0.1:1", None, "RS256", Clock())
    assert status(api, idp.token()) == 503


@pytest.mark.parametrize(
    "found", [{"issuer": "https://other", "jwks_uri": "/keys"}, {"jwks_uri": "http://example.test/keys"}, {}]
)
def test_another_issuers_configuration_is_none(api: Api, idp: Idp, found: dict[str, str]) -> None:
    document = {"issuer": idp.url, **found}
    idp.answers["/.well-known/openid-configuration"] = (200, json.dumps(document).encode())
    assert status(api, idp.token()) == 503
    assert "/keys" not in idp.asked


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_only_public_keys_of_the_pinned_algorithm_are_used() -> None:
    good, short = rsa("good"), {"kty": "RSA", "kid": "short", "e": "AQAB", "n": base64.urlsafe_b64encode(
        (2**1023 + 1).to_bytes(128, "big")).decode().rstrip("=")}  # fmt: skip
    public = good.as_dict(private=False)
    listed = [
        7, {}, {**public, "kid": None}, {**public, "kid": "enc", "use": "enc"},
        {**public, "kid": "alg", "alg": "PS256"},
        {"kty": "oct", "kid": "oct", "k": "AAAA"}, {**public, "kid": "broken", "n": "!"}, short,
        OKPKey.generate_key("Ed25519", parameters={"kid": "okp"}).as_dict(private=False), public,
        rsa("good").as_dict(private=False),
    ]  # fmt: skip
    found = jwks.usable(listed, "RS256")
    assert set(found) == {"good"}
    assert found["good"].as_dict(private=False)["n"] == public["n"]


@pytest.mark.parametrize(
    "environment",
    [{"CLOISTER_OIDC_ISSUER": "https://i.example"},
     {"CLOISTER_OIDC_ISSUER": "http://i.example", "CLOISTER_OIDC_AUDIENCE": "a"},
     {"CLOISTER_OIDC_ISSUER": "https://i.example", "CLOISTER_OIDC_AUDIENCE": "a",
      "CLOISTER_OIDC_JWKS_URL": "http://i.example/keys"},
     {"CLOISTER_OIDC_ISSUER": "https://i.example", "CLOISTER_OIDC_AUDIENCE": "a", "CLOISTER_OIDC_ALGORITHM": "HS256"},
     {"CLOISTER_OIDC_ISSUER": "https://i.example", "CLOISTER_OIDC_AUDIENCE": "a", "CLOISTER_OIDC_ALGORITHM": "none"}],
    ids=["no audience", "no tls", "keys without tls", "symmetric", "none"],
)  # fmt: skip
def test_a_service_does_not_start_with_a_weak_configuration(
    world: World, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.delenv("CLOISTER_OIDC_AUDIENCE", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with pytest.raises(Misconfigured):
        access_world.create_app(world.server)
