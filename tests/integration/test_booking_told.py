"""What a booking says of its verification: what the booking itself names, and nothing of who is known."""

from typing import Any
from uuid import uuid4

import pytest
from access_world import FINCH, WREN, Api, World
from booking import as_key, ask, at, newcomer, post, sign_in, someone
from provisional import Mailbox, mailbox

from api.messages.port import MessageKind

__all__ = ["mailbox"]
PHONE = {"name": "Canary Heron", "phone": "+5527999123456"}
WORDS = {"sent", "nothing_to_send_to", "not_needed"}


def told(api: Api, who: dict[str, str], hours: float, key: str = "", **asked: Any) -> str:
    """What a booking is answered of its verification."""
    booked = post(api, who, ask(starts_at=at(hours), **asked), key=key)
    assert booked.status_code == 201, booked.text
    word: str = booked.json()["verification"]
    return word


def codes(mailbox: Mailbox) -> list[str | None]:
    return [message.address for message in mailbox.messages if message.kind is MessageKind.CODE]


@pytest.mark.check(39)
def test_an_email_is_sent_a_code_and_a_phone_nothing(fresh: World, running: Api, mailbox: Mailbox) -> None:
    key, staff = as_key(fresh), sign_in(running, "staff.north")
    assert told(running, key, 9, patient=PHONE) == "nothing_to_send_to"
    assert told(running, staff, 10, patient={**PHONE, "source_id": "p1"}) == "nothing_to_send_to"
    assert codes(mailbox) == []
    assert told(running, key, 11, patient={**PHONE, "email": "heron@example.org"}) == "sent"
    # An email brings a code at last to whom only a phone was known of.
    assert told(running, staff, 12, patient={**PHONE, "source_id": "p1", "email": "ibis@example.org"}) == "sent"
    assert codes(mailbox) == ["heron@example.org", "ibis@example.org"]


def test_who_is_named_by_an_id_or_books_themself_has_nothing_to_prove(world: World, api: Api) -> None:
    wren, finch = (str(world.patients["north", who]) for who in (WREN, FINCH))
    assert told(api, as_key(world), 9, patient={"id": wren}) == "not_needed"
    assert told(api, sign_in(api, "staff.north"), 10, patient={"id": finch}) == "not_needed"
    assert told(api, sign_in(api, "wren"), 11) == "not_needed"
    assert told(api, sign_in(api, "finch"), 12, dependent=str(world.guardianship)) == "not_needed"
    assert told(api, as_key(world), 13, patient=newcomer(source_id="p7")) == "sent"
    assert told(api, as_key(world), 14, patient={"source_id": "p7"}) == "not_needed"


def test_the_same_again_is_told_the_same(world: World, api: Api) -> None:
    for hours, patient in ((15, newcomer()), (16, PHONE)):
        key = str(uuid4())
        first, again = (told(api, as_key(world), hours, key, patient=patient) for _ in range(2))
        assert first == again


@pytest.mark.check(7)
def test_it_tells_nothing_of_who_was_known_and_nothing_of_what_was_sent_before(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    # The address has its five codes of the hour, and no sixth; the source's patient is known by then.
    words = {told(running, as_key(fresh), 8 + n, patient=someone(email="ibis@example.org")) for n in range(7)}
    words |= {told(running, as_key(fresh), 15, patient={**PHONE, "email": "ibis@example.org", "source_id": "p1"})}
    words |= {told(running, as_key(fresh), 16, patient={**PHONE, "email": "ibis@example.org", "source_id": "p1"})}
    assert words == {"sent"}
    assert len(codes(mailbox)) == 5


def test_the_document_of_the_api_has_the_words(api: Api) -> None:
    schemas = api.get("/v1/openapi.json").json()["components"]["schemas"]
    assert set(schemas["Verification"]["enum"]) == WORDS
    assert "verification" in schemas["Booked"]["required"]
