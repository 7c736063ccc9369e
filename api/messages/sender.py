"""Sends what is due, over and over, beside other senders.

A message is leased, each try recorded and committed before it is sent, and marked after it was: of two
senders one has it, and of one that is killed in between the lease runs out. So a message leaves at least
once; a second copy, after a kill between sending and marking, has the same Message-ID. What a mail server
refuses for good is dead; what it did not take is tried again, each time later. What cannot be recorded is
not sent and waits. A campaign's message is marked with the record, so that it leaves at most once: see
`campaigns`.
"""

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog

from api.database import Connection, Pool
from api.messages import campaigns
from api.messages.addresses import Queued, guardians, own_address, queued, shared_address, still_told
from api.messages.asking_again import ask_again
from api.messages.mail import Sender, mail_of
from api.messages.port import MessageKind
from api.messages.queueing import TABLE
from api.messages.reach import Reach
from api.messages.repository import MAIL_TABLE
from api.messages.texts import LINKS
from api.messages.transports import Transport, Undelivered
from api.recording import Event, record, recording
from infra.encryption.codec import Place
from infra.encryption.field_codec import FieldCodec
from infra.errors import CloisterError
from infra.log import where
from policies.words import Category, Decision, ProcessAction

AT_ONCE = 20
LEASE = timedelta(minutes=2)
IDLE_SECONDS = 2.0
ASKING_SECONDS = 3600.0  # between two looks at whose consent ends soon
MOST_TRIES = 10
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=6)
# A code is good for ten minutes: a later one only confuses.
CODE_GOOD_FOR = timedelta(minutes=10)

log = structlog.get_logger()

# A code does not wait for a campaign.
_LEASE = """
update operational.message as m set attempts = m.attempts + 1, next_try_at = statement_timestamp() + %s
from (
    select message_id from operational.message
    where state = 'pending' and next_try_at <= statement_timestamp()
    order by kind = 'campaign', next_try_at limit %s for update skip locked
) as due
where m.message_id = due.message_id
returning m.message_id"""
_SENT = """
update operational.message
set state = 'sent', sent_at = statement_timestamp(), failure = null, attempts = %(attempts)s,
    content = null, address = null
where message_id = %(message)s and state = 'pending'"""
# Nothing left: a try counts once it is recorded.
_UNTRIED = "update operational.message set attempts = attempts - 1 where message_id = %s and state = 'pending'"
_TOLD = """
update operational.impersonation set notified_at = statement_timestamp()
where impersonation_id = %s and notified_at is null"""
_AGAIN = """
update operational.message set next_try_at = statement_timestamp() + %s, failure = %s
where message_id = %s and state = 'pending'"""
_HANDED_ON = "update operational.message set state = 'passed_on', content = null where message_id = %s"
# What signs in by itself is gone at once; the rest may be tried again.
_ENDED = """
update operational.message
set state = %s, failure = %s,
    content = case when kind not in ('code', 'welcome', 'password_link', 'guardian_code') then content end,
    address = case when kind not in ('code', 'welcome', 'password_link', 'guardian_code') then address end
where message_id = %s and state = 'pending'"""
_HAND_ON = """
insert into operational.message
    (message_id, kind, clinic_id, patient_id, person_id, about_id, copied_from, content)
values (%s, %s, %s, %s, %s, %s, %s, %s)"""
# Held: who hides it meanwhile waits, and finds the copies.
_MAY_BE_TOLD = """
select not confidential and copied_from is null as may_be_told from operational.message
where message_id = %s and state = 'pending' for update"""
_MAIL = """
insert into operational.demo_mail (message_id, content) values (%s, %s) on conflict do nothing"""
_HOLD = "select from operational.data_key where data_key_id = %s for share"


@dataclass(frozen=True)
class Post:
    """What sending needs: the messenger's connections, the codec, a way out (None: a demo's mailbox), a sender."""

    pool: Pool
    codec: FieldCodec
    transport: Transport | None
    sender: Sender

    async def keep_sending(self) -> None:
        """Send what is due until cancelled; what breaks is logged and tried again."""
        ask_at = 0.0
        while True:
            try:
                if time.monotonic() >= ask_at:
                    await ask_again(self.pool)
                    ask_at = time.monotonic() + ASKING_SECONDS
                busy = await self.send_due()
            except (psycopg.Error, CloisterError, OSError) as error:
                log.error("messages not sent", **where(error))
                busy = 0
            if not busy:
                await asyncio.sleep(IDLE_SECONDS)

    async def send_due(self) -> int:
        """Send the messages that are due now, some at once; how many were taken up."""
        async with self.pool.connection() as connection:
            rows = await (await connection.execute(_LEASE, [LEASE, AT_ONCE])).fetchall()
        await asyncio.gather(*(self._deliver(row["message_id"]) for row in rows))
        return len(rows)

    async def _deliver(self, message_id: UUID) -> None:
        async with self.pool.connection() as connection:
            found = await queued(connection, message_id)
            if found is None:
                return
            if found.row["attempts"] > MOST_TRIES:  # it may have left each time, and nobody could mark it
                await connection.execute(_ENDED, ["dead", campaigns.UNDER_WAY, message_id])
                return
            if not await still_told(connection, found):
                await connection.execute(_ENDED, ["withheld", Reach.NO_CONTACT, message_id])
                return
            to = await self._address(connection, found)
            if to is None:
                await self._pass_on(connection, found)
                return
        try:
            await self._send(found, to)
        except campaigns.Withheld as withheld:
            async with self.pool.connection() as connection:
                await connection.execute(_ENDED, [withheld.state, withheld.word, message_id])
        except Undelivered as failed:
            await self._later(found, failed)

    async def _address(self, connection: Connection, found: Queued) -> str | None:
        if found.row["address"] is not None:
            return self._opened(found, "address")
        person = found.row["person_id"]
        own = await own_address(connection, self.codec, person)
        if own is None and found.row["kind"] == MessageKind.CAMPAIGN and found.row["copied_from"] is None:
            return await shared_address(connection, self.codec, person)
        return own

    async def _send(self, found: Queued, to: str) -> None:
        kind = MessageKind(found.row["kind"])
        if kind is MessageKind.CODE and datetime.now(UTC) - found.row["created_at"] > CODE_GOOD_FOR:
            raise Undelivered("too_late", permanent=True)
        try:
            mail = await self._recorded(found, kind, to)
        except psycopg.Error:
            async with self.pool.connection() as connection:
                await connection.execute(_UNTRIED, [found.message_id])
            raise
        if self.transport is not None:
            await self.transport.send(mail)
            async with self.pool.connection() as connection, connection.transaction():
                await self._mark_sent(connection, found)

    async def _recorded(self, found: Queued, kind: MessageKind, to: str) -> EmailMessage:
        """The mail, whose sending is recorded; in a demo's mailbox already."""
        async with self.pool.connection() as connection, connection.transaction():
            try:
                mail = mail_of(found.message_id, kind, await self._content(connection, found), to, self.sender)
            except ValueError:
                raise Undelivered("no_address", permanent=True) from None
            await _record(connection, found)
            if self.transport is None:
                await self._keep(connection, found, mail.as_bytes())
                await self._mark_sent(connection, found)
        return mail

    async def _content(self, connection: Connection, found: Queued) -> dict[str, Any]:
        """What the message says.

        Raises:
            Withheld: of a campaign's that is not to be sent, or may have been.
        """
        if found.row["kind"] == MessageKind.CAMPAIGN:
            return await campaigns.take(connection, self.codec, found)
        if found.row["content"] is None:
            return {"link": LINKS[MessageKind(found.row["kind"])], "code": None, "calendar": None}
        content: dict[str, Any] = json.loads(self._opened(found, "content"))
        return content

    async def _mark_sent(self, connection: Connection, found: Queued) -> None:
        row = found.row
        await connection.execute(_SENT, {"message": found.message_id, "attempts": row["attempts"]})
        if row["kind"] == MessageKind.IMPERSONATION_NOTICE:
            await connection.execute(_TOLD, [row["about_id"]])

    async def _keep(self, connection: Connection, found: Queued, mail: bytes) -> None:
        await connection.execute(_HOLD, [found.keys[0].data_key_id])
        place = Place(MAIL_TABLE, "content", str(found.message_id))
        await connection.execute(_MAIL, [found.message_id, self.codec.seal(found.keys[0], place, mail)])

    async def _pass_on(self, connection: Connection, found: Queued) -> None:
        """Queue the message for each guardian, none of whom sees the other; each copy goes no further."""
        row = found.row
        content = None if row["content"] is None else self._opened(found, "content").encode()
        async with connection.transaction():
            held = await (await connection.execute(_MAY_BE_TOLD, [found.message_id])).fetchone()
            if held is None:
                return
            told = await guardians(connection, row["person_id"]) if held["may_be_told"] else []
            for guardian in told:
                copy = uuid4()
                await connection.execute(_HOLD, [found.keys[0].data_key_id])
                place = Place(TABLE, "content", str(copy))
                sealed = None if content is None else self.codec.seal(found.keys[0], place, content)
                about = [row["kind"], row["clinic_id"], row["patient_id"], guardian, row["about_id"]]
                await connection.execute(_HAND_ON, [copy, *about, found.message_id, sealed])
            if told:
                await connection.execute(_HANDED_ON, [found.message_id])
            else:
                await connection.execute(_ENDED, ["unreachable", "no_address", found.message_id])

    async def _later(self, found: Queued, failed: Undelivered) -> None:
        lost = failed.uncertain and found.row["kind"] == MessageKind.CAMPAIGN
        async with self.pool.connection() as connection:
            if lost or failed.permanent or found.row["attempts"] >= MOST_TRIES:
                await connection.execute(_ENDED, ["dead", failed.word, found.message_id])
            else:
                await connection.execute(_AGAIN, [waiting(found.row["attempts"]), failed.word, found.message_id])

    def _opened(self, found: Queued, column: str) -> str:
        place = Place(TABLE, column, str(found.message_id))
        return self.codec.open(found.keys, place, found.row[column]).decode()


async def _record(connection: Connection, found: Queued) -> None:
    """The event of a try, in the running transaction."""
    row = found.row
    # A notice without a patient is in the person's own log.
    hidden = row["confidential"] and row["patient_id"] is not None
    categories = [Category.CONFIDENTIAL.value, Category.CONTACT.value] if hidden else [Category.CONTACT.value]
    event = Event(
        principal_id=None, principal_kind="process", role="messenger", action=ProcessAction.MESSAGE_SEND.value,
        resource_type="message", resource_id=str(found.message_id), decision=Decision.PERMIT.value,
        clinic_id=row["clinic_id"], acting_for=row["person_id"], categories=categories,
    )  # fmt: skip
    if row["clinic_id"] is not None and row["patient_id"] is not None:
        await connection.execute(*recording(event, [row["patient_id"]]))
    else:
        await record(connection, event)


def waiting(attempts: int) -> timedelta:
    """How long to wait after so many attempts: twice as long each time, a quarter more or less."""
    wait: timedelta = min(FIRST_WAIT * 2 ** (attempts - 1), LONGEST_WAIT)
    return wait * (0.75 + random.random() / 2)  # nosec B311 # no secret
