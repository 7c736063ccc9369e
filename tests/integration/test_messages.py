"""Messages: queued with the work they are about, sent at least once, to the right person, with nothing clinical."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from email import message_from_bytes
from uuid import UUID

import access_world
import psycopg
import pytest
from access_world import CHICK, FINCH, WREN, Api, World

from api.messages import sender
from api.messages.mail import mail_of
from api.messages.port import Message, MessageKind
from api.messages.post import revive
from api.messages.sender import MOST_TRIES, waiting
from api.messages.texts import TEXTS
from api.messages.transports import Smtp, transport_of
from infra.errors import Misconfigured
from infra.settings import Mode, Settings
from tests.integration.impersonating import act_as
from tests.integration.posting import (
    SENDER,
    at_once,
    canary_free,
    due_now,
    give_email,
    mail_server,
    queue,
    recording_refused,
    send,
    state,
)

LINK = "appointments/1"


@pytest.fixture
def finch(world: World) -> UUID:
    give_email(world, FINCH, "finch@example.org")
    return world.people[FINCH]


def test_a_message_arrives_with_its_link_and_is_recorded(world: World, finch: UUID) -> None:
    with mail_server() as (mailman, smtp):
        message = queue(world, Message(MessageKind.CODE, finch, link=LINK, code="123456"))
        send(world, smtp)
    (to, _), mail = mailman.came[0], message_from_bytes(mailman.came[0][1])
    assert to == mail["To"] == "finch@example.org"
    assert mail["Message-ID"] == f"<{message}@example.org>" and mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "123456" in text and "https://cloister.example/appointments/1" in text
    assert state(world, message) == ("sent", None, 1)
    left = world.look("select content, address from operational.message where message_id = %s", message)
    assert left == [(None, None)], "what it said is gone"
    events = world.look("select action, acting_for from audit.access_event where resource_id = %s", str(message))
    assert events == [("message.send", finch)]


@pytest.mark.check(22)
def test_what_cannot_be_recorded_is_not_sent_and_waits(world: World, finch: UUID) -> None:
    with mail_server() as (mailman, smtp):
        message = queue(world, Message(MessageKind.FORM_REQUEST, finch))
        with recording_refused(world), pytest.raises(psycopg.errors.CheckViolation):
            send(world, smtp)
        assert state(world, message) == ("pending", None, 0) and not mailman.came
        due_now(world)
        send(world, smtp)
        assert state(world, message) == ("sent", None, 1) and len(mailman.came) == 1


def test_what_was_sent_and_cannot_be_marked_is_sent_so_often_and_no_more(
    world: World, finch: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_SENT", "select 1 / 0 where %(message)s::uuid is not null and %(attempts)s::int > 0")
    monkeypatch.setattr(sender, "MOST_TRIES", 2)
    with mail_server() as (mailman, smtp):
        message = queue(world, Message(MessageKind.FORM_REQUEST, finch))
        for _ in range(2):
            with pytest.raises(psycopg.errors.DivisionByZero):
                send(world, smtp)
            due_now(world)
        send(world, smtp)
        assert state(world, message)[:2] == ("dead", "uncertain") and len(mailman.came) == 2
    events = world.look("select count(*) from audit.access_event where resource_id = %s", str(message))
    assert events == [(2,)], "each try is recorded before it leaves"


def test_no_text_holds_more_than_a_link_and_a_code() -> None:
    assert set(TEXTS) == set(MessageKind)
    for kind, (subject, text) in TEXTS.items():
        allowed = {"link", "subject", "text"} if kind is MessageKind.CAMPAIGN else {"link", "code"}
        assert set(re.findall(r"\{(\w*)\}", subject + text)) <= allowed


def test_a_calendar_comes_along(world: World, finch: UUID) -> None:
    with mail_server() as (mailman, smtp):
        queue(world, Message(MessageKind.BOOKING_CONFIRMED, finch, calendar="BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"))
        send(world, smtp)
    parts = {part.get_content_type(): part for part in message_from_bytes(mailman.came[0][1]).walk()}
    assert parts["text/calendar"].get_payload(decode=True).startswith(b"BEGIN:VCALENDAR")  # type: ignore[union-attr]


def test_what_a_server_does_not_take_now_is_tried_again(world: World, finch: UUID) -> None:
    with mail_server() as (mailman, smtp):
        mailman.answers = ["451 later"]
        message = queue(world, Message(MessageKind.FORM_REQUEST, finch))
        send(world, smtp, times=2)
        assert state(world, message) == ("pending", "try_later", 1)
        due_now(world)
        send(world, smtp)
        assert state(world, message) == ("sent", None, 2)
        assert len(mailman.came) == 1


def test_what_a_server_refuses_for_good_is_dead_until_somebody_says_so(world: World, finch: UUID) -> None:
    with mail_server() as (mailman, smtp):
        mailman.answers = ["550 no such user finch@example.org"]
        message = queue(world, Message(MessageKind.FORM_REQUEST, finch))
        send(world, smtp)
    assert state(world, message) == ("dead", "refused", 1)


@pytest.mark.check(51)
@pytest.mark.parametrize(
    ("kind", "kept"), [(MessageKind.CODE, 0), (MessageKind.WELCOME, 0), (MessageKind.FORM_REQUEST, 1)]
)
def test_of_what_is_dead_only_what_signs_nobody_in_is_kept_for_another_try(
    world: World, finch: UUID, kind: MessageKind, kept: int
) -> None:
    with mail_server() as (mailman, smtp):
        mailman.answers = ["550 no such user"]
        message = queue(world, Message(kind, finch, code="123456", address="other@example.org"))
        send(world, smtp)
    left = "select count(content), count(address) from operational.message where message_id = %s and state = 'dead'"
    assert world.look(left, message) == [(kept, kept)]
    revive(world.server)
    assert state(world, message)[0] == ("pending" if kept else "dead")
    with mail_server() as (_, smtp):
        send(world, smtp)


def test_without_a_server_it_is_tried_so_often_and_each_time_later(world: World, finch: UUID) -> None:
    message = queue(world, Message(MessageKind.FORM_REQUEST, finch))
    nowhere = Smtp("127.0.0.1", 9, None, None, False, None)
    for _ in range(MOST_TRIES):
        due_now(world)
        send(world, nowhere)
    assert state(world, message) == ("dead", "unreachable", MOST_TRIES)
    assert [waiting(tries + 1) > waiting(tries) for tries in (1, 3, 5)] == [True] * 3


def test_a_code_that_is_good_no_more_is_not_sent(world: World, finch: UUID) -> None:
    message = queue(world, Message(MessageKind.CODE, finch, code="123456"))
    world.change(
        "update operational.message set created_at = now() - interval '11 minutes' where message_id = %s", message
    )
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    assert state(world, message)[:2] == ("dead", "too_late") and not mailman.came


@pytest.mark.parametrize("address", ["a@b\r\nBcc: c@d", "nobody", "a" * 300 + "@b.example"])
def test_no_address_injects_a_header(world: World, finch: UUID, address: str) -> None:
    message = queue(world, Message(MessageKind.CODE, finch, code="1", address=address))
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    assert state(world, message)[:2] == ("dead", "no_address") and not mailman.came


def test_an_unverified_address_counts_only_without_an_account(world: World) -> None:
    give_email(world, WREN, "wren@example.org", verified=False)
    world.people["Crane"] = world.newcomer("south")
    give_email(world, "Crane", "crane@example.org", verified=False)
    with mail_server() as (mailman, smtp):
        wren = queue(world, Message(MessageKind.FORM_REQUEST, world.people[WREN]))
        queue(world, Message(MessageKind.FORM_REQUEST, world.people["Crane"]))
        send(world, smtp)
    assert [to for to, _ in mailman.came] == ["crane@example.org"]
    assert state(world, wren)[:2] == ("unreachable", "no_address")


@pytest.mark.check(52)
def test_guardians_are_told_for_a_dependent_each_alone_and_of_nothing_confidential(world: World, finch: UUID) -> None:
    chick = world.people[CHICK]
    with mail_server() as (mailman, smtp):
        told = queue(world, Message(MessageKind.FORM_REQUEST, chick))
        hidden = queue(world, Message(MessageKind.FORM_REQUEST, chick, confidential=True))
        send(world, smtp, times=3)
    assert [to for to, _ in mailman.came] == ["finch@example.org"]
    assert state(world, told)[0] == "passed_on" and state(world, hidden)[0] == "unreachable"


@pytest.mark.check(52)
def test_what_is_hidden_while_a_sender_has_it_is_not_passed_on(
    world: World, finch: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = queue(world, Message(MessageKind.FORM_REQUEST, world.people[CHICK]))

    async def hidden_meanwhile(*_: object) -> None:
        world.change("update operational.message set confidential = true where message_id = %s", message)

    monkeypatch.setattr(sender, "own_address", hidden_meanwhile)
    with mail_server() as (mailman, smtp):
        send(world, smtp, times=2)
    assert not mailman.came and state(world, message)[:2] == ("unreachable", "no_address")


@pytest.mark.check(33)
def test_a_guardian_of_yesterday_is_told_nothing(world: World, finch: UUID) -> None:
    world.change(
        "update operational.guardianship set ends_on = current_date where dependent_id = %s", world.people[CHICK]
    )
    with mail_server() as (mailman, smtp):
        message = queue(world, Message(MessageKind.FORM_REQUEST, world.people[CHICK]))
        send(world, smtp, times=2)
    world.change("update operational.guardianship set ends_on = null where dependent_id = %s", world.people[CHICK])
    assert not mailman.came and state(world, message)[0] == "unreachable"


@pytest.mark.check(47)
def test_of_many_senders_one_sends(world: World, finch: UUID) -> None:
    messages = [queue(world, Message(MessageKind.FORM_REQUEST, finch)) for _ in range(30)]
    with mail_server() as (mailman, smtp):

        async def until_empty(messenger: object) -> None:
            while await messenger.send_due():  # type: ignore[attr-defined]
                pass

        at_once(world, smtp, 4, until_empty)
    ids = [message_from_bytes(raw)["Message-ID"] for _, raw in mailman.came]
    assert sorted(ids) == sorted(f"<{message}@example.org>" for message in messages)


KILLED = """
    import asyncio, json, os, sys
    from api.database import make_pool
    from api.identity.sealed import codec_of
    from api.messages.mail import Sender
    from api.messages.sender import Post
    from infra.database import Server
    from infra.roles import Login, RoleNames
    from pathlib import Path

    class Hangs:
        async def send(self, mail):
            print("sending", flush=True)
            await asyncio.sleep(60)

    admin, prefix, secrets = json.loads(sys.argv[1])
    at = Server(admin, RoleNames(prefix), Path(secrets))
    pool = make_pool(at, timeout_ms=5000, login=Login.MESSENGER)
    post = Post(pool, codec_of(at), Hangs(), Sender("cloister@example.org", "https://cloister.example"))

    async def main():
        async with pool:
            await post.send_due()
    asyncio.run(main())
"""


@pytest.mark.check(47)
def test_what_a_killed_sender_had_is_sent_by_another(world: World, finch: UUID) -> None:

    message = queue(world, Message(MessageKind.FORM_REQUEST, finch))
    at = json.dumps([world.server.admin, world.server.roles.prefix, str(world.server.secrets_folder)])
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED), at], stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None and sender.stdout.readline() == b"sending\n"
        os.kill(sender.pid, signal.SIGKILL)
    with mail_server() as (mailman, smtp):
        send(world, smtp)
        assert not mailman.came, "the lease is not over"
        due_now(world)
        send(world, smtp)
    assert len(mailman.came) == 1 and state(world, message) == ("sent", None, 2)


@pytest.mark.check(51)
def test_nothing_of_a_message_lies_in_clear(world: World) -> None:
    queue(
        world,
        Message(MessageKind.CODE, world.people[FINCH], link="CANARYLINK", code="777777", address="canary@x.example"),
    )
    with access_world.connect_admin(world.server) as admin:
        for table in ("operational.message", "operational.demo_mail"):
            for canary in ("CANARYLINK", "777777", "canary@x"):
                assert canary_free(admin, table, canary)
    assert "canary" not in repr(Message(MessageKind.CODE, world.people[FINCH], address="canary@x.example")).lower()


def test_a_demo_keeps_its_mail_for_admins_alone(world: World, api: Api, finch: UUID) -> None:
    message = queue(world, Message(MessageKind.CODE, finch, link=LINK, code="424242"))
    send(world, None)
    assert state(world, message)[0] == "sent"
    rows = world.look("select content from operational.demo_mail where message_id = %s", message)
    assert len(rows) == 1 and b"424242" not in rows[0][0]


def test_whoever_is_impersonated_is_told(world: World, api: Api, finch: UUID) -> None:
    before = world.look("select count(*) from operational.impersonation where notified_at is not null")[0][0]
    impersonation, _ = act_as(api, "finch")
    assert world.look(
        "select notified_at from operational.impersonation where impersonation_id = %s", impersonation
    ) == [(None,)]
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    assert "looked at your account" in mailman.came[0][1].decode()
    assert (
        world.look("select count(*) from operational.impersonation where notified_at is not null")[0][0] == before + 1
    )


def test_a_reminder_is_sent_unseen_and_once_in_a_while(world: World, api: Api, finch: UUID) -> None:
    appointment = world.look(
        "insert into operational.appointment (clinic_id, patient_id, status, booked_on, starts_on)"
        " values (%s, %s, 'booked', current_date, current_date + 3) returning appointment_id",
        world.clinic_ids["north"], world.patients["north", FINCH],
    )[0][0]  # fmt: skip
    path, staff = f"/v1/clinics/north/appointments/{appointment}/reminders", access_world.sign_in(api, "staff.north")
    reached = api.post(path, headers=staff)
    assert (reached.status_code, reached.text) == (202, "null")
    again = api.post(path, headers=staff)
    assert again.status_code == 409
    assert again.json()["errors"] == [{"place": "path.appointment", "rule": "reminded_already"}]
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    assert [to for to, _ in mailman.came] == ["finch@example.org"]
    made_up = api.post(path.replace("north", "south"), headers=staff)
    assert made_up.status_code == 404
    for other in ("manager.north", "specialist.north", "manager.south"):
        assert api.post(path, headers=access_world.sign_in(api, other)).status_code == 404


@pytest.mark.parametrize("zone", ["Etc/GMT-14", "Etc/GMT+12"])
def test_of_a_day_alone_a_patient_is_reminded_until_it_is_over_at_the_clinic(
    fresh: World, running: Api, zone: str
) -> None:
    fresh.change("update operational.clinic set time_zone = %s where slug = 'north'", zone)
    staff = access_world.sign_in(running, "staff.north")
    for later, status in ((0, 202), (-1, 409)):
        (appointment,) = fresh.look(
            "insert into operational.appointment (clinic_id, patient_id, status, booked_on, starts_on)"
            " select %s, %s, 'booked', current_date - 9, (now() at time zone %s)::date + %s returning appointment_id",
            fresh.clinic_ids["north"], fresh.patients["north", FINCH], zone, later,
        )[0]  # fmt: skip
        answer = running.post(f"/v1/clinics/north/appointments/{appointment}/reminders", headers=staff)
        assert answer.status_code == status


def test_a_patient_is_asked_to_sign_unseen_and_once_a_week(world: World, api: Api, finch: UUID) -> None:
    path = "/v1/clinics/north/patients/{}/consents/request"
    staff, patient = access_world.sign_in(api, "staff.north"), world.patients["north", FINCH]
    asked = api.post(path.format(patient), headers=staff)
    assert (asked.status_code, asked.text) == (202, "null")
    again = api.post(path.format(patient), headers=staff)
    assert (again.status_code, again.json()["errors"]) == (409, [{"place": "path.patient", "rule": "asked_already"}])
    for other in (world.patients["south", FINCH], "nobody"):
        assert api.post(path.format(other), headers=staff).status_code == 404
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    ((to, mail),) = mailman.came
    assert to == "finch@example.org" and b"https://cloister.example/consents" in mail


def test_mail_servers_are_named_by_a_url() -> None:
    assert Smtp.of("smtps://me:p%40ss@mail.example") == Smtp("mail.example", 465, "me", "p@ss", True, None)
    assert Smtp.of("smtp+starttls://mail.example:2525") == Smtp("mail.example", 2525, None, None, False, True)
    assert "ss" not in repr(Smtp.of("smtps://me:secretss@mail.example")).replace("Smtp", "")
    for text in ("http://mail.example", "smtp://", "smtp://x:99999999"):
        with pytest.raises(Misconfigured):
            Smtp.of(text)
    with pytest.raises(Misconfigured, match="no mail server"):
        transport_of(Settings(mode=Mode.PRODUCTION))
    assert transport_of(Settings(mode=Mode.DEMO)) is None


def test_a_mail_is_the_same_each_time(finch: UUID) -> None:
    content = {"link": "x", "code": "1", "calendar": None}
    mails = [mail_of(finch, MessageKind.CODE, content, "a@b.example", SENDER).as_bytes() for _ in range(2)]
    assert mails[0] == mails[1]
