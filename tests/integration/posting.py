"""Queues messages as the gateway's work does, and sends them to a mail server of the test."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
from access_world import World, listening
from aiosmtpd.controller import Controller

from api.asking import Caller
from api.database import make_pool
from api.directory import Directory
from api.gateway import Access, Gateway
from api.identity.principals import Principal
from api.identity.sealed import codec_of
from api.me import repository as me
from api.messages.mail import Sender
from api.messages.port import Message
from api.messages.repository import enqueue
from api.messages.sender import Post
from api.messages.transports import Smtp, Transport
from infra.database import connect
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys
from infra.roles import Login
from policies.access.decide import load
from policies.access.model import Resource
from policies.classification import ProfileField
from policies.words import Action, Role

SENDER = Sender("cloister@example.org", "https://cloister.example")


class Mailman:
    """A mail server's side: what came, and what it answers to each recipient in turn."""

    def __init__(self) -> None:
        self.came: list[tuple[str, bytes]] = []
        self.answers: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 taken"
        if answer.startswith("250"):
            self.came.append((envelope.rcpt_tos[0], envelope.content))
        return answer


@contextmanager
def mail_server() -> Iterator[tuple[Mailman, Smtp]]:
    """A mail server on a port of its own."""
    mailman = Mailman()
    with listening() as free:
        port = free.getsockname()[1]
    controller = Controller(mailman, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailman, Smtp("127.0.0.1", port, None, None, False, None)
    finally:
        controller.stop()


def queue(world: World, message: Message) -> UUID:
    """Queue a message in some work of the person themselves."""

    async def working() -> UUID:
        pool = make_pool(world.server, timeout_ms=5000)
        principal = Principal(
            uuid4(), "human", "x", "x", frozenset({(Role.PATIENT, None)}), "s", person_id=message.person_id
        )
        access = Access(Action.PERSON_READ, Resource(person=str(message.person_id)), frozenset({ProfileField.NAME}))
        async with pool:
            gateway = Gateway(pool, world.server.roles, load(), Directory(pool))
            async with gateway.work(Caller(principal, uuid4()), access) as work:
                await work.find(me._profile(True, (ProfileField.NAME,)), me=message.person_id, dependent=None)
                return await enqueue(work, codec_of(world.server), message)

    return asyncio.run(working())


def post(world: World, transport: Transport | None) -> Post:
    """The messenger, its connections not open yet."""
    pool = make_pool(world.server, timeout_ms=5000, size=4, login=Login.MESSENGER)
    return Post(pool, codec_of(world.server), transport, SENDER)


def send(world: World, transport: Transport | None, times: int = 1) -> None:
    """Send what is due, so many times."""

    async def sending() -> None:
        messenger = post(world, transport)
        async with messenger.pool:
            for _ in range(times):
                await messenger.send_due()

    asyncio.run(sending())


def at_once(world: World, transport: Transport | None, senders: int, block: Callable[[Post], Awaitable[Any]]) -> None:
    """Several messengers beside each other."""

    async def sending() -> None:
        async def one() -> None:
            messenger = post(world, transport)
            async with messenger.pool:
                await block(messenger)

        await asyncio.gather(*(one() for _ in range(senders)))

    asyncio.run(sending())


def give_email(world: World, name: str, email: str, *, verified: bool = True) -> None:
    """The email of somebody's account."""
    codec, person = codec_of(world.server), world.people[name]
    with connect(Login.SERVICE, at=world.server) as connection:
        newest = people_keys(connection, codec.provider, [person])[person][0]
    sealed = codec.seal(newest, Place("operational.account_contact", "email", str(person)), email.encode())
    world.change(
        "insert into operational.account_contact (person_id, email, email_verified_at)"
        " values (%s, %s, case when %s then now() end)"
        " on conflict (person_id) do update set email = excluded.email, email_verified_at = excluded.email_verified_at",
        person, sealed, verified,
    )  # fmt: skip


def state(world: World, message: UUID) -> tuple[Any, ...]:
    """State, failure and attempts of a message."""
    query = "select state, failure, attempts from operational.message where message_id = %s"
    return world.look(query, message)[0]


@contextmanager
def recording_refused(world: World) -> Iterator[None]:
    """While no event of the access log can be written."""
    world.change("alter table audit.access_event add constraint refusing check (false) not valid")
    try:
        yield
    finally:
        world.change("alter table audit.access_event drop constraint refusing")


def due_now(world: World) -> None:
    """Let the waiting of those that wait be over."""
    world.change(
        "update operational.message set next_try_at = now()"
        " where state = 'pending' and next_try_at < now() + interval '1 day'"
    )


def canary_free(connection: psycopg.Connection, table: str, canary: str) -> bool:
    """Whether no row of a table holds a text in clear."""
    row = connection.execute(f"select count(*) from {table} as t where t::text like %s", [f"%{canary}%"]).fetchone()  # type: ignore[call-overload]
    return row == (0,)
