"""`act` beside `sub`: good as our issuer signed it while the impersonation lives, and in no other shape."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from access_world import Api, World
from impersonating import account, act_as, opening
from joserfc import jwt
from joserfc.jwk import OKPKey

from api.identity.issuer import open_issuer

Claims = dict[str, Any]


@pytest.fixture(scope="module")
def token(api: Api) -> str:
    """The token of an admin who acts as Wren."""
    return act_as(api, "wren")[1]["Authorization"].removeprefix("Bearer ")


def claims_of(token: str) -> Claims:
    part = token.split(".")[1]
    found: Claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def status(api: Api, token: str) -> int:
    return api.get("/v1/me/profile", headers={"Authorization": f"Bearer {token}"}).status_code


def signed(world: World, claims: Claims) -> str:
    key = open_issuer(world.server)._signing
    return jwt.encode({"alg": "Ed25519", "kid": key.kid, "typ": "at+jwt"}, claims, key, algorithms=["Ed25519"])


def without(claims: Claims, *names: str) -> Claims:
    return {name: value for name, value in claims.items() if name not in names}


def test_the_token_says_both_and_ends_with_the_impersonation(world: World, api: Api, token: str) -> None:
    claims = claims_of(token)
    assert claims["sub"] == str(account(world, "wren"))
    assert claims["act"] == {"sub": str(account(world, "admin"))}
    ends = world.look(
        "select extract(epoch from ends_at), extract(epoch from ends_at - starts_at)::integer"
        " from operational.impersonation where impersonation_id = %s",
        claims["impersonation"],
    )
    assert ends[0][1] == 30 * 60 and claims["exp"] <= ends[0][0]
    assert claims["exp"] - claims["iat"] <= 30 * 60
    assert status(api, token) == 200


def of_finch(world: World) -> UUID:
    """The impersonation of another subject by the same admin."""
    query = "select impersonation_id from operational.impersonation where subject_id = %s"
    found: UUID = world.look(query, account(world, "finch"))[0][0]
    return found


ALTERED: dict[str, Callable[[World, Claims], Claims]] = {
    "no act": lambda world, claims: without(claims, "act"),
    "no impersonation": lambda world, claims: without(claims, "impersonation"),
    "act of nobody": lambda world, claims: {**claims, "act": {}},
    "act of a text": lambda world, claims: {**claims, "act": claims["act"]["sub"]},
    "act of null": lambda world, claims: {**claims, "act": None},
    "act of a list": lambda world, claims: {**claims, "act": [claims["act"]]},
    "act of no id": lambda world, claims: {**claims, "act": {"sub": "admin"}},
    "a chain of actors": lambda world, claims: {**claims, "act": {**claims["act"], "act": {"sub": str(uuid4())}}},
    "another admin": lambda world, claims: {**claims, "act": {"sub": str(account(world, "admin.too"))}},
    "the subject": lambda world, claims: {**claims, "act": {"sub": claims["sub"]}},
    "an auditor": lambda world, claims: {**claims, "act": {"sub": str(account(world, "auditor"))}},
    "another subject": lambda world, claims: {**claims, "sub": str(account(world, "finch"))},
    "the actor as subject": lambda world, claims: {**claims, "sub": claims["act"]["sub"]},
    "an unknown impersonation": lambda world, claims: {**claims, "impersonation": str(uuid4())},
    "no id": lambda world, claims: {**claims, "impersonation": 7},
    "another's impersonation": lambda world, claims: {**claims, "impersonation": str(of_finch(world))},
}


@pytest.mark.check(32)
@pytest.mark.parametrize("name", ALTERED)
def test_an_act_that_is_altered_is_none_even_if_our_own_key_signed_it(
    world: World, api: Api, token: str, name: str
) -> None:
    """Signed with the real key: so what the issuer never said is refused by what the database knows."""
    assert opening(api, "finch").status_code == 201
    claims = claims_of(token)
    assert status(api, signed(world, claims)) == 200
    assert status(api, signed(world, ALTERED[name](world, claims))) == 401


@pytest.mark.check(32)
def test_an_act_that_is_forged_added_or_stripped_is_none(world: World, api: Api, token: str) -> None:
    issuer = open_issuer(world.server)
    claims, header = claims_of(token), {"alg": "Ed25519", "kid": issuer._signing.kid, "typ": "at+jwt"}
    foreign = OKPKey.generate_key("Ed25519", parameters={"kid": issuer._signing.kid or ""})
    assert status(api, jwt.encode(header, claims, foreign, algorithms=["Ed25519"])) == 401
    plain = issuer.issue(account(world, "wren"))
    assert status(api, plain) == 200
    for kept, body in ((token, plain), (plain, token)):
        parts = kept.split(".")
        assert status(api, ".".join([parts[0], body.split(".")[1], parts[2]])) == 401
    stripped = base64.urlsafe_b64encode(json.dumps(without(claims, "act")).encode()).decode().rstrip("=")
    assert status(api, ".".join([token.split(".")[0], stripped, token.split(".")[2]])) == 401


@pytest.mark.check(32)
def test_every_refused_token_is_recorded_and_names_nobody(world: World, api: Api, token: str) -> None:
    assert status(api, signed(world, without(claims_of(token), "act"))) == 401
    newest = world.look("select action, decision, principal_id, acting_for, impersonation_id from audit.access_event"
                        " order by occurred_at desc limit 1")  # fmt: skip
    assert newest == [("credential.check", "deny", None, None, None)]
