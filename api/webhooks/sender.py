"""Sends each endpoint its deliveries, one after the other, beside other senders.

An endpoint is one sender's at a time: a lock of its session, which ends with it. A change becomes a delivery, with an
id that stays, in the transaction that moves the endpoint's place in the feed. What a delivery discloses is recorded and
committed, then it is sent, then it is marked: killed in between, it is sent again under the same id. What is not taken
is tried again for a day, each time later, and holds up what follows; then it is dead, and the next one's turn.
"""

import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.database import Connection, Pool
from api.grants import enter
from api.recording import Event, record
from api.webhooks import feed, queue
from api.webhooks.notices import tell_managers
from api.webhooks.queue import Delivery, Endpoint
from api.webhooks.signing import signed_headers
from api.webhooks.transport import Answer, Transport
from infra.encryption.field_codec import FieldCodec
from infra.roles import ClinicKind, RoleNames, clinic_schema
from policies.words import Decision, ProcessAction

AHEAD = 100
# What one endpoint is sent, and for how many seconds, before it is another's turn.
A_TURN = 100
TURN_SECONDS = 5.0
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=4)
GONE = 410
_LOCK = "select pg_try_advisory_lock(hashtextextended('cloister.webhook.' || %s, 0)) as mine"
_UNLOCK = "select pg_advisory_unlock(hashtextextended('cloister.webhook.' || %s, 0))"


@dataclass(frozen=True)
class Sending:
    """A delivery that is recorded and about to leave."""

    endpoint: Endpoint
    delivery: Delivery
    body: str


@dataclass(frozen=True)
class Sender:
    """What sending needs: the courier's connections, the names of the clinics' roles, the codec, a way out."""

    pool: Pool
    names: RoleNames
    codec: FieldCodec
    transport: Transport

    async def send(self, endpoint: UUID) -> tuple[int, bool]:
        """Send an endpoint what is due for one turn, unless another sender is at it.

        How many were taken, and whether the turn ended before there was nothing more to send.
        """
        taken, over_at = 0, time.monotonic() + TURN_SECONDS
        async with self.pool.connection() as connection, _held(connection, endpoint) as mine:
            while mine and (sending := await self._next(connection, endpoint)) is not None:
                if not await self._send(connection, sending):
                    break
                taken += 1
                if taken == A_TURN or time.monotonic() >= over_at:
                    return taken, True
        return taken, False

    async def drop_withdrawn(self, connection: Connection, clinic: str) -> None:
        """Drop what deliveries still name once the feed does not tell it any more."""
        async with connection.transaction():
            kept = await queue.kept(connection, clinic)
            if kept:
                await self._be_teller(connection, clinic)
                told = await feed.still_told(connection, list(kept.values()))
                await _be_courier(connection)
                await queue.void(connection, [delivery for delivery, change in kept.items() if change not in told])

    async def _next(self, connection: Connection, endpoint_id: UUID) -> Sending | None:
        """What an endpoint is sent next: recorded, and committed. None if nothing is due."""
        while True:
            async with connection.transaction():
                found = await self._waiting(connection, endpoint_id)
                if found is None:
                    return None
                endpoint, delivery = found
                body = await self._recorded(connection, endpoint, delivery)
                if body is not None:
                    await queue.trying(connection, delivery.delivery_id)
            if body is not None:
                return Sending(endpoint, delivery, body)

    async def _waiting(self, connection: Connection, endpoint_id: UUID) -> tuple[Endpoint, Delivery] | None:
        """An endpoint and the delivery that waits for it and is due; the feed is looked at if none waits."""
        found = await queue.next_of(connection, self.codec, endpoint_id)
        if found is not None and found[1] is None and found[0].enabled and await self._follow(connection, found[0]):
            found = await queue.next_of(connection, self.codec, endpoint_id)
        if found is None or found[1] is None or not found[1].due:
            return None
        return found[0], found[1]

    async def _follow(self, connection: Connection, endpoint: Endpoint) -> int:
        """Make deliveries of the next changes of the clinic's feed; how many."""
        await self._be_teller(connection, endpoint.clinic)
        after, kinds = endpoint.followed, endpoint.kinds
        found, reached = await feed.ahead(connection, after, endpoint.segments, kinds, AHEAD)
        await _be_courier(connection)
        moved = reached != after and await queue.add(connection, endpoint, found, reached)
        return len(found) if moved else 0

    async def _recorded(self, connection: Connection, endpoint: Endpoint, delivery: Delivery) -> str | None:
        """The body of a delivery, recorded; None of one that is not to be told any more, which is dropped."""
        event = feed.sending_event(endpoint.clinic_id, endpoint.clinic, endpoint.endpoint_id, delivery.delivery_id)
        await self._be_teller(connection, endpoint.clinic)
        if delivery.change is None:
            await feed.note_test(connection, event)
            await _be_courier(connection)
            return _body("webhook.test", datetime.now(UTC), {"clinic": endpoint.clinic})
        told = await feed.tell(connection, event, delivery.change)
        await _be_courier(connection)
        if told is None:
            await queue.void(connection, [delivery.delivery_id])
            return None
        data: dict[str, Any] = {"clinic": endpoint.clinic, "segment_id": str(told.change.segment_id)}
        data |= {"patient_id": str(told.change.patient_id), "cause": told.cause, "version": told.version}
        data |= {"run": told.change.run, "fires": told.fires}
        return _body(f"segment.{told.change.kind}", told.at, data)

    async def _send(self, connection: Connection, sending: Sending) -> bool:
        """Send a delivery and mark what came of it; whether it was taken. No transaction is open meanwhile."""
        endpoint, delivery = sending.endpoint, sending.delivery
        headers = signed_headers(str(delivery.delivery_id), datetime.now(UTC), sending.body, endpoint.secrets)
        answer = await self.transport.send(endpoint.url, sending.body, headers)
        async with connection.transaction():
            if answer.failure is None:
                await queue.delivered(connection, endpoint.endpoint_id, delivery, answer)
                return True
            wait = max(waiting(delivery.attempts + 1), timedelta(seconds=answer.retry_after))
            given_up = await queue.failed(connection, endpoint.endpoint_id, delivery, answer, wait)
            if given_up or (answer.status == GONE and delivery.change is not None):
                await self._give_up(connection, endpoint, answer)
        return False

    async def _give_up(self, connection: Connection, endpoint: Endpoint, answer: Answer) -> None:
        because = "gone" if answer.status == GONE else "failures"
        if not await queue.disable(connection, endpoint.endpoint_id, because):
            return
        await tell_managers(connection, self.codec, endpoint.clinic_id, endpoint.endpoint_id)
        await self._be_teller(connection, endpoint.clinic)
        await record(connection, _given_up(endpoint))

    async def _be_teller(self, connection: Connection, clinic: str) -> None:
        """Be the clinic's teller until told otherwise, or the transaction ends."""
        role = self.names.clinic(clinic, ClinicKind.TELLER)
        await enter(connection, {"role": role, "search_path": f"{clinic_schema(clinic)}, pg_temp"})


def waiting(attempts: int) -> timedelta:
    """How long to wait after so many attempts: twice as long each time, a quarter more or less."""
    wait: timedelta = min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    return wait * (0.75 + random.random() / 2)  # nosec B311 # no secret


async def _be_courier(connection: Connection) -> None:
    await enter(connection, {"role": "none"})


@asynccontextmanager
async def _held(connection: Connection, endpoint: UUID) -> AsyncIterator[bool]:
    """Whether the endpoint is this connection's while the block runs."""
    row = await (await connection.execute(_LOCK, [str(endpoint)])).fetchone()
    mine = bool(row and row["mine"])
    try:
        yield mine
    finally:
        if mine and not connection.closed:
            await connection.execute(_UNLOCK, [str(endpoint)])


def _body(kind: str, at: datetime, data: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "timestamp": at.astimezone(UTC).isoformat(), "data": data}, separators=(",", ":"))


def _given_up(endpoint: Endpoint) -> Event:
    return Event(
        principal_id=None, principal_kind="process", role="courier", action=ProcessAction.WEBHOOK_DISABLE.value,
        resource_type="webhook", resource_id=str(endpoint.endpoint_id), decision=Decision.PERMIT.value,
        clinic_id=endpoint.clinic_id, organisation=endpoint.clinic,
    )  # fmt: skip
