"""A demo's mail is people's own: whoever reads the mailbox leaves an event for each message, of whose it was."""

from typing import Any
from uuid import UUID

import pytest
from access_world import FINCH, WREN, Api, World, sign_in
from browsing import Browsers

from api.messages.port import Message, MessageKind
from infra.database import connect
from infra.roles import Login
from tests.integration.posting import give_email, queue, send

WRENS = "wren's"
READ = """
select e.resource_id::uuid, e.clinic_id, e.acting_for, e.patients, e.categories, d.clinic_id, d.patient_id
from audit.access_event as e
left join audit.disclosed as d on d.event_id = e.event_id and d.occurred_at = e.occurred_at
where e.request_id = %s::uuid and e.action = 'mailbox.read' and e.decision = 'permit'
"""


@pytest.fixture(scope="module")
def mails(world: World, api: Api) -> dict[str, UUID]:
    """Finch's of north, once more after it was hidden from guardians, and a code that is of no clinic; Wren's code."""
    for name in (FINCH, WREN):
        give_email(world, name, f"{name.split()[1].lower()}@example.org")
    appointment, staff = world.appointments["north"], sign_in(api, "staff.north")
    again = "update operational.message set created_at = created_at - interval '1 day' where about_id = %s"
    for _ in range(2):
        assert api.post(f"/v1/clinics/north/appointments/{appointment}/reminders", headers=staff).status_code == 202
        world.change(again, appointment)
        world.change("update operational.appointment set confidential = true where appointment_id = %s", appointment)
    of_finch, of_wren = (
        queue(world, Message(MessageKind.CODE, world.people[name], code="424242", calendar="BEGIN:VCALENDAR"))
        for name in (FINCH, WREN)
    )
    send(world, None, times=2)
    told = dict(world.look("select confidential, message_id from operational.message where about_id = %s", appointment))
    return {"of north": told[False], "hidden": told[True], "finch's": of_finch, WRENS: of_wren}


def read(world: World, answer: Any) -> dict[UUID, tuple[Any, ...]]:
    """The events of a request by message: clinic, person and how many patients, categories, and the patient."""
    return {message: tuple(rest) for message, *rest in world.look(READ, answer.headers["x-request-id"])}


@pytest.mark.check(21)
def test_each_mail_that_is_shown_names_whose_it_was(world: World, api: Api, mails: dict[str, UUID]) -> None:
    found = read(world, Browsers(api).get("admin", "/mailbox"))
    north, finch = world.clinic_ids["north"], world.patients["north", FINCH]
    assert found == {
        mails["of north"]: (north, None, 1, ["contact"], north, finch),
        mails["hidden"]: (north, None, 1, ["contact", "confidential"], north, finch),
        mails["finch's"]: (None, world.people[FINCH], 0, ["contact"], None, None),
        mails[WRENS]: (None, world.people[WREN], 0, ["contact"], None, None),
    }


@pytest.mark.check(21)
def test_a_calendar_names_whose_mail_it_came_with_and_nobody_else(
    world: World, api: Api, mails: dict[str, UUID]
) -> None:
    calendar = Browsers(api).get("admin", f"/mailbox/{mails[WRENS]}.ics")
    assert calendar.text == "BEGIN:VCALENDAR"
    assert read(world, calendar) == {mails[WRENS]: (None, world.people[WREN], 0, ["contact"], None, None)}
    accesses = api.get("/v1/me/access-log", headers=sign_in(api, "finch")).json()["accesses"]
    assert [each["role"] for each in accesses if each["action"] == "mailbox.read"] == ["platform_admin"] * 3


@pytest.mark.check(1)
def test_whose_mail_it_is_the_service_sees_in_the_mailbox_alone(world: World, mails: dict[str, UUID]) -> None:
    """And of messages that lie elsewhere never."""
    count, opened = "select count(*) from operational.message", "set local cloister.mailbox = 'open'"
    with connect(Login.SERVICE, at=world.server) as service:
        assert service.execute(count).fetchone() == (0,)
        service.execute(opened)
        assert service.execute(count).fetchone() == (len(mails),)
    assert world.look(count) > [(len(mails),)]
