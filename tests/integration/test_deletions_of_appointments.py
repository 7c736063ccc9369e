"""What is to come is cancelled with its registration, never left where nobody sees it; who has it is told, of a
correction as well.
"""

from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from typing import Any

import access_world
import pytest
from access_world import FINCH, WREN, Api, World
from booking import as_key, ask, at, post, someone
from test_appointments import history, past, step
from test_deletions import NOT_THERE, call

from infra.database import connect_admin
from tests.integration.posting import give_email, mail_server, send
from tests.integration.waiting import until_somebody_waits


def book(world: World, api: Api, hour: float, clinic: str = "north", **patient: Any) -> str:
    who = as_key(world, f"{clinic}.bookings")
    answer = post(api, who, ask(clinic, starts_at=at(hour), patient=patient or someone()), clinic)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def at_both(world: World, name: str = FINCH) -> dict[str, str]:
    return {clinic: str(world.patients[clinic, name]) for clinic in ("north", "south")}


def delete(world: World, api: Api, name: str, reason: str = "asked") -> None:
    path = f"north/deletions/registration/{world.patients['north', name]}"
    assert call(api, "staff.north", path, {"reason": reason}).is_success


def status(world: World, *appointments: str) -> list[str]:
    query = "select status from operational.appointment where appointment_id = %s"
    return [world.look(query, appointment)[0][0] for appointment in appointments]


@pytest.mark.check(34)
@pytest.mark.check(39)
def test_a_deleted_registration_leaves_no_time_taken(fresh: World) -> None:
    of = at_both(fresh)
    with access_world.client(fresh.server) as api:
        gone, kept = book(fresh, api, 1, id=of["north"]), book(fresh, api, 1, "south", id=of["south"])
        others = book(fresh, api, 2)
        delete(fresh, api, FINCH)
        assert status(fresh, gone, kept, others) == ["cancelled", "booked", "booked"]
        assert history(fresh, gone)[1:] == [("cancel", "booked", "cancelled", "clinic_staff", "patient_asked")]
        assert len(history(fresh, kept)) == len(history(fresh, others)) == 1
        book(fresh, api, 1)


@pytest.mark.parametrize(
    ("reason", "word"), [("mistake", "entered_wrongly"), ("duplicate", "entered_wrongly"), ("moved_away", "other")]
)
def test_the_history_says_why_in_its_own_words(fresh: World, reason: str, word: str) -> None:
    with access_world.client(fresh.server) as api:
        gone = book(fresh, api, 1, id=at_both(fresh)["north"])
        delete(fresh, api, FINCH, reason)
    assert history(fresh, gone)[-1][-1] == word


def test_what_has_begun_or_is_over_stays_as_it_was(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        begun, came = (book(fresh, api, hour, id=str(fresh.patients["north", WREN])) for hour in (1, 2))
        past(fresh, begun, minutes=5)
        fresh.change("update operational.appointment set status = 'arrived' where appointment_id = %s", came)
        delete(fresh, api, WREN)
    assert status(fresh, begun, came) == ["booked", "arrived"]
    assert len(history(fresh, begun)) == len(history(fresh, came)) == 1


def test_an_undo_does_not_bring_it_back_and_staff_may(fresh: World) -> None:
    path = f"north/deletions/registration/{fresh.patients['north', FINCH]}/undo"
    with access_world.client(fresh.server) as api:
        gone = book(fresh, api, 1, id=at_both(fresh)["north"])
        delete(fresh, api, FINCH)
        assert call(api, "admin", path).is_success and status(fresh, gone) == ["cancelled"]
        staff = access_world.sign_in(api, "staff.north")
        assert step(api, staff, gone, "correct", status="booked", reason="other").status_code == 200


@pytest.mark.check(34)
@pytest.mark.check(39)
def test_an_appointment_does_not_come_back_before_its_registration(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        gone = book(fresh, api, 1, id=at_both(fresh)["north"])
        assert call(api, "staff.north", f"north/deletions/appointment/{gone}", {"reason": "mistake"}).is_success
        delete(fresh, api, FINCH)
        assert call(api, "admin", f"north/deletions/appointment/{gone}/undo").json() == NOT_THERE
        book(fresh, api, 1)


def calendars(came: list[tuple[str, bytes]]) -> list[tuple[str, str, int]]:
    """To whom each mail went, what its calendar file asks for, and its place in the order of these."""
    found = []
    for to, mail in came:
        parts = {part.get_content_type(): part for part in message_from_bytes(mail).walk()}
        text = parts["text/calendar"].get_payload(decode=True).decode()  # type: ignore[union-attr]
        lines = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        found.append((to, lines["METHOD"], int(lines["SEQUENCE"])))
    return found


def test_whoever_is_deleted_is_told_of_each_that_is_cancelled(fresh: World) -> None:
    give_email(fresh, WREN, "wren@example.org")
    with access_world.client(fresh.server) as api, mail_server() as (mailman, smtp):
        for hour in (1, 2):
            book(fresh, api, hour, id=str(fresh.patients["north", WREN]))
        send(fresh, smtp)
        mailman.came.clear()
        delete(fresh, api, WREN)
        send(fresh, smtp)
    assert calendars(mailman.came) == [("wren@example.org", "CANCEL", 1)] * 2


def test_who_has_an_appointment_is_told_that_it_is_deleted_and_that_it_is_back(fresh: World) -> None:
    give_email(fresh, WREN, "wren@example.org")
    with access_world.client(fresh.server) as api, mail_server() as (mailman, smtp):
        coming, over = (book(fresh, api, hour, id=str(fresh.patients["north", WREN])) for hour in (1, 2))
        past(fresh, over, minutes=5)
        send(fresh, smtp)
        mailman.came.clear()
        for appointment in (coming, over):
            path = f"north/deletions/appointment/{appointment}"
            assert call(api, "staff.north", path, {"reason": "mistake"}).is_success
            send(fresh, smtp)
            assert call(api, "admin", f"{path}/undo").is_success
            send(fresh, smtp)
    assert calendars(mailman.came) == [("wren@example.org", "CANCEL", 1), ("wren@example.org", "REQUEST", 2)]


@pytest.mark.parametrize(
    ("stands", "corrected", "told"),
    [
        ("cancelled", "booked", [("REQUEST", 2)]),
        ("arrived", "cancelled", [("CANCEL", 2)]),
        ("arrived", "booked", []),
        ("noshow", "fulfilled", []),
    ],
)
def test_who_has_an_appointment_to_come_is_told_that_a_correction_cancels_it_or_takes_that_back(
    fresh: World, stands: str, corrected: str, told: list[tuple[str, int]]
) -> None:
    give_email(fresh, WREN, "wren@example.org")
    with access_world.client(fresh.server) as api, mail_server() as (mailman, smtp):
        coming, over = (book(fresh, api, hour, id=str(fresh.patients["north", WREN])) for hour in (1, 2))
        send(fresh, smtp)
        mailman.came.clear()
        past(fresh, over, minutes=5)
        for appointment in (coming, over):
            fresh.change(
                "update operational.appointment set status = %s where appointment_id = %s", stands, appointment
            )
            step(
                api, access_world.sign_in(api, "staff.north"), appointment, "correct", status=corrected, reason="other"
            )
            send(fresh, smtp)
    assert status(fresh, coming, over) == [corrected] * 2
    assert [mail[1:] for mail in calendars(mailman.came)] == told


@pytest.mark.check(39)
def test_what_is_booked_while_the_registration_is_deleted_is_cancelled_too(fresh: World) -> None:
    """Whoever books holds the registration, and the deletion waits for that."""
    wren = fresh.patients["north", WREN]
    with access_world.client(fresh.server) as api, connect_admin(fresh.server) as booker, ThreadPoolExecutor(1) as pool:
        late = book(fresh, api, 1, id=str(wren))
        fresh.change("update operational.appointment set status = 'noshow' where appointment_id = %s", late)
        with booker.transaction():
            booker.execute("select from operational.registration where patient_id = %s for no key update", [wren])
            booker.execute("update operational.appointment set status = 'booked' where appointment_id = %s", [late])
            waiting = pool.submit(delete, fresh, api, WREN)
            until_somebody_waits(fresh, booker.info.backend_pid)
        waiting.result(timeout=30)
    assert status(fresh, late) == ["cancelled"]
