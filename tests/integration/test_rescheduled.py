"""Who moves an appointment is asked what who books is: whether the service is open, and the specialist offers it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from access_world import Api, World, sign_in
from booking import as_key, ask, at, errors, post, someone


def book(world: World, api: Api, hour: float) -> str:
    found: str = post(api, as_key(world), ask(starts_at=at(hour), patient=someone())).json()["id"]
    return found


def step(api: Api, who: dict[str, str], appointment: str, name: str, clinic: str = "north", **body: Any) -> Any:
    return api.post(f"/v1/clinics/{clinic}/appointments/{appointment}/{name}", json=body, headers=who)


OFFER = "update operational.service set specialists = %s, is_open = %s where service = 'visit' and clinic_id = %s"


@pytest.fixture
def offer(world: World) -> Iterator[Callable[[str, bool], None]]:
    """Has north's visits offered by somebody, or by nobody now; as before afterwards."""

    def offered(by: str, is_open: bool) -> None:
        world.change(OFFER, [by], is_open, world.clinic_ids["north"])

    yield offered
    offered("Dr. North", True)


def test_nothing_is_moved_with_a_specialist_who_offers_it_no_more(
    world: World, api: Api, offer: Callable[[str, bool], None]
) -> None:
    """As little as it is booked: by nobody, unless another one is named who does."""
    staff, wren = sign_in(api, "staff.north"), sign_in(api, "wren")
    appointment = book(world, api, 92)
    own = post(api, wren, ask(starts_at=at(93))).json()["id"]
    south = post(api, as_key(world, "south.bookings"), ask("south", starts_at=at(92), patient=someone()), "south")
    offer("Dr. North Junior", True)
    answers = [step(api, who, appointment, "reschedule", starts_at=at(94)) for who in (staff, as_key(world))]
    answers.append(api.post(f"/v1/me/appointments/{own}/reschedule", json={"starts_at": at(94)}, headers=wren))
    elsewhere = step(api, as_key(world, "south.bookings"), south.json()["id"], "reschedule", "south", starts_at=at(94))
    other = step(api, staff, appointment, "reschedule", starts_at=at(94), specialist="Dr. North Junior")
    cancelled = api.post(f"/v1/me/appointments/{own}/cancel", headers=wren)
    for answer in answers:
        assert (answer.status_code, errors(answer)) == (422, [("body.specialist", "not_offered")])
    assert (elsewhere.status_code, other.status_code, cancelled.status_code) == (200, 200, 200)
    assert other.json()["specialist"] == "Dr. North Junior"


def test_of_a_closed_service_the_clinics_people_alone_move_appointments(
    world: World, api: Api, offer: Callable[[str, bool], None]
) -> None:
    staff, wren, finch = (sign_in(api, name) for name in ("staff.north", "wren", "finch"))
    appointment, dependent = book(world, api, 96), {"dependent": str(world.guardianship)}
    own = post(api, wren, ask(starts_at=at(97))).json()["id"]
    childs = post(api, finch, ask(starts_at=at(98), **dependent)).json()["id"]
    south = post(api, as_key(world, "south.bookings"), ask("south", starts_at=at(97), patient=someone()), "south")
    offer("Dr. North", False)
    below = f"/v1/me/dependents/{world.guardianship}/appointments/{childs}"
    answers = [
        step(api, as_key(world), appointment, "reschedule", starts_at=at(99)),
        api.post(f"/v1/me/appointments/{own}/reschedule", json={"starts_at": at(99)}, headers=wren),
        api.post(f"{below}/reschedule", json={"starts_at": at(99)}, headers=finch),
    ]
    by_staff = step(api, staff, appointment, "reschedule", starts_at=at(99))
    elsewhere = step(api, as_key(world, "south.bookings"), south.json()["id"], "reschedule", "south", starts_at=at(99))
    cancelled = api.post(f"{below}/cancel", headers=finch)
    for answer in answers:
        assert (answer.status_code, errors(answer)) == (409, [("path.appointment", "closed")])
    assert (by_staff.status_code, elsewhere.status_code, cancelled.status_code) == (200, 200, 200)
    taken = "select step from operational.appointment_event where appointment_id = %s"
    assert world.look(taken, own) == [("book",)]
