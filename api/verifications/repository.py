"""Verifications in the database: the contact, sealed; its code, as a keyed digest."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api import sealing
from api.gateway import Work
from api.identity.codes import MINUTES, TRIES, new_code
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.messages.queueing import PURPOSE as MESSAGES
from infra.encryption.blind_index import digests
from infra.encryption.codec import Place
from infra.encryption.columns import PURPOSES as SEALED
from infra.encryption.contacts import INDEXED, OF_ACCOUNT, mailbox
from infra.encryption.data_keys import IndexKey, index_purpose
from infra.encryption.field_codec import FieldCodec
from infra.errors import InvalidInput

# Codes to one contact, or of one person, in an hour: so many for bookings, whoever makes them, and so many for accounts
# that change to it: whoever books with somebody's address keeps nobody who is signed in from changing to it. And of one
# verification at all.
MOST_CODES = 5
MOST_CODES_A_DAY = 15
_PURPOSE = "verification"
_CODE = "code"
_CONTACT = SEALED[_PURPOSE][0]
# Under whose keys a new verification, its code and its message stand.
PURPOSES = [
    _PURPOSE, MESSAGES, *(index_purpose(name) for name in (_CODE, *(OF_ACCOUNT + each for each in INDEXED)))
]  # fmt: skip

# From a subquery the array is as long to the planner each time, so that it keeps its plan.
_SENT = sql.SQL("""
select
    coalesce(sum(codes) filter (where sent_at > statement_timestamp() - interval '1 hour'), 0) as codes,
    coalesce(sum(codes), 0) as codes_of_day,
    count(*) as verifications
from operational.verification
where (contact_digest = any((select %(digests)s::bytea[])::bytea[]) or person_id = %(person)s)
    and (clinic_id is not null) = %(booked)s
    and sent_at > statement_timestamp() - interval '1 day'""")
# `claims` is the column of `on_their_own`: renamed, it would break what still serves while a clinic upgrades.
_BEGIN = sql.SQL("""
insert into operational.verification
    (verification_id, person_id, clinic_id, claims, channel, contact, contact_digest, code_digest, codes, tries,
    expires_at)
values (%(verification)s, %(person)s, %(clinic)s, %(on_their_own)s, %(channel)s, %(contact)s, %(contact_digest)s,
    %(code_digest)s, %(codes)s, %(tries)s, statement_timestamp() + make_interval(mins => %(minutes)s))""")
_OPEN = sql.SQL("""
select verification_id, person_id, clinic_id, claims as on_their_own, channel, contact, code_digest, codes,
    expires_at > statement_timestamp() as live
from operational.verification
where verification_id = %(verification)s and answered_at is null for no key update""")
_ANSWERED = sql.SQL("""
update operational.verification set answered_at = statement_timestamp() where verification_id = %(verification)s""")
_RENEW = sql.SQL("""
update operational.verification set code_digest = %(code_digest)s, codes = codes + 1, tries = 0,
    sent_at = statement_timestamp(), expires_at = statement_timestamp() + make_interval(mins => %(minutes)s)
where verification_id = %(verification)s""")
# One that is being answered is not waited for: whoever answers holds it, and waits for others with the same contact.
_END_OTHERS = sql.SQL("""
update operational.verification set answered_at = statement_timestamp()
where verification_id in (
    select verification_id from operational.verification
    where person_id = %(person)s and clinic_id = %(clinic)s and answered_at is null and verification_id <> %(newest)s
    for no key update skip locked
)""")
# Verifications of the same contact wait for each other, whichever version of the key they know.
_ALONE = sql.SQL("""
select pg_advisory_xact_lock(hashtextextended(encode(d, 'hex'), 0))
from (select unnest(%(digests)s::bytea[]) as d order by d) as t""")


@dataclass(frozen=True)
class Started:
    """A verification that has begun: was a code `sent`, and how many bookings of the last day named the email."""

    verification_id: UUID
    sent: bool
    booked_before: int = 0


@dataclass(frozen=True)
class Proven:
    """A contact that a code has proven: whose registration it is about, and at which clinic.

    `on_their_own`: the clinic's staff had the code sent for that very person to have an account; nobody booked.
    """

    verification_id: UUID
    person_id: UUID
    clinic_id: int | None
    channel: str
    contact: str
    on_their_own: bool = False


async def start(
    work: Work,
    codec: FieldCodec,
    *,
    person_id: UUID,
    clinic_id: int | None,
    channel: str,
    contact: str,
    on_their_own: bool = False,
) -> Started:
    """A new verification of a contact, its code on the way unless the contact had too many.

    Nothing can be sent to a phone yet: its verification waits for nobody's code. `on_their_own` as in `Proven`.

    Raises:
        InvalidInput: no phone number or email; names the field.
    """
    found = await digests_of(work, codec, channel, contact)
    verification_id, code = uuid4(), new_code()
    place = Place(_CONTACT.place, "contact", str(verification_id))
    newest, *_ = await sealing.purpose_keys(work, codec, _PURPOSE)
    values: dict[str, Any] = {
        "verification": verification_id, "person": person_id, "clinic": clinic_id, "channel": channel,
        "on_their_own": on_their_own,
        "contact": codec.seal(newest, place, contact.encode()), "contact_digest": found[0],
        "code_digest": (await _code_digests(work, codec, verification_id, code))[0],
    }  # fmt: skip
    sent = await _sent(work, found, person_id, clinic_id) if channel == "email" else None
    sends = sent is not None and _may_send(sent)
    # A code that nobody was sent is for nobody to guess.
    work.later(_BEGIN, **values, codes=int(sends), tries=0 if sends else TRIES, minutes=MINUTES)
    if sends:
        await _send(work, codec, Proven(verification_id, person_id, clinic_id, channel, contact), code)
    return Started(verification_id, sends, sent["verifications"] if sent else 0)


def end_others(work: Work, newest: Started, *, person_id: UUID, clinic_id: int) -> None:
    """Have what went to other contacts of the person prove nothing any more."""
    work.later(_END_OTHERS, person=person_id, clinic=clinic_id, newest=newest.verification_id)


async def renew(work: Work, codec: FieldCodec, verification_id: UUID | None) -> None:
    """Send a new code, which ends the old one; nothing where there is none to renew, or there were too many.

    Of a booking the link went to the contact alone, and who books with it never learns of it: bookings of others keep
    nobody who has the link from a new code.
    """
    rows = await work.run(_OPEN, verification=verification_id)
    if not rows or rows[0]["codes"] >= MOST_CODES:
        return
    asked = await _proven(work, codec, rows[0])
    has_link = asked.clinic_id is not None and rows[0]["codes"] > 0
    if asked.channel != "email" or not (has_link or await _has_room(work, codec, asked)):
        return
    code = new_code()
    digest, *_ = await _code_digests(work, codec, asked.verification_id, code)
    await work.serve(asked.person_id, asked.clinic_id)
    work.later(_RENEW, verification=asked.verification_id, code_digest=digest, minutes=MINUTES)
    await _send(work, codec, asked, code)


async def prove(work: Work, codec: FieldCodec, verification_id: UUID | None, code: str) -> Proven:
    """What this code proves, once; `verification_id` is None where nothing may be tried any more.

    Raises:
        InvalidInput: wrong, used, too old, or of no verification: one answer for all.
    """
    rows = await work.run(_OPEN, verification=verification_id)
    made = await _code_digests(work, codec, verification_id or UUID(int=0), code)
    row = rows[0] if rows and rows[0]["live"] else None
    if row is None or not any(hmac.compare_digest(digest, row["code_digest"]) for digest in made):
        raise InvalidInput("the code is not good, or not any more", place="code", rule="not_good")
    work.later(_ANSWERED, verification=row["verification_id"])
    return await _proven(work, codec, row)


async def alone(work: Work, codec: FieldCodec, proven: Proven) -> None:
    """Have others who prove the same contact wait until this work is done."""
    work.later(_ALONE, digests=await digests_of(work, codec, proven.channel, proven.contact))


async def digests_of(work: Work, codec: FieldCodec, channel: str, contact: str) -> Sequence[bytes]:
    """Of who reads what is sent to a contact, the newest key's first: tags make no more of one mailbox."""
    keys = await sealing.index_keys(work, codec, OF_ACCOUNT + channel)
    read_at = mailbox(contact) if channel == "email" else contact
    return list(digests(codec, keys, OF_ACCOUNT + channel, read_at).values())


async def _has_room(work: Work, codec: FieldCodec, asked: Proven) -> bool:
    found = await digests_of(work, codec, asked.channel, asked.contact)
    return _may_send(await _sent(work, found, asked.person_id, asked.clinic_id))


async def _sent(work: Work, found: Sequence[bytes], person: UUID, clinic: int | None) -> dict[str, Any]:
    """What went to a contact or person of late: for bookings, or where there is no clinic for changes of an account."""
    # Two that ask at once, for one contact or one person, would both see room for one.
    work.later(_ALONE, digests=[person.bytes, *found])
    (row,) = await work.run(_SENT, digests=list(found), person=person, booked=clinic is not None)
    return row


def _may_send(sent: dict[str, Any]) -> bool:
    return bool(sent["codes"] < MOST_CODES and sent["codes_of_day"] < MOST_CODES_A_DAY)


async def _send(work: Work, codec: FieldCodec, asked: Proven, code: str) -> None:
    link = f"/verify/{asked.verification_id}"
    message = Message(
        MessageKind.CODE, asked.person_id, asked.clinic_id, link=link, code=code, address=asked.contact
    )  # fmt: skip
    await messages.enqueue(work, codec, message)


async def _proven(work: Work, codec: FieldCodec, row: dict[str, Any]) -> Proven:
    keys = await sealing.purpose_keys(work, codec, _PURPOSE)
    place = Place(_CONTACT.place, "contact", str(row["verification_id"]))
    contact = codec.open(keys, place, row["contact"]).decode()
    return Proven(
        row["verification_id"], row["person_id"], row["clinic_id"], row["channel"], contact, row["on_their_own"]
    )


async def _code_digests(work: Work, codec: FieldCodec, verification_id: UUID, code: str) -> list[bytes]:
    """Of a code for one verification: six digits are found by trying, but not without the key."""
    keys: Sequence[IndexKey] = await sealing.index_keys(work, codec, _CODE)
    return [codec.digest(key.key, verification_id.bytes + code.encode()) for key in keys]
