"""While nothing can be recorded nothing is done: good writes of every kind, over the API and the pages."""

import access_world
import pytest
from browsing import Browsers
from good_writes import Write, asked, of_admins, of_care, of_managers, of_pages, of_people, sent
from test_fail_closed import state
from test_impersonation_refusals import asked_for

from tests.integration.records import Family, add_chick

# Nothing else of these tells what a write would have done: sums of them, without the time that a caller was last seen.
ACCOUNTS = """
select p.*, k.* from
    (select count(*), count(disabled_at), count(totp_secret), max(tokens_valid_from) from operational.principal) as p,
    (select count(*), count(revoked_at), max(expires_at) from operational.api_key) as k
"""
SHOWN = {"finch": "/me/consents", "specialist.north": "/agenda"}


@pytest.mark.check(22)
def test_no_good_write_is_done_while_it_cannot_be_recorded(world: access_world.World, api: access_world.Api) -> None:
    """And each is done afterwards, or that it is refused would prove nothing."""
    add_chick(world)
    family, browsers = Family(world, api, {}), Browsers(api)
    for login in ("finch", "staff.north", "specialist.north", "manager.north", "admin"):
        family.headers[login] = access_world.sign_in(api, login)
    own = [Write("finch", method, path, body, more) for method, path, body, more in asked_for(family).values()]
    writes = [*of_people(family), *of_care(family), *of_managers(family), *of_admins(family), *own]
    pages = of_pages(family)
    shown = {login: browsers.get(login, path).text for login, path in SHOWN.items()}
    assert len(writes) + len(pages) > 70
    before = state(world), world.look(ACCOUNTS)

    world.change("alter table audit.access_event add constraint refuses check (false) not valid")
    assert {path: status for path, status in asked(family, writes).items() if status != 503} == {}
    sent(browsers, pages, shown, 503)
    assert (state(world), world.look(ACCOUNTS)) == before

    world.change("alter table audit.access_event drop constraint refuses")
    found = asked(family, writes)
    # Somebody's last guardian, or another write came before.
    late = {path: status for path, status in found.items() if status in (409, 412)}
    assert {path: status for path, status in found.items() if status // 100 != 2 and path not in late} == {}
    assert len(late) <= 4, late
