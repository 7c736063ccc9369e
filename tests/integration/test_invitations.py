"""Codes that make a guardian: good once, for a while, and by a sign-in that is good still."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import access_world
import pytest
from access_world import CHICK, World
from families import NOT_THERE, call, dependents, invitation, join

from api.account_care import reset_codes
from api.families import service


@pytest.mark.check(33)
def test_a_second_guardian_joins_by_a_code_that_is_good_once(fresh: World) -> None:
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api:
        code = invitation(api, "finch", whose)
        assert join(api, "finch", code).status_code == 409, "a guardian already"
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda login: join(api, login, code), ["wren", "heron"]))
        assert sorted(answer.status_code for answer in answers) == [201, 404]
        joined = ("wren", "heron")[[answer.status_code for answer in answers].index(201)]
        (found,) = dependents(api, joined)
        assert found["name"] == CHICK
        assert call(api, joined, "GET", f"me/dependents/{found['id']}/profile").json()["emergency_contacts"] is None
        for bad in (code, "x" * 32, code.swapcase()):
            assert join(api, "wren" if joined == "heron" else "heron", bad).json() == NOT_THERE
    ((stored, hashed),) = fresh.look(
        "select to_jsonb(i)::text, length(code_hash) from operational.guardian_invitation i"
    )
    assert code not in stored and hashed == 32


@pytest.mark.parametrize("why", ["over", "revoked", "of a former guardian"])
def test_a_code_that_is_good_no_longer_is_none(fresh: World, why: str) -> None:
    with access_world.client(fresh.server) as api:
        code = invitation(api, "finch", f"me/dependents/{fresh.guardianship}")
        fresh.change(
            {
                "over": "update operational.guardian_invitation set made_at = made_at - interval '8 days',"
                " expires_at = expires_at - interval '8 days'",
                "revoked": "update operational.guardian_invitation set revoked_at = now()",
                "of a former guardian": "update operational.guardianship set ends_on = current_date - 1",
            }[why]
        )
        assert join(api, "wren", code).json() == NOT_THERE
        assert fresh.look("select redeemed_at from operational.guardian_invitation") == [(None,)]


def new_password(world: World, login: str) -> None:
    """By a link, as over the network, on a connection of its own."""
    world.change(
        "insert into operational.password_link (token_hash, principal_id, expires_at)"
        " select sha256('link'), principal_id, now() + interval '1 hour' from operational.principal where login = %s",
        login,
    )
    with access_world.client(world.server) as api:
        answer = api.post("/v1/passwords", json={"token": "link", "password": access_world.PASSWORD})
        assert answer.status_code == 200


def codes_away(world: World, login: str) -> None:
    reset_codes(world.server, login)


@pytest.mark.parametrize("who", ["finch", "wren"])
@pytest.mark.parametrize("ending", [new_password, codes_away])
def test_a_new_password_or_codes_taken_away_end_the_codes_that_were_made_before(
    fresh: World, who: str, ending: Callable[[World, str], None]
) -> None:
    """Whoever had the old ones, or a session, would become a guardian by a code of their own."""
    whose = {"finch": f"me/dependents/{fresh.guardianship}", "wren": "me"}[who]
    with access_world.client(fresh.server) as api:
        code = invitation(api, who, whose)
        ending(fresh, who)
        assert join(api, "heron", code).json() == NOT_THERE
        assert join(api, "heron", invitation(api, who, whose)).status_code == 201


def test_who_invites_while_the_password_is_replaced_has_no_code(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with access_world.client(fresh.server) as api:
        was_sent = service.repository.check_inviting

        async def meanwhile(*given: Any, **named: Any) -> None:
            new_password(fresh, "wren")
            await was_sent(*given, **named)

        monkeypatch.setattr(service.repository, "check_inviting", meanwhile)
        asked = call(api, "wren", "POST", "me/invitations")
        assert (asked.status_code, asked.json()["type"]) == (401, "urn:cloister:problem:not-signed-in")
    assert fresh.look("select count(*) from operational.guardian_invitation") == [(0,)]


def test_an_invitation_is_taken_back_by_those_whose_it_is(fresh: World) -> None:
    whose = f"me/dependents/{fresh.guardianship}"
    with access_world.client(fresh.server) as api:
        made = call(api, "finch", "POST", f"{whose}/invitations").json()
        own = call(api, "wren", "POST", "me/invitations").json()
        for login, path in (
            ("wren", f"me/invitations/{made['id']}"),
            ("finch", f"{whose}/invitations/{own['id']}"),
            ("finch", f"me/invitations/{made['id']}"),
            ("finch", f"{whose}/invitations/nothing"),
        ):
            assert call(api, login, "DELETE", path).json() == NOT_THERE
        assert call(api, "finch", "DELETE", f"{whose}/invitations/{made['id']}").status_code == 204
        assert call(api, "wren", "DELETE", f"me/invitations/{own['id']}").status_code == 204
        assert call(api, "finch", "DELETE", f"{whose}/invitations/{made['id']}").json() == NOT_THERE
        for code in (made["code"], own["code"]):
            assert join(api, "heron", code).json() == NOT_THERE
