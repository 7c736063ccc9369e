"""The calendar as it comes with a mail: an invitation, or its end, that a calendar knows by organizer and attendee."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP
from typing import Any
from uuid import uuid4

import pytest
from access_world import WREN, Api, World
from booking import as_key, ask, at, post, sign_in
from icalendar import Calendar

from api.bookings.calendar import Entry, text_of
from api.messages.mail import mail_of
from api.messages.port import MessageKind
from tests.integration.posting import SENDER, give_email, mail_server, send
from tests.integration.records import Family

ADDRESS = "wren@example.org"
ORGANIZER = "mailto:cloister@example.org"
START = datetime(2028, 2, 29, 9, tzinfo=UTC)


def part_of(mail: Message) -> Message:
    (found,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return found


def calendars(mails: list[tuple[str, bytes]], address: str) -> list[tuple[Message, Any]]:
    """The parts with a calendar that came to an address, and what is in them."""
    came = [message_from_bytes(content) for to, content in mails if to == address]
    parts = [part for mail in came for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return [(part, Calendar.from_ical(part.get_payload(decode=True))) for part in parts]  # type: ignore[arg-type]


@pytest.mark.check(39)
@pytest.mark.parametrize("clinic", ["north", "south"])
def test_a_booking_and_its_cancellation_name_organizer_and_attendee(fresh: World, running: Api, clinic: str) -> None:
    give_email(fresh, WREN, ADDRESS)
    wren = sign_in(running, "wren")
    booked = post(running, wren, ask(clinic, starts_at=at(9)), clinic).json()["id"]
    assert running.post(f"/v1/me/appointments/{booked}/cancel", headers=wren).status_code == 200
    with mail_server() as (mailman, transport):
        send(fresh, transport, times=3)
    found = {calendar["METHOD"]: (part, calendar) for part, calendar in calendars(mailman.came, ADDRESS)}
    assert set(found) == {"REQUEST", "CANCEL"}
    for method, (part, calendar) in found.items():
        (event,) = calendar.walk("VEVENT")
        assert (part.get_param("method"), part.get_param("charset")) == (method, "utf-8")
        assert (event["ORGANIZER"], event["ATTENDEE"]) == (ORGANIZER, f"mailto:{ADDRESS}")
        assert event["UID"] == f"{booked}@cloister"


def test_no_mail_of_what_a_clinic_does_says_which_with_whom_or_for_what(fresh: World, running: Api) -> None:
    """Neither its subject, text and calendar, nor any header."""
    for table, column in (("clinic", "name"), ("service", "name"), ("form_template", "title")):
        fresh.change(f"update operational.{table} set {column} = 'Hip surgery'")
    give_email(fresh, WREN, ADDRESS)
    family, wren = Family(fresh, running, {}), fresh.patients["north", WREN]
    newcomer = {"name": "Canary Swift", "email": "swift@example.org"}
    assert post(running, as_key(fresh), ask(patient=newcomer)).status_code == 201
    visit = post(running, sign_in(running, "wren"), ask(starts_at=at(10))).json()["id"]
    appointment, patient = f"/clinics/north/appointments/{visit}", f"/clinics/north/patients/{wren}"
    for path, body in (
        (f"{appointment}/reminders", None), (f"{appointment}/reschedule", {"starts_at": at(11)}),
        (f"{patient}/forms", {"templates": ["mood"]}), (f"{patient}/consents/request", None),
        (f"{appointment}/cancel", {"reason": "specialist_away"}),
    ):  # fmt: skip
        family.done("staff.north", "POST", path, body)
    with mail_server() as (mailman, transport):
        send(fresh, transport, times=9)
    mails = [message_from_bytes(content) for _, content in mailman.came]
    told = " ".join(text for mail in mails for text in everything(mail)).lower()
    assert len(mails) == 8 and told.count("begin:vcalendar") == 4 and "your code is" in told
    words = ("hip surgery", "north", "dr.", "visit", "in_person", "mood", "specialist", "canary", "swift ")
    assert [word for word in words if word in told] == []


def everything(mail: Message) -> list[str]:
    """The headers of each part, and what is in those that have no parts."""
    parts = list(mail.walk())
    contents = [part.get_payload(decode=True) for part in parts if not part.is_multipart()]
    return [*(f"{value}" for part in parts for value in part.values()), *(str(found, "utf-8") for found in contents)]


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize(
    ("address", "uri"),
    [
        ("a@b.example", "a@b.example"),
        (f"{'long' * 15}@{'sub.' * 30}example", f"{'long' * 15}@{'sub.' * 30}example"),
        ("a+tag%x&y=z@b.example", "a+tag%25x%26y%3Dz@b.example"),
        ('"a;b:c"@b.example', "%22a;b:c%22@b.example"),
    ],
)
def test_any_address_stands_in_it_as_one(cancelled: bool, address: str, uri: str) -> None:
    text = text_of(Entry(uuid4(), START, START + timedelta(minutes=30), 2, cancelled), SENDER.public_url)
    assert "mailto" not in text, "nobody's address is kept with it"
    content = {"link": "me", "code": None, "calendar": text}
    mail = mail_of(uuid4(), MessageKind.APPOINTMENT_CHANGED, content, address, SENDER)
    sent = part_of(mail)
    raw = sent.get_payload(decode=True)
    assert isinstance(raw, bytes) and all(len(line) <= 75 for line in raw.split(b"\r\n"))
    calendar = Calendar.from_ical(raw)
    (event,) = calendar.walk("VEVENT")
    assert str(event["ATTENDEE"]) == f"mailto:{uri}" and str(event["ORGANIZER"]) == ORGANIZER
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert calendar["METHOD"] == sent.get_param("method") == ("CANCEL" if cancelled else "REQUEST")


def test_the_part_says_so_on_the_wire() -> None:
    text = text_of(Entry(uuid4(), START, START, cancelled=True), SENDER.public_url)
    content = {"link": "me", "code": None, "calendar": text}
    mail = mail_of(uuid4(), MessageKind.APPOINTMENT_CHANGED, content, "a@b.example", SENDER)
    read = message_from_bytes(mail.as_bytes(), _class=EmailMessage, policy=SMTP)
    header = str(part_of(read)["Content-Type"]).replace('"', "")
    assert header.split("; ") == ["text/calendar", "method=CANCEL", "charset=utf-8"]
