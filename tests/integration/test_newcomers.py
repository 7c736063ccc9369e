"""What newcomers book holds a time for a while alone, and an address that nobody proved gets a few messages a day."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any
from uuid import UUID

import access_world
import pytest
from access_world import Api, World
from booking import as_key, ask, at, post, someone
from pages_of import fields
from posting import mail_server, send
from provisional import Mailbox, mailbox

from api.bookings.releasing import release_due
from api.database import make_pool
from api.identity.booking_pages import open_page
from api.identity.sealed import codec_of
from policies.opening_hours import WEEKDAYS
from tests.integration.waiting import held, until_all_wait

__all__ = ["mailbox"]
ADDRESS = "swift@example.org"


@pytest.fixture
def fresh(fresh: World) -> World:
    open_page(fresh.server, "north")
    return fresh


def ask_page(api: Api, hours: float = 9, email: str = ADDRESS, clinic: str = "north") -> Any:
    """Somebody new asks the clinic's page for a time."""
    api.cookies.clear()
    when = datetime.fromisoformat(at(hours)).astimezone(UTC)
    form = fields(api.get(f"/book/{clinic}").text)
    offer = f"visit/Dr. {clinic.title()}"
    asked = {"name": "Canary Swift", "offer": offer, "starts_at": f"{when:%Y-%m-%dT%H:%M}"}
    return api.post(f"/book/{clinic}", data={**form, **asked, "email": email})


def by_page(api: Api, hours: float = 9) -> None:
    """Somebody new books on the clinic's page, and may."""
    assert ask_page(api, hours).status_code == 200


def release(world: World) -> int:
    async def releasing() -> int:
        pool = make_pool(world.server, timeout_ms=5000)
        async with pool:
            return await release_due(pool, codec_of(world.server))

    return asyncio.run(releasing())


def booked(world: World) -> list[tuple[Any, ...]]:
    """What was booked here: status and whether it is held."""
    return world.look(
        "select a.status, a.held_until is not null from operational.appointment as a"
        " inner join operational.booking_request as q using (clinic_id, appointment_id)"
        " inner join operational.registration as r using (clinic_id, patient_id)"
        " inner join operational.person as p using (person_id) where p.name = 'Canary Swift' order by a.starts_at"
    )


def pass_by(world: World, hours: int) -> None:
    """Let so many hours pass since codes were sent."""
    moved = "sent_at = sent_at - %s * interval '1 hour', expires_at = expires_at - %s * interval '1 hour'"
    world.change(f"update operational.verification set {moved}", hours, hours)


def over(world: World) -> None:
    """Let the holds and the codes run out."""
    world.change("update operational.verification set expires_at = least(expires_at, now())")
    world.change("update operational.appointment set held_until = now() where held_until is not null")


def test_a_time_that_nobody_proved_in_time_is_free_again(fresh: World, running: Api) -> None:
    by_page(running)
    ((left,),) = fresh.look("select held_until - now() from operational.appointment where held_until is not null")
    assert timedelta(minutes=50) < left <= timedelta(minutes=60)
    assert release(fresh) == 0, "not yet"
    over(fresh)
    assert release(fresh) == 1 and release(fresh) == 0, "once"
    assert booked(fresh) == [("cancelled", True)]
    history = fresh.look(
        "select e.step, e.from_status, e.to_status, e.role, e.reason from operational.appointment_event as e"
        " inner join operational.appointment as a using (clinic_id, appointment_id) where a.held_until is not null"
        " order by e.happened_at"
    )
    assert history[1:] == [("cancel", "booked", "cancelled", "service", "not_verified")]
    events = fresh.look(
        "select e.clinic_id, e.principal_kind, d.patient_id is not null from audit.access_event as e"
        " inner join audit.disclosure as d using (event_id) where e.action = 'booking.release'"
    )
    assert events == [(fresh.clinic_ids["north"], "process", True)]
    by_page(running)
    assert [status for status, _ in booked(fresh)] == ["cancelled", "booked"], "somebody else books that time"


def test_nothing_is_released_while_its_code_is_good_or_once_it_has_begun(fresh: World, running: Api) -> None:
    by_page(running)
    held = "update operational.appointment set held_until = now() where held_until is not null"
    fresh.change(held)
    assert release(fresh) == 0, "the code is good"
    over(fresh)
    moved = "starts_at = starts_at + %s * interval '1 minute', ends_at = ends_at + %s * interval '1 minute'"
    ((ahead,),) = fresh.look(
        "select (extract(epoch from starts_at - now()) / 60)::int from operational.appointment"
        " where held_until is not null"
    )
    shifted = f"update operational.appointment set {moved} where held_until is not null"
    fresh.change(shifted, -ahead - 5, -ahead - 5)
    assert release(fresh) == 0, "it goes on"
    fresh.change(shifted, ahead + 5, ahead + 5)
    assert release(fresh) == 1


def test_whoever_got_a_confirmation_is_told_of_the_release_at_the_same_contact(fresh: World, running: Api) -> None:
    for number in range(4):
        by_page(running, 9 + number)
    confirmed = "select about_id from operational.message where kind = 'booking_confirmed' and state <> 'withheld'"
    told = fresh.look(confirmed + " order by about_id")
    assert len(told) == 3
    with mail_server() as (_, smtp):
        send(fresh, smtp)
    over(fresh)
    assert release(fresh) == 4
    changed = "select about_id from operational.message where kind = 'appointment_changed' order by about_id"
    assert fresh.look(changed) == told, "no more than there were confirmations"
    with mail_server() as (mailman, smtp):
        send(fresh, smtp)
    assert [to for to, _ in mailman.came] == [ADDRESS] * 3
    assert all(b"METHOD:CANCEL" in decoded(mail) for _, mail in mailman.came)


def decoded(mail: bytes) -> bytes:
    """A mail's parts as they read."""
    parts = message_from_bytes(mail).walk()
    return b"".join(part.get_payload(decode=True) or b"" for part in parts)  # type: ignore[misc]


def test_what_is_proven_or_in_the_clinics_hands_stays(fresh: World, running: Api, mailbox: Mailbox) -> None:
    by_page(running, 9)
    by_page(running, 12)
    one, other = (m.link.removeprefix("/verify/") for m in mailbox.messages if m.code)
    code = mailbox.code(UUID(one))
    assert running.post(f"/v1/verifications/{one}", json={"code": code}).status_code == 200
    ((appointment,),) = fresh.look(
        "select a.appointment_id::text from operational.verification as v"
        " inner join operational.registration as r using (person_id)"
        " inner join operational.appointment as a using (patient_id) where v.verification_id = %s", other,
    )  # fmt: skip
    step = f"/v1/clinics/north/appointments/{appointment}/reschedule"
    staff = access_world.sign_in(running, "staff.north")
    assert running.post(step, headers=staff, json={"starts_at": at(15)}).status_code == 200
    over(fresh)
    assert release(fresh) == 0
    assert [status for status, _ in booked(fresh)] == ["booked", "booked"]


def test_what_a_system_of_the_clinic_books_is_held_for_nobodys_proof(fresh: World, running: Api) -> None:
    assert post(running, as_key(fresh), ask(patient=someone())).status_code == 201
    assert booked(fresh) == [("booked", False)]


def test_how_long_is_the_clinics_to_say(fresh: World, running: Api) -> None:
    manager = access_world.sign_in(running, "manager.north")
    # Also on a day at a weekend, which the time asked for is on some days.
    every_day = dict.fromkeys(WEEKDAYS, "08:00-18:00")
    settings = {"specialists": ["Dr. North"], "hold_minutes": 5, "hours": every_day}
    assert running.put("/v1/clinics/north/settings/bookings", headers=manager, json=settings).status_code == 204
    assert running.get("/v1/clinics/north/settings", headers=manager).json()["bookings"]["hold_minutes"] == 5
    by_page(running)
    ((left,),) = fresh.look("select held_until - now() from operational.appointment where held_until is not null")
    assert left <= timedelta(minutes=5)


@pytest.mark.check(40)
def test_an_unproven_address_gets_three_confirmations_a_day_of_all_clinics(fresh: World, running: Api) -> None:
    for number in range(5):
        clinic = ("north", "south")[number % 2]
        contact = {"email": ADDRESS if number % 2 else ADDRESS.upper()}
        key = as_key(fresh, f"{clinic}.bookings")
        answer = post(running, key, ask(clinic, starts_at=at(number), patient=someone(**contact)), clinic)
        assert answer.status_code == 201, "the booking goes on"
    assert post(running, as_key(fresh), ask(starts_at=at(9), patient=someone(email="b@example.org"))).status_code == 201
    told = "select state, failure, content is null from operational.message where kind = 'booking_confirmed'"
    states = fresh.look(told + " order by created_at")
    assert states[:3] == [("pending", None, False)] * 3
    assert states[3:5] == [("withheld", "too_many", True)] * 2
    assert states[5] == ("pending", None, False), "another address"
    pass_by(fresh, 25)
    assert post(running, as_key(fresh), ask(starts_at=at(11), patient=someone())).status_code == 201
    assert fresh.look(told + " order by created_at desc limit 1") == [("pending", None, False)], "a day later"


def test_codes_to_one_address_end_for_the_day(fresh: World, running: Api) -> None:
    for number in range(4):
        for hour in range(5):
            asked = ask(starts_at=at(5 * number + hour), patient=someone())
            assert post(running, as_key(fresh), asked).status_code == 201
        pass_by(fresh, 2)
    assert fresh.look("select sum(codes) from operational.verification") == [(15,)]


@pytest.mark.check(40)
def test_a_tag_in_an_address_brings_its_reader_no_more_messages(fresh: World, running: Api) -> None:
    tagged = ["swift@gmail.com", "swift+1@gmail.com", "s.wift@gmail.com", "SWIFT+2@gmail.com", "s.w.ift@gmail.com"]
    for number, email in enumerate([*tagged, "swift+6@gmail.com", "swift+1@example.org"]):
        asked = ask(starts_at=at(number), patient=someone(email=email))
        assert post(running, as_key(fresh), asked).status_code == 201
    assert fresh.look("select codes from operational.verification order by created_at") == [(1,)] * 5 + [(0,), (1,)]
    told = "select state from operational.message where kind = 'booking_confirmed' order by created_at"
    assert fresh.look(told) == [("pending",)] * 3 + [("withheld",)] * 3 + [("pending",)]


def test_an_address_that_gets_no_code_books_nothing_on_the_page(fresh: World, running: Api) -> None:
    for number in range(5):
        by_page(running, 9 + number)
    kept = "select (select count(*) from operational.person), (select count(*) from operational.message)"
    before = fresh.look(kept)
    answer = ask_page(running, 15)
    assert (answer.status_code, answer.json()["type"]) == (429, "urn:cloister:problem:no-more-codes")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    assert len(booked(fresh)) == 5 and fresh.look(kept) == before, "nothing is kept"
    pass_by(fresh, 2)
    by_page(running, 15)


@pytest.mark.check(40)
def test_a_page_holds_so_many_times_that_nobody_proved_and_no_more(
    fresh: World, running: Api, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.bookings.service.MOST_HELD", 2)
    for hour, email in ((9, "a@example.org"), (10, "b@example.org")):
        assert ask_page(running, hour, email).status_code == 200
    refused = ask_page(running, 11, "c@example.org")
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:cloister:problem:no-more-codes")
    assert len(booked(fresh)) == 2
    # The clinic's other ways stay, and at another clinic nothing is held.
    assert post(running, as_key(fresh), ask(starts_at=at(12), patient=someone())).status_code == 201
    open_page(fresh.server, "south")
    assert ask_page(running, 9, "d@example.org", "south").status_code == 200
    ((verification,),) = fresh.look(
        "select verification_id from operational.verification where clinic_id = %s order by created_at limit 1",
        fresh.clinic_ids["north"],
    )
    answer = {"code": mailbox.code(str(verification))}
    assert running.post(f"/v1/verifications/{verification}", json=answer).status_code == 200
    assert ask_page(running, 11, "c@example.org").status_code == 200, "what is proven counts no more"
    over(fresh)
    assert ask_page(running, 15, "e@example.org").status_code == 200, "nor what is held no more"


def test_of_two_who_ask_at_once_for_the_last_time_that_a_page_holds_one_has_it(
    fresh: World, running: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.bookings.service.MOST_HELD", 1)
    browsers = [Api(base_url=running.base_url, timeout=30) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        with held(fresh, "lock table operational.person in exclusive mode") as pid:
            asked = [(each, 9 + number, f"{number}@example.org") for number, each in enumerate(browsers)]
            answers = [pool.submit(ask_page, *each) for each in asked]
            until_all_wait(fresh, pid, 2)
        assert sorted(answer.result().status_code for answer in answers) == [200, 429]
    assert len(booked(fresh)) == 1


def test_bookings_with_an_address_keep_nobody_from_changing_to_it(fresh: World, running: Api) -> None:
    for number in range(3):
        for hour in range(5):
            asked = ask(starts_at=at(5 * number + hour), patient=someone())
            assert post(running, as_key(fresh), asked).status_code == 201
        pass_by(fresh, 0 if number == 2 else 2)
    wren = access_world.sign_in(running, "wren")
    assert running.put("/v1/me/account/contacts", headers=wren, json={"email": someone()["email"]}).status_code == 200
    assert fresh.look("select codes from operational.verification where clinic_id is null") == [(1,)]
