"""While an admin acts as somebody, every page that they get says so: their own, and the person's."""

import pytest
from access_world import Api, World
from callers import signed_in
from impersonating import act_as
from things import filled
from walking import pages

from tests.integration.sealing import seal_all

BANNER = "<strong>You are acting as wren</strong>"


@pytest.mark.check(30)
def test_every_page_of_who_acts_as_somebody_says_so(world: World, api: Api) -> None:
    impersonation = act_as(api, "wren")[0]
    seal_all(world.server)
    admin = signed_in(world, api, "admin").cookie
    addresses = [filled(world, path) for path in pages(api)]
    addresses += [f"/as/{impersonation}{path}" for path in addresses if path == "/me" or path.startswith("/me/")]
    said, silent = [], []
    for address in addresses:
        api.cookies.clear()
        # What is anybody's, signed in or not, knows nobody.
        is_anybodys = api.get(address).status_code == 200
        answer = api.get(address, headers=admin)
        if answer.status_code == 200 and answer.headers["content-type"].startswith("text/html") and not is_anybodys:
            (said if BANNER in answer.text else silent).append(address)
    assert silent == []
    assert sum(address.startswith("/as/") for address in said) >= 4 and len(said) > 20, said


def test_nobody_else_sees_a_banner(world: World, api: Api) -> None:
    act_as(api, "wren")
    api.cookies.clear()
    assert BANNER not in api.get("/clinics", headers=signed_in(world, api, "manager.north").cookie).text
