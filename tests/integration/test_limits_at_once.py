"""What may be asked for once in a while, or so often an hour, is so however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import access_world
import httpx
import pytest
from access_world import CHICK, FINCH, Api, World
from provisional import MAIL, Mailbox, book, mailbox, verified

from tests.integration.waiting import held, until_all_wait

__all__ = ["mailbox"]
ROW, TABLE = "select from operational.{} where {} = %s for update", "lock table operational.{} in exclusive mode"
AT_ONCE = 3


def at_once(world: World, api: Api, asked: list[dict[str, Any]], statement: str, *values: Any) -> list[httpx.Response]:
    """The answers to what is asked for while something is held that all of it needs."""
    with ThreadPoolExecutor(len(asked)) as pool:
        with held(world, statement, *values) as pid:
            answers = [pool.submit(api.request, **each) for each in asked]
            until_all_wait(world, pid, len(asked))
        return [answer.result() for answer in answers]


def test_of_many_reminders_at_once_one_is_sent(fresh: World, running: Api) -> None:
    appointment = fresh.appointments["north"]
    asked = {
        "method": "POST", "url": f"/v1/clinics/north/appointments/{appointment}/reminders",
        "headers": access_world.sign_in(running, "staff.north"),
    }  # fmt: skip
    held_row = ROW.format("appointment", "appointment_id")
    answers = at_once(fresh, running, [asked] * AT_ONCE, held_row, appointment)
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409]


def test_of_many_requests_to_sign_at_once_one_is_sent(fresh: World, running: Api) -> None:
    patient = fresh.patients["north", FINCH]
    asked = {
        "method": "POST", "url": f"/v1/clinics/north/patients/{patient}/consents/request",
        "headers": access_world.sign_in(running, "staff.north"),
    }  # fmt: skip
    answers = at_once(fresh, running, [asked] * AT_ONCE, ROW.format("registration", "patient_id"), patient)
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409]


@pytest.mark.check(40)
def test_one_account_gets_five_links_an_hour_however_many_are_asked_for_at_once(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    someone = book(fresh, "north", MAIL)
    verified(running, mailbox, someone)
    asked = {"method": "POST", "url": "/v1/passwords/forgotten", "json": {"email": MAIL}}
    for _ in range(3):
        running.request(**asked)  # type: ignore[arg-type]
    at_once(fresh, running, [asked] * AT_ONCE, ROW.format("principal", "person_id"), someone.person)
    links = "select count(*) from operational.password_link as l inner join operational.principal as p"
    assert fresh.look(f"{links} using (principal_id) where p.person_id = %s", someone.person) == [(5,)], "the welcome's"


def test_of_two_links_of_an_account_that_are_used_at_once_one_is_good(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    someone = book(fresh, "north", MAIL)
    verified(running, mailbox, someone)
    fresh.change(
        "insert into operational.password_link (token_hash, principal_id, expires_at)"
        " select sha256('another'), principal_id, expires_at from operational.password_link"
    )
    tokens = (mailbox.links()[-1].removeprefix("/password/"), "another")
    asked = {"method": "POST", "url": "/v1/passwords"}
    wanted = [{**asked, "json": {"token": token, "password": f"the password of {token}"}} for token in tokens]
    answers = at_once(fresh, running, wanted, ROW.format("principal", "person_id"), someone.person)
    assert sorted(answer.status_code for answer in answers) == [200, 422]


def test_one_patient_has_five_codes_an_hour_sent_however_many_are_asked_for_at_once(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    fresh.register_chick("north")
    born = "update operational.profile set birth_date = current_date - 8000 where person_id = %s"
    fresh.change(born, fresh.people[CHICK])
    asked = {
        "method": "POST", "url": f"/v1/clinics/north/patients/{fresh.patients['north', CHICK]}/verifications",
        "headers": access_world.sign_in(running, "staff.north"),
    }  # fmt: skip
    of_codes(fresh, running, asked)


def test_one_account_has_five_codes_an_hour_sent_however_many_are_asked_for_at_once(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    asked = {"method": "PUT", "url": "/v1/me/account/contacts", "headers": access_world.sign_in(running, "wren")}
    of_codes(fresh, running, asked)


def of_codes(world: World, api: Api, asked: dict[str, Any]) -> None:
    """Three codes to as many addresses, and then as many at once as are too many."""
    wanted = [{**asked, "json": {"email": f"{number}@example.org"}} for number in range(6)]
    for each in wanted[:3]:
        assert api.request(**each).status_code in (200, 202)
    at_once(world, api, wanted[3:], TABLE.format("verification"))
    assert world.look("select sum(codes), count(*) from operational.verification") == [(5, 6)]
