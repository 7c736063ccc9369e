"""While nothing can be recorded nothing is done: a good write to every route that writes, pages included."""

import re

import access_world
import pytest
from access_world import Api, World
from browsing import Browsers
from entering import of_anybody
from good_forms import Form, of_pages, sent, shown_before
from good_writes import Write, asked, of_admins, of_care, of_managers, of_people, of_things
from provisional import Mailbox
from provisional import mailbox as mailbox
from test_fail_closed import nothing_recorded, state
from test_impersonation_refusals import asked_for
from test_routes_by_roles import routes
from things import Things

from tests.integration.records import Family, add_chick

# Nothing else of these tells what a write would have done: sums of them, without the time that a caller was last seen.
ACCOUNTS = """
select p.*, k.* from
    (select count(*), count(disabled_at), count(totp_secret), max(tokens_valid_from) from operational.principal) as p,
    (select count(*), count(revoked_at), max(expires_at) from operational.api_key) as k
"""
# What signing in leaves, or a code that is used up; that a try was counted stays, whatever comes of it.
SIGNED_IN = """
select s.*, c.*, l.*, v.*, p.* from
    (select count(*), count(revoked_at), count(second_factor_at) from operational.session) as s,
    (select count(*), count(used_at) from operational.recovery_code) as c,
    (select count(*), count(used_at) from operational.password_link) as l,
    (select count(*), count(answered_at), max(expires_at) from operational.verification) as v,
    (select count(*), count(totp_secret), max(totp_last_step), md5(string_agg(password_hash, '' order by login))
    from operational.principal) as p
"""
# What is ticked off today is prescribed for today.
EVERY_DAY = "update operational.exercise set weekdays = array[1, 2, 3, 4, 5, 6, 7], ends_on = current_date + 7"
TODAY = """
insert into operational.adherence (clinic_id, patient_id, plan_id, day, prescribed, done)
select distinct e.clinic_id, e.patient_id, e.plan_id, (now() at time zone c.time_zone)::date, 2, 0
from operational.exercise as e inner join operational.clinic as c on c.clinic_id = e.clinic_id
on conflict do nothing
"""
LOGINS = ("finch", "wren", "staff.north", "specialist.north", "manager.north", "admin")


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Tables that are not as they were."""
    return [table for table, digest in after.items() if digest != before[table]]


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {login: access_world.sign_in(api, login) for login in LOGINS})


@pytest.fixture(scope="module")
def writes(family: Family) -> list[Write]:
    """Over the API."""
    asked = asked_for(family)
    # Of another dependent than whom the other writes are about.
    method, _, body, more = asked.pop("ceases to be a guardian")
    leaves = Things(family.world, "/me/dependents/{dependent}/family/leave").address.removesuffix("/family/leave")
    own = [Write("finch", *each) for each in (*asked.values(), (method, leaves, body, more))]
    return [
        *of_people(family), *of_care(family), *of_managers(family), *of_admins(family), *own, *of_things(family)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def forms(family: Family) -> list[Form]:
    """Of the pages."""
    return of_pages(family)


@pytest.mark.check(22)
def test_no_good_write_is_done_while_it_cannot_be_recorded(
    family: Family, writes: list[Write], forms: list[Form]
) -> None:
    """And each is done afterwards, or that it is refused would prove nothing."""
    world, browsers = family.world, Browsers(family.api)
    world.change(EVERY_DAY)
    world.change(TODAY)
    shown = shown_before(browsers, forms)
    before = state(world), world.look(ACCOUNTS)

    with nothing_recorded(world):
        assert [each for each in asked(family, writes) if each[-1] != 503] == []
        assert [each for each in sent(browsers, forms, shown) if each[-1] != 503] == []
    assert (changed(before[0], state(world)), world.look(ACCOUNTS)) == ([], before[1])

    assert [each for each in asked(family, writes) if each[-1] // 100 != 2] == []
    assert [each for each in sent(browsers, forms) if each[-1] not in (200, 303)] == []


@pytest.mark.check(22)
def test_nobody_signs_in_or_out_or_proves_anything_while_it_cannot_be_recorded(fresh: World, mailbox: Mailbox) -> None:
    """And each is done afterwards."""
    with access_world.client(fresh.server) as api:
        entries = of_anybody(fresh, api, mailbox)
        before = state(fresh), fresh.look(SIGNED_IN)
        with nothing_recorded(fresh):
            answers = [(entry.path, entry.ask(api).status_code) for entry in entries]
        after = state(fresh), fresh.look(SIGNED_IN)
        done = [(entry.path, entry.ask(api).status_code) for entry in entries]
    assert [each for each in answers if each[-1] != 503] == []
    assert (changed(before[0], after[0]), after[1]) == (["operational.verification"], before[1]), "tries count"
    assert [each for each in done if each[-1] // 100 not in (2, 3)] == []


@pytest.mark.check(22)
def test_every_route_that_writes_is_asked_to(
    fresh: World, family: Family, writes: list[Write], forms: list[Form], mailbox: Mailbox
) -> None:
    known = [
        (method, path, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)))
        for method, path in routes(family.api)
        if method != "GET"
    ]

    def route(method: str, address: str) -> tuple[str, str]:
        """As the application finds it: the first that fits."""
        return next((m, path) for m, path, fits in known if m == method and fits.fullmatch(address.split("?")[0]))

    asked_for = {route(write.method, f"/v1{write.path}") for write in writes}
    asked_for |= {route("POST", form.path) for form in forms}
    with access_world.client(fresh.server) as api:
        asked_for |= {route("POST", entry.path) for entry in of_anybody(fresh, api, mailbox)}
    assert [f"{method} {path}" for method, path, _ in known if (method, path) not in asked_for] == []
