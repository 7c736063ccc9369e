"""Bookings of people who are not known: what onboarding leaves behind for a verification, and its messages."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from access_world import UNLIMITED, Api, World

from api.gateway import Access, Work
from api.identity import principals
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.services import Caller, Services
from api.verifications import people_repository as people
from api.verifications import repository
from infra.encryption.field_codec import FieldCodec
from policies.access.model import Resource
from policies.words import Action
from tests.utc import today

MAIL = "crane@example.org"
NOT_GOOD = {
    "type": "urn:cloister:problem:invalid-input", "title": "Something in the request is not valid.", "status": 422,
    "errors": [{"place": "body.code", "rule": "not_good"}],
}  # fmt: skip


@dataclass(frozen=True)
class Booked:
    """What a booking made: a person, their registration, and the verification of their contact."""

    person: UUID
    patient: UUID
    verification: UUID


@dataclass
class Mailbox:
    """Messages as they were put into the queue, where they are sealed."""

    messages: list[Message] = field(default_factory=list)

    def code(self, verification: UUID) -> str:
        """The newest code of a verification."""
        return next(m.code or "" for m in reversed(self.messages) if m.link == f"/verify/{verification}")

    def links(self) -> list[str]:
        """Links that set a password."""
        return [m.link for m in self.messages if m.kind is MessageKind.WELCOME]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    found, queue = Mailbox(), messages.enqueue

    async def enqueue(work: Work, codec: FieldCodec, message: Message) -> UUID:
        found.messages.append(message)
        return await queue(work, codec, message)

    monkeypatch.setattr("api.messages.repository.enqueue", enqueue)
    return found


def in_work(world: World, clinic: str, do: Callable[[Work, Services], Awaitable[Any]]) -> Any:
    """Do something in a work of a clinic, as a booking would."""

    async def run() -> Any:
        serving = Services.build(world.server, UNLIMITED)
        async with serving.pool:
            async with serving.pool.connection() as connection:
                principal = await principals.by_login(connection, f"manager.{clinic}")
            assert principal
            access = Access(Action.MERGE_DECIDE, Resource(clinic=clinic))
            async with serving.gateway.work(Caller(principal, uuid4()), access) as work:
                await work.record()
                return await do(work, serving)

    # In a thread of its own: a browser's test has a loop running in this one.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(run())).result()


def book(world: World, clinic: str, email: str | None = MAIL, phone: str | None = None) -> Booked:
    """A booking of somebody who is not known."""
    person, patient, clinic_id = uuid4(), uuid4(), world.clinic_ids[clinic]

    async def do(work: Work, serving: Services) -> UUID:
        await work.serve(person)
        await people.register_newcomer(
            work, serving.codec, person, "Canary Crane", {"email": email, "phone": phone},
            clinic=clinic_id, patient=patient, today=today(),
        )  # fmt: skip
        channel, contact = ("email", email) if email else ("phone", phone or "")
        started = await repository.start(
            work, serving.codec, person_id=person, clinic_id=clinic_id, channel=channel, contact=contact
        )
        return started.verification_id

    return Booked(person, patient, in_work(world, clinic, do))


def answer(api: Api, booked: Booked, code: str, **asked: Any) -> httpx.Response:
    return api.post(f"/v1/verifications/{booked.verification}", json={"code": code, **asked})


def verified(api: Api, mailbox: Mailbox, booked: Booked, **asked: Any) -> None:
    """Answer with the right code."""
    found = answer(api, booked, mailbox.code(booked.verification), **asked)
    assert (found.status_code, found.json()) == (200, {"status": "verified"})


def login_of(world: World, person: UUID) -> str:
    """The generated login of a person's account."""
    return str(world.look("select login from operational.principal where person_id = %s", person)[0][0])


def person_at(world: World, booked: Booked) -> UUID:
    """Whose registration it is now."""
    found: UUID = world.look(
        "select person_id from operational.registration where patient_id = %s", booked.patient
    )[0][0]  # fmt: skip
    return found
