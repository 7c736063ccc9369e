"""Who has proven no contact yet gets a code with another booking, if none reached them or another address is right."""

from typing import Any

import access_world
import pytest
from access_world import Api, World
from booking import as_key, ask, at, post, sign_in
from provisional import Mailbox, mailbox

from api import accounts
from api.messages.port import MessageKind
from policies.words import Role

__all__ = ["mailbox"]
WRONG, RIGHT = "crane@exmaple.org", "crane@example.org"


def book(world: World, api: Api, hours: float, clinic: str = "north", **patient: Any) -> str:
    """Book for the booking system's own patient; the id that the clinic has of them."""
    asked = ask(clinic, starts_at=at(hours), patient={"source_id": "p1", **patient})
    booked = post(api, as_key(world, f"{clinic}.bookings"), asked, clinic)
    assert booked.status_code == 201, booked.text
    found: str = booked.json()["patient"]
    return found


def named(email: str) -> dict[str, str]:
    return {"name": "Canary Crane", "email": email}


def two_days_pass(world: World) -> None:
    moved = "sent_at = sent_at - interval '2 days', expires_at = expires_at - interval '2 days'"
    world.change(f"update operational.verification set {moved}")


def codes(mailbox: Mailbox) -> list[tuple[str | None, str]]:
    """Where codes went, and the link of each."""
    return [(m.address, m.link or "") for m in mailbox.messages if m.kind is MessageKind.CODE]


def answer(api: Api, mailbox: Mailbox, link: str) -> int:
    code = next(m.code for m in mailbox.messages if m.link == link)
    return api.post(f"/v1/verifications/{link.removeprefix('/verify/')}", json={"code": code}).status_code


def test_a_corrected_address_gets_the_code_and_the_one_before_proves_nothing_any_more(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    first, again = (book(fresh, running, hours, **named(email)) for hours, email in ((9, WRONG), (10, RIGHT)))
    assert first == again and [address for address, _ in codes(mailbox)] == [WRONG, RIGHT]
    (_, wrong), (_, right) = codes(mailbox)
    assert (answer(running, mailbox, wrong), answer(running, mailbox, right)) == (422, 200)
    login = fresh.look(
        "select p.kind from operational.principal as p inner join operational.registration as r using (person_id)"
        " where r.patient_id = %s", first
    )  # fmt: skip
    assert login == [("human",)]


def test_who_has_a_link_gets_no_other_with_another_booking(fresh: World, running: Api, mailbox: Mailbox) -> None:
    book(fresh, running, 9, **named(RIGHT))
    book(fresh, running, 10, **named("Crane@EXAMPLE.org"))
    book(fresh, running, 11)
    assert len(codes(mailbox)) == 1


def test_who_has_an_account_is_asked_for_nothing(fresh: World, running: Api, mailbox: Mailbox) -> None:
    book(fresh, running, 9, **named(RIGHT))
    ((_, link),) = codes(mailbox)
    assert answer(running, mailbox, link) == 200
    book(fresh, running, 10, **named(WRONG))
    assert len(codes(mailbox)) == 1


@pytest.mark.parametrize("patient", [{}, named(RIGHT)], ids=["by id alone", "with the address"])
def test_whom_no_code_reached_gets_one_once_there_is_room(
    fresh: World, running: Api, mailbox: Mailbox, patient: dict[str, str]
) -> None:
    for hours in range(5):
        book(fresh, running, hours, source_id=f"other {hours}", **named(RIGHT))
    book(fresh, running, 9, **named(RIGHT))
    book(fresh, running, 10, **patient)
    assert len(codes(mailbox)) == 5, "an address gets so many an hour"
    two_days_pass(fresh)
    book(fresh, running, 11, **patient)
    assert len(codes(mailbox)) == 6
    address, link = codes(mailbox)[-1]
    assert address == RIGHT and answer(running, mailbox, link) == 200


def test_whose_codes_are_used_up_begins_anew_some_day(fresh: World, running: Api, mailbox: Mailbox) -> None:
    book(fresh, running, 9, **named(RIGHT))
    fresh.change("update operational.verification set codes = 5")
    book(fresh, running, 10, **named(RIGHT))
    assert len(codes(mailbox)) == 1
    two_days_pass(fresh)
    book(fresh, running, 11, **named(RIGHT))
    (_, link) = codes(mailbox)[-1]
    assert len(codes(mailbox)) == 2 and answer(running, mailbox, link) == 200


def test_a_clinic_tells_another_no_address(fresh: World, running: Api, mailbox: Mailbox) -> None:
    """The same booking system's id is another patient at another clinic."""
    north, south = book(fresh, running, 9, **named(RIGHT)), book(fresh, running, 9, "south", **named(WRONG))
    assert north != south and [address for address, _ in codes(mailbox)] == [RIGHT, WRONG]
    (_, link), _ = codes(mailbox)
    assert answer(running, mailbox, link) == 200


def test_who_works_at_the_clinic_books_for_themself_too(fresh: World, running: Api) -> None:
    accounts.add_user(fresh.server, "finch", "Finch", Role.CLINIC_STAFF, "north", None)
    booked = post(running, sign_in(running, "finch"), ask())
    assert booked.status_code == 201 and booked.json()["patient"] is None
    by_id = ask(starts_at=at(12), patient={"id": str(fresh.patients["north", access_world.FINCH])})
    assert post(running, sign_in(running, "finch"), by_id).json()["patient"] == by_id["patient"]["id"]


def test_a_link_stays_good_until_another_address_has_one(fresh: World, running: Api, mailbox: Mailbox) -> None:
    for hours in range(5):
        book(fresh, running, hours, source_id=f"other {hours}", **named(RIGHT))
    book(fresh, running, 9, **named(WRONG))
    book(fresh, running, 10, **named(RIGHT))
    assert len(codes(mailbox)) == 6, "the right address had its five"
    (_, link) = codes(mailbox)[-1]
    assert answer(running, mailbox, link) == 200
