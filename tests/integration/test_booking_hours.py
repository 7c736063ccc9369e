"""A clinic's hours say when patients, guardians and newcomers may book; its own people and systems book any time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import FINCH, WREN, World
from booking import added, as_key, ask, counts, errors, newcomer, post, sign_in
from pages_of import fields

from api.identity.booking_pages import open_page
from tests.integration.records import BERLIN, Family, add_chick, today

NOT_THEN = (409, [("body.starts_at", "not_offered_then")])
# Off the hours, on another day, off the grid of half an hour.
ODD = ("09:30", "11:00", "03:00", "10:15", "10:00:01")


@pytest.fixture
def family(fresh: World) -> Iterator[Family]:
    """North is open on Wednesdays from ten to eleven by its own clock, south as ever."""
    add_chick(fresh)
    open_page(fresh.server, "north")
    fresh.change(
        'update operational.booking_setting set hours = \'{"wed": "10:00-11:00"}\' where clinic_id = %s',
        fresh.clinic_ids["north"],
    )
    with access_world.client(fresh.server) as api:
        yield Family(fresh, api, {})


def wednesday(clock: str, weeks: int = 2, more: int = 0) -> str:
    """A time of a Wednesday to come at the clinic, or so many days later."""
    day = today() + timedelta(days=7 * weeks + (2 - today().weekday()) % 7 + more)
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=BERLIN).isoformat()


def book(family: Family, login: str, starts_at: str, **other: Any) -> Any:
    return post(family.api, sign_in(family.api, login), ask(starts_at=starts_at, **other))


def told(answer: Any) -> tuple[int, list[tuple[str, str]]]:
    return answer.status_code, errors(answer)


@pytest.mark.parametrize("who", ["wren", "guardian", "staff for themself"])
def test_who_books_for_themself_or_a_dependent_books_what_is_offered(family: Family, who: str) -> None:
    other = {"dependent": str(family.world.guardianship)} if who == "guardian" else {}
    login = "finch" if who == "guardian" else "wren"
    if who == "staff for themself":
        family.world.change(
            "insert into operational.principal_role (principal_id, role, clinic_id) select principal_id,"
            " 'clinic_staff', %s from operational.principal where login = 'wren'", family.world.clinic_ids["north"],
        )  # fmt: skip
    before = counts(family.world)
    times = [wednesday(clock) for clock in ODD] + [wednesday("10:00", more=1)]
    assert [told(book(family, login, at, **other)) for at in times] == [NOT_THEN] * len(times)
    assert added(family.world, before) == dict.fromkeys(before, 0)
    for clock in ("10:00", "10:30"):
        answer = book(family, login, wednesday(clock), **other)
        assert answer.status_code == 201, answer.text


def test_what_was_booked_is_answered_the_same_though_the_hours_are_others_by_now(family: Family) -> None:
    key, wren, asked = str(uuid4()), sign_in(family.api, "wren"), ask(starts_at=wednesday("10:00"))
    first = post(family.api, wren, asked, key=key)
    family.world.change("update operational.booking_setting set hours = '{}'")
    again = post(family.api, wren, asked, key=key)
    assert (first.status_code, again.status_code, again.text) == (201, 201, first.text)
    assert told(post(family.api, wren, ask(starts_at=wednesday("10:30")))) == NOT_THEN


def test_the_clinics_people_and_systems_book_any_time(family: Family) -> None:
    known = {"id": str(family.world.patients["north", WREN])}
    staff, key = sign_in(family.api, "staff.north"), as_key(family.world)
    asked = [(staff, known, ODD[0]), (staff, newcomer(), ODD[2]), (key, known, ODD[1]), (key, newcomer(), "12:45:07")]
    for who, patient, clock in asked:
        answer = post(family.api, who, ask(starts_at=wednesday(clock), patient=patient))
        assert answer.status_code == 201, answer.text


def test_another_clinics_hours_are_its_own(family: Family) -> None:
    answer = post(family.api, sign_in(family.api, "finch"), ask("south", starts_at=wednesday("03:00")), "south")
    assert answer.status_code == 201, answer.text


def test_what_is_moved_is_moved_to_what_is_offered_but_by_the_clinic(family: Family) -> None:
    own = book(family, "wren", wednesday("10:00")).json()["id"]
    childs = book(family, "finch", wednesday("10:30"), dependent=str(family.world.guardianship)).json()["id"]
    moves = (("wren", f"/me/appointments/{own}"), ("finch", f"{family.of_chick}/appointments/{childs}"))
    for weeks, (login, path) in enumerate(moves, start=3):
        for clock in ODD:
            to = {"starts_at": wednesday(clock, weeks)}
            assert family.refused(login, "POST", f"{path}/reschedule", to) == (409, *NOT_THEN[1][0])
        family.done(login, "POST", f"{path}/reschedule", {"starts_at": wednesday("10:30", weeks)})
        family.done("staff.north", "POST", f"/clinics/north/appointments/{path.rpartition('/')[2]}/reschedule",
                    {"starts_at": wednesday("03:10", weeks)})  # fmt: skip
        family.done(login, "POST", f"{path}/cancel")


def test_a_newcomer_on_the_clinics_page_books_what_is_offered(family: Family) -> None:
    def asked(clock: str) -> Any:
        family.api.cookies.clear()
        form = fields(family.api.get("/book/north").text)
        typed = {"name": "Canary Swift", "email": "swift@example.org", "offer": "visit/Dr. North"}
        return family.api.post("/book/north", data={**form, **typed, "starts_at": wednesday(clock)[:16]})

    before = counts(family.world)
    refused = asked("09:30")
    assert refused.status_code == 409 and "The clinic offers no appointment then." in refused.text
    assert added(family.world, before) == dict.fromkeys(before, 0)
    assert asked("10:00").status_code == 200


def test_a_time_that_is_not_offered_tells_nothing_of_who_has_it(family: Family) -> None:
    known = {"id": str(family.world.patients["north", FINCH])}
    taken = post(family.api, as_key(family.world), ask(starts_at=wednesday("09:30"), patient=known))
    assert taken.status_code == 201
    assert told(book(family, "wren", wednesday("09:30"))) == NOT_THEN
