"""Keys end and are replaced without anything breaking: API keys of systems, signing keys of the issuer."""

import time
from typing import Any

import access_world
import httpx
import pytest
from access_world import Api, World
from joserfc import jwt
from joserfc.jwk import KeySet
from typer.testing import CliRunner

from api import accounts, system_keys
from api.identity import issuer as issuing
from api.identity.issuer import open_issuer
from infra.errors import InvalidInput, Misconfigured, Refused
from infra.settings import settings
from policies.classification import Field
from policies.words import Purpose, Role

MEMBERS = "/v1/clinics/north/segments/everybody/members"


def ask(api: Api, token: str, path: str = MEMBERS) -> httpx.Response:
    return api.get(path, headers={"Authorization": f"Bearer {token}"})


def prefix(key: str) -> str:
    return key.split("_")[1]


def events(world: World, action: str) -> list[Any]:
    rows = world.look("select resource_id from audit.access_event where action = %s order by occurred_at", action)
    return [row[0] for row in rows]


def test_a_replaced_key_stays_good_for_the_overlap_and_the_new_one_has_its_scope(world: World, api: Api) -> None:
    old = system_keys.add_api_key(world.server, "r1", "north", fields=[Field.NAME], segments=["everybody"])
    new = system_keys.rotate(world.server, prefix(old), overlap_days=2)
    assert ask(api, old).json() == ask(api, new).json() != {}
    assert set(ask(api, new).json()["members"][0]) == {"patient_id", "name"}
    assert ask(api, new, MEMBERS.replace("everybody", "elders")).status_code == 404
    rows = world.look(
        "select expires_at between now() + interval '47 hours' and now() + interval '48 hours', replaced_by is not null"
        " from operational.api_key where prefix = %s",
        prefix(old),
    )
    assert rows == [(True, True)]
    world.change("update operational.api_key set expires_at = now() where prefix = %s", prefix(old))
    assert (ask(api, old).status_code, ask(api, new).status_code) == (401, 200)
    assert events(world, "api_key.rotate") == [prefix(new)]


def test_an_overlap_never_makes_a_key_last_longer(world: World) -> None:
    old = system_keys.add_api_key(world.server, "r2", "north", days=1)
    system_keys.rotate(world.server, prefix(old), overlap_days=30)
    rows = world.look("select expires_at < now() + interval '25 hours' from operational.api_key where prefix = %s",
                      prefix(old))  # fmt: skip
    assert rows == [(True,)]


def test_a_key_is_replaced_once_and_only_while_it_is_good(world: World) -> None:
    old = system_keys.add_api_key(world.server, "r3", "north")
    new = system_keys.rotate(world.server, prefix(old))
    with pytest.raises(Refused):
        system_keys.rotate(world.server, prefix(old))
    world.change("update operational.api_key set expires_at = now() where prefix = %s", prefix(new))
    with pytest.raises(Refused):
        system_keys.rotate(world.server, prefix(new))


def test_a_revoked_key_ends_at_once_and_stays_so(world: World, api: Api) -> None:
    clear = system_keys.add_api_key(world.server, "r4", "north")
    assert ask(api, clear).status_code == 200
    system_keys.revoke(world.server, prefix(clear))
    assert ask(api, clear).status_code == 401
    for change in (system_keys.revoke, system_keys.rotate):
        for gone in (prefix(clear), "000000000000", "' or 1=1"):
            with pytest.raises(InvalidInput):
                change(world.server, gone)
    assert prefix(clear) in events(world, "api_key.revoke")


def test_last_use_is_written_once_a_minute(world: World, api: Api) -> None:
    clear = system_keys.add_api_key(world.server, "r5", "north")

    def used() -> Any:
        return world.look("select last_used_at from operational.api_key where prefix = %s", prefix(clear))[0][0]

    assert used() is None
    ask(api, clear)
    first = used()
    ask(api, clear)
    assert used() == first is not None
    world.change(
        "update operational.api_key set last_used_at = now() - interval '61 seconds' where prefix = %s", prefix(clear)
    )
    ask(api, clear)
    assert used() > first


def test_the_list_shows_scope_and_state_and_no_secret(world: World) -> None:
    clear = system_keys.add_api_key(world.server, "r6", "south", segments=["elders"], purpose=Purpose.CARE)
    found = {key.prefix: key for key in system_keys.list_keys(world.server, "south")}
    assert {key.clinic for key in found.values()} == {"south"}
    key = found[prefix(clear)]
    assert (key.login, key.segments, key.fields, key.state) == ("r6", ["elders"], ["patient_id"], "good")
    assert clear.split("_", 2)[2] not in repr(found)
    assert len(system_keys.list_keys(world.server)) > len(found)


@pytest.mark.parametrize(
    "login", ["robot\u202e", "robot\x00", "robot\u200b", "", "  ", "ro\nbot", "cafe\u0301", "\ud800"]
)
@pytest.mark.check(41)
def test_a_login_that_looks_like_another_is_refused(world: World, login: str) -> None:
    with pytest.raises(InvalidInput):
        system_keys.add_api_key(world.server, login, "north")
    with pytest.raises(InvalidInput):
        accounts.add_user(world.server, login, "N", Role.CLINIC_STAFF, "north", access_world.PASSWORD)


def test_a_persons_login_is_no_systems_and_the_other_way_round(world: World) -> None:
    with pytest.raises(InvalidInput):
        system_keys.add_api_key(world.server, "manager.north", "north")
    with pytest.raises(InvalidInput):
        accounts.add_user(world.server, "robot.north", "R", Role.CLINIC_STAFF, "north", access_world.PASSWORD)


def commanded(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    from infra.cli.main import build

    monkeypatch.setattr("infra.database.server", lambda: world.server)
    done = CliRunner().invoke(build(), arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return str(done.stdout).strip()


def test_an_operator_keeps_keys_by_commands(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    first = commanded(
        world, monkeypatch, "api-key", "add", "c1", "--clinic", "north", "--field", "name", "--days", "30"
    )
    second = commanded(world, monkeypatch, "api-key", "rotate", prefix(first), "--overlap", "0")
    assert (ask(api, first).status_code, ask(api, second).status_code) == (401, 200)
    listed = commanded(world, monkeypatch, "api-key", "list", "--clinic", "north")
    assert prefix(first) in listed and prefix(second) in listed
    commanded(world, monkeypatch, "api-key", "revoke", prefix(second))
    assert ask(api, second).status_code == 401


def test_others_verify_our_tokens_with_what_we_publish(world: World, api: Api) -> None:
    found = api.get("/.well-known/openid-configuration")
    document = found.json()
    assert document["issuer"] == settings().issuer
    assert document["jwks_uri"] == f"{document['issuer']}/.well-known/jwks.json"
    keys = api.get("/.well-known/jwks.json")
    assert "max-age=300" in keys.headers["cache-control"] and "max-age=300" in found.headers["cache-control"]
    assert [key for key in keys.json()["keys"] if "d" in key] == []
    token = access_world.sign_in(api, "manager.north")["Authorization"].removeprefix("Bearer ")
    decoded = jwt.decode(token, KeySet.import_key_set(keys.json()), algorithms=["Ed25519"])
    assert decoded.claims["iss"] == document["issuer"] and decoded.claims["amr"] == ["pwd"]


def test_a_public_address_names_the_issuer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOISTER_PUBLIC_URL", "https://cloister.example")
    settings.cache_clear()
    with access_world.client(world.server) as api:
        document = api.get("/.well-known/openid-configuration").json()
        assert document["token_endpoint"] == "https://cloister.example/v1/token"
        assert access_world.sign_in(api, "manager.north")
    monkeypatch.setenv("CLOISTER_PUBLIC_URL", "https://cloister.example/with/path")
    settings.cache_clear()
    with pytest.raises(Misconfigured):
        settings()


def test_a_new_signing_key_is_published_before_it_signs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    principal = world.look("select principal_id from operational.principal where login = 'manager.north'")[0][0]

    def kid(token: str) -> str:
        return str(jwt.decode(token, KeySet.import_key_set(issuer.public_keys()), algorithms=["Ed25519"]).header["kid"])

    world.change("update operational.issuer_key set created_at = now() - interval '1 hour'")
    issuer = open_issuer(world.server)
    old_token = issuer.issue(principal)
    new = issuing.rotate(world.server)
    issuer = open_issuer(world.server)
    assert {key["kid"] for key in issuer.public_keys()["keys"]} >= {new, kid(old_token)}  # type: ignore[attr-defined]
    assert kid(issuer.issue(principal)) == kid(old_token) != new
    world.change(
        "update operational.issuer_key set created_at = created_at - make_interval(secs => %s) where key_id = %s",
        issuing.PUBLISHED_SECONDS, new,
    )  # fmt: skip
    issuer = open_issuer(world.server)
    assert kid(issuer.issue(principal)) == new
    assert issuer.verify(old_token)
    ends = world.look(
        "select retired_at > now() + interval '24 hours' from operational.issuer_key where key_id <> %s", new
    )
    assert ends and all(row[0] for row in ends)
    world.change("update operational.issuer_key set retired_at = now() where key_id <> %s", new)
    assert open_issuer(world.server).verify(old_token) is None
    assert new in events(world, "issuer_key.rotate")


def test_a_running_service_takes_up_a_rotation(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {key["kid"] for key in api.get("/.well-known/jwks.json").json()["keys"]}
    new = issuing.rotate(world.server)
    assert new not in before
    assert {key["kid"] for key in api.get("/.well-known/jwks.json").json()["keys"]} == before
    later = time.monotonic() + issuing.RELOADED_SECONDS
    monkeypatch.setattr(issuing.time, "monotonic", lambda: later)
    assert new in {key["kid"] for key in api.get("/.well-known/jwks.json").json()["keys"]}


def test_keys_that_cannot_be_read_anew_leave_those_we_have(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise issuing.psycopg.OperationalError("Canary")

    monkeypatch.setattr(issuing, "_read", away)
    later = time.monotonic() + 10 * issuing.RELOADED_SECONDS
    monkeypatch.setattr(issuing.time, "monotonic", lambda: later)
    assert api.get("/v1/clinics", headers=access_world.sign_in(api, "manager.north")).status_code == 200


@pytest.mark.check(32)
def test_a_forged_act_is_a_401(world: World, api: Api) -> None:
    principal = world.look("select principal_id from operational.principal where login = 'manager.north'")[0][0]
    issuer = open_issuer(world.server)
    good = issuer.issue(principal)
    assert ask(api, good).status_code == 200
    claims = jwt.decode(good, issuer._signing, algorithms=["Ed25519"]).claims
    header = {"alg": "Ed25519", "kid": issuer._signing.kid, "typ": "at+jwt"}
    acting = jwt.encode(header, {**claims, "act": {"sub": "x"}}, issuer._signing, algorithms=["Ed25519"])
    assert ask(api, acting).status_code == 401
    # Stripped or added after signing.
    for one, other in ((good, acting), (acting, good)):
        assert ask(api, ".".join([*one.split(".")[:2], other.split(".")[2]])).status_code == 401


def test_a_key_ends_with_its_systems_role(world: World, api: Api) -> None:
    key = system_keys.add_api_key(world.server, "roleless-system", "north")
    assert ask(api, key).status_code == 200
    world.change(
        "update operational.principal_role set revoked_at = now() where principal_id ="
        " (select principal_id from operational.principal where login = 'roleless-system')"
    )
    assert ask(api, key).status_code == 401


def test_a_key_has_known_fields_alone(world: World) -> None:
    with pytest.raises(InvalidInput, match="no field 'shoe_size'"):
        system_keys.add_api_key(world.server, "s1", "north", fields=["shoe_size"])
