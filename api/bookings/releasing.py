"""Releases what newcomers booked on a clinic's page and nobody proved in time: cancelled, with its line of history.

Proven is who answered the code, or whose registration became an account's by another way. Nothing is released while
the code is still good, or once the appointment has begun. Whoever got a confirmation is told, at the same contact.
"""

import asyncio
from typing import Any

import psycopg
import structlog

from api.bookings import calendar
from api.bookings.calendar import Entry
from api.database import Connection, Pool
from api.forms.assigning_repository import CANCELLED, WITHDRAW
from api.grants import enter
from api.identity.principals import NOBODY
from api.legal_guardians.expiring import forget_expired
from api.messages.port import Message, MessageKind
from api.messages.queueing import ENQUEUE, PURPOSE, queued_row
from api.recording import Event, recording
from infra.encryption.data_keys import LIVE_OF_PURPOSE, StoredKey
from infra.encryption.field_codec import FieldCodec
from infra.errors import CloisterError
from infra.log import where
from infra.settings import settings
from policies.appointments import NOT_VERIFIED, Status, Step
from policies.words import Decision, ProcessAction

# Holds are counted in minutes.
EVERY_SECONDS = 60.0
# Of one clinic, so that a flood at one keeps no other waiting, and no lock is held for long; the rest is the next's.
MOST_A_ROUND = 200
# Nobody's: as the history of an appointment names who took a step without anybody asking for it.
ROLE = "service"

log = structlog.get_logger()

_CLINICS = "select clinic_id from operational.clinic where archived_at is null order by clinic_id"
# Who takes a step with it, or proves the contact, meanwhile comes first: it is looked at again once it is held.
_RELEASE = """
with due as materialized (
    select a.clinic_id, a.appointment_id, a.patient_id, a.status, a.starts_at, r.person_id,
        exists (
            select from operational.message as m
            where m.clinic_id = a.clinic_id and m.about_id = a.appointment_id and m.kind = %(confirmed)s
                and m.state in ('pending', 'sent')
        ) as told
    from operational.appointment as a
    inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
    inner join operational.verification as v on v.person_id = r.person_id and v.clinic_id = r.clinic_id
    where
        a.clinic_id = %(clinic)s and a.held_until <= statement_timestamp() and a.status = %(booked)s
        and a.deleted_at is null and a.starts_at > statement_timestamp()
        and v.answered_at is null and v.expires_at <= statement_timestamp()
        and not exists (select from operational.principal as p where p.person_id = r.person_id)
    order by a.held_until limit %(most)s
    for no key update of r, a, v skip locked
),
noted as (
    insert into operational.appointment_event (
        clinic_id, event_id, appointment_id, step, from_status, to_status, from_starts_at, to_starts_at, role, reason
    )
    select clinic_id, gen_random_uuid(), appointment_id, %(step)s, status, %(cancelled)s, starts_at, starts_at,
        %(role)s, %(reason)s
    from due
)
update operational.appointment as a set status = %(cancelled)s
from due
where a.clinic_id = due.clinic_id and a.appointment_id = due.appointment_id
returning a.patient_id, a.appointment_id, a.starts_at, a.ends_at, a.version, a.confidential, due.person_id, due.told"""
_KEY = f"{LIVE_OF_PURPOSE} limit 1 for share"


async def keep_releasing(pool: Pool, codec: FieldCodec) -> None:
    """Release what is due, and forget what ran out, until cancelled; what breaks is logged and tried again."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await release_due(pool, codec)
            await forget_expired(pool)
        except (psycopg.Error, CloisterError, OSError) as error:
            log.error("bookings not released", **where(error))


async def release_due(pool: Pool, codec: FieldCodec) -> int:
    """Release what is due at every clinic, a transaction each; how many."""
    async with pool.connection() as connection:
        clinics = await (await connection.execute(_CLINICS)).fetchall()
    return sum([await _release(pool, codec, row["clinic_id"]) for row in clinics])


async def _release(pool: Pool, codec: FieldCodec, clinic_id: int) -> int:
    asked = {
        "clinic": clinic_id, "booked": Status.BOOKED.value, "cancelled": Status.CANCELLED.value, "most": MOST_A_ROUND,
        "step": Step.CANCEL.value, "role": ROLE, "reason": NOT_VERIFIED,
        "confirmed": MessageKind.BOOKING_CONFIRMED.value,
    }  # fmt: skip
    async with pool.connection() as connection, connection.transaction():
        await enter(connection, {"cloister.clinic_id": str(clinic_id), "cloister.person_id": ""})
        rows = await (await connection.execute(_RELEASE, asked)).fetchall()
        if rows:
            await connection.execute(WITHDRAW, _withdrawn(rows))
            await _record(connection, clinic_id, rows)
            await _tell(connection, codec, clinic_id, [row for row in rows if row["told"]])
    return len(rows)


def _withdrawn(rows: list[dict[str, Any]]) -> dict[str, Any]:
    patients, appointments = [row["patient_id"] for row in rows], [row["appointment_id"] for row in rows]
    return {"patients": patients, "appointments": appointments, "by": NOBODY.principal_id, "why": CANCELLED}


async def _tell(connection: Connection, codec: FieldCodec, clinic_id: int, rows: list[dict[str, Any]]) -> None:
    """Queue that appointments are cancelled, to the contact that the confirmation went to: who has no other yet."""
    found = await (await connection.execute(_KEY, [PURPOSE])).fetchone() if rows else None
    if found is None:
        return
    key = StoredKey(*list(found.values())[:4])
    for row in rows:
        entry = Entry(row["appointment_id"], row["starts_at"], row["ends_at"], row["version"], cancelled=True)
        message = Message(
            MessageKind.APPOINTMENT_CHANGED, row["person_id"], clinic_id, calendar.LINK,
            calendar=calendar.text_of(entry, settings().issuer), confidential=row["confidential"],
            about_id=row["appointment_id"], patient_id=row["patient_id"],
        )  # fmt: skip
        await connection.execute(ENQUEUE, queued_row(codec, key, message))


async def _record(connection: Connection, clinic_id: int, rows: list[dict[str, Any]]) -> None:
    event = Event(
        principal_id=None, principal_kind="process", role=ROLE, action=ProcessAction.BOOKING_RELEASE.value,
        resource_type="clinic", decision=Decision.PERMIT.value, clinic_id=clinic_id,
    )  # fmt: skip
    await connection.execute(*recording(event, [row["patient_id"] for row in rows]))
