"""Pages of whom an admin acts as: each under the impersonation that its address names, and nobody else's."""

import re
from uuid import uuid4

import access_world
import pytest
from access_world import FINCH, WREN, Api, World
from browsing import Browsers
from impersonating import account, act_as, end


@pytest.fixture
def browsers(api: Api) -> Browsers:
    return Browsers(api)


def banners(page: str) -> list[str]:
    return re.findall(r"You are acting as (\w+)<", page)


@pytest.mark.check(30)
def test_two_stand_side_by_side_and_each_page_says_and_records_its_own(
    world: World, api: Api, browsers: Browsers
) -> None:
    of_finch, _ = act_as(api, "finch")
    alone = browsers.get("admin", "/me/profile").text
    assert FINCH in alone and banners(alone) == ["finch"] and f'href="/as/{of_finch}/me/family"' in alone
    of_wren, _ = act_as(api, "wren")
    for impersonation, login, name in ((of_finch, "finch", FINCH), (of_wren, "wren", WREN)):
        answer = browsers.get("admin", f"/as/{impersonation}/me/profile")
        assert name in answer.text and banners(answer.text) == [login]
        assert f'name="impersonation" value="{impersonation}"' in answer.text
        assert re.findall(r'href="(/me[^"]*)"', answer.text) == []
        seen = world.look(
            "select distinct principal_id, impersonation_id::text from audit.access_event where request_id = %s",
            answer.headers["x-request-id"],
        )
        assert seen == [(account(world, "admin"), impersonation)]
    assert sorted(banners(browsers.get("admin", "/clinics").text)) == ["finch", "wren"]
    first = browsers.get("admin", "/me/profile").text
    assert FINCH in first and banners(first) == ["finch"], "the one that ends first"
    assert end(api, of_finch).status_code == 200
    gone = browsers.get("admin", f"/as/{of_finch}/me/profile", 404).text
    assert FINCH not in gone and banners(gone) == ["wren"]
    assert end(api, of_wren).status_code == 200


@pytest.mark.check(31)
def test_somebody_elses_or_a_made_up_impersonation_is_not_there_and_that_is_recorded(
    world: World, api: Api, browsers: Browsers
) -> None:
    impersonation, _ = act_as(api, "finch")
    try:
        for login, named in (("admin", uuid4()), ("wren", impersonation), ("manager.north", impersonation)):
            answer = browsers.get(login, f"/as/{named}/me/profile", 404)
            assert FINCH not in answer.text
            assert world.look(
                "select action, decision from audit.access_event where request_id = %s", answer.headers["x-request-id"]
            ) == [("person.read", "deny")]
        browsers.get("admin", f"/as/{impersonation}/clinics", 404)
        browsers.get("admin", f"/as/{impersonation}/me/consents", 404)
    finally:
        end(api, impersonation)


@pytest.mark.check(31)
@pytest.mark.parametrize(
    "change",
    [
        "update operational.principal set disabled_at = now() where login = 'finch'",
        """
        insert into operational.principal_role (principal_id, role, clinic_id)
        select principal_id, 'clinic_staff', 1 from operational.principal where login = 'finch'""",
    ],
    ids=["disabled", "staff"],
)
def test_who_may_not_be_acted_as_any_longer_is_not_there_and_never_the_admin_instead(fresh: World, change: str) -> None:
    newcomer = fresh.newcomer("north")
    fresh.change("update operational.principal set person_id = %s where login = 'admin'", newcomer)
    fresh.change(
        "insert into operational.principal_role (principal_id, role)"
        " select principal_id, 'patient' from operational.principal where login = 'admin'"
    )
    with access_world.client(fresh.server) as api:
        browsers = Browsers(api)
        assert "Canary Crane" in browsers.get("admin", "/me/profile").text
        impersonation, _ = act_as(api, "finch")
        fresh.change(change)
        for path in (f"/as/{impersonation}/me/profile", "/me/profile"):
            answer = browsers.get("admin", path, 404)
            assert "Canary Crane" not in answer.text and FINCH not in answer.text
            assert fresh.look(
                "select action, decision from audit.access_event where request_id = %s", answer.headers["x-request-id"]
            ) == [("person.read", "deny")]
