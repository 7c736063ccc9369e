"""The queue of messages as the gateway's work fills it, and a demo's mail."""

from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Grant, Work
from api.messages.port import Message
from api.messages.queueing import ENQUEUE, PURPOSE, queued_row
from api.sealing import purpose_keys
from infra.encryption.data_keys import KEY_ARRAYS
from infra.encryption.field_codec import FieldCodec
from infra.errors import NotThere, Refused

MAIL_TABLE = "operational.demo_mail"
# Statements of their own: of two that ask at once the second sees what the first did only if it looks once it holds.
_HOLD_APPOINTMENT = sql.SQL("""
select from operational.appointment
where clinic_id = %(clinic)s and appointment_id = %(appointment)s for no key update""")
_HOLD_PATIENT = sql.SQL("""
select from operational.registration where clinic_id = %(clinic)s and patient_id = %(patient)s for no key update""")
_TO_COME = sql.SQL("""
select a.patient_id, r.person_id, a.confidential,
    a.status = 'booked' and coalesce(
        a.starts_at > statement_timestamp(), a.starts_on >= (statement_timestamp() at time zone c.time_zone)::date
    ) as to_come,
    exists (
        select from operational.message as m
        where m.clinic_id = a.clinic_id and m.about_id = a.appointment_id and m.kind = 'appointment_reminder'
            and m.created_at > statement_timestamp() - interval '12 hours'
    ) as reminded
from operational.appointment as a
inner join operational.clinic as c on c.clinic_id = a.clinic_id
inner join operational.registration as r
    on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id and r.deleted_at is null
where a.clinic_id = %(clinic)s and a.appointment_id = %(appointment)s and a.deleted_at is null""")
# About the patient.
_TO_ASK = sql.SQL("""
select r.patient_id, r.person_id,
    exists (
        select from operational.message as m
        where m.clinic_id = r.clinic_id and m.about_id = r.patient_id and m.kind = 'consent_request'
            and m.created_at > statement_timestamp() - interval '7 days'
    ) as asked
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
where r.clinic_id = %(clinic)s and r.patient_id = %(patient)s and r.deleted_at is null""")
_PRESENT = sql.SQL("select set_config('cloister.presented_code', %(code)s, true)")
_PRESENTED = sql.SQL("""
select message_id, clinic_id, patient_id, person_id from operational.message
where refusal_digest = %(digest)s and clinic_id is not null""")
# Who merges the registration meanwhile comes before, and is followed, or after, and takes the refusal along.
_HOLD = sql.SQL("""
select from operational.registration where clinic_id = %(clinic)s and patient_id = %(patient)s for key share""")
_KEPT = sql.SQL("""
with recursive kept as (
    select %(patient)s::uuid as patient_id
    union
    select c.kept_patient_id
    from kept as k
    inner join operational.merge_case as c
        on c.clinic_id = %(clinic)s and c.other_patient_id = k.patient_id and c.decision = 'merge'
)
select r.patient_id
from kept as k
inner join operational.registration as r on r.clinic_id = %(clinic)s and r.patient_id = k.patient_id
order by r.deleted_at desc nulls first limit 1""")
# Whoever signed again since the last time may refuse again.
_REFUSE = sql.SQL("""
insert into operational.message_refusal (clinic_id, patient_id)
select %(clinic)s, %(patient)s
where not exists (
    select from operational.message_refusal as f
    where f.clinic_id = %(clinic)s and f.patient_id = %(patient)s and f.refused_at >= coalesce((
        select c.occurred_at
        from operational.consent as c
        inner join operational.registration as r on r.clinic_id = c.clinic_id and r.person_id = c.person_id
        where c.clinic_id = %(clinic)s and r.patient_id = %(patient)s and c.purpose = 'communications'
    ), '-infinity')
)""")
_WITHHELD = sql.SQL("""
insert into operational.message (message_id, kind, clinic_id, patient_id, person_id, about_id, state, failure)
values (%(message)s, %(kind)s, %(clinic)s, %(patient)s, %(person)s, %(about)s, 'withheld', %(word)s)""")
_MAIL = sql.SQL(f"""
select
    d.message_id as id, d.content, d.arrived_at, k.key_ids, k.wrapped, k.kek_ids, k.kek_versions,
    m.clinic_id, m.patient_id, m.confidential and m.patient_id is not null as confidential,
    d.message_id::text as resource_id, case when m.patient_id is null then m.person_id end as acting_for
from operational.demo_mail as d
inner join operational.message as m on m.message_id = d.message_id
inner join lateral (
    select {KEY_ARRAYS} from operational.data_key where purpose = '{PURPOSE}' and retired_at is null
) as k on true
where %(message)s::uuid is null or d.message_id = %(message)s
order by d.arrived_at desc limit %(limit)s""")  # nosec B608 # constants


async def enqueue(work: Work, codec: FieldCodec, message: Message) -> UUID:
    """Queue a message in the work that it is about: both happen, or neither."""
    row = queued_row(codec, (await purpose_keys(work, codec, PURPOSE))[0], message)
    work.later(sql.SQL(ENQUEUE), **row)
    message_id: UUID = row["message_id"]
    return message_id


def withhold(work: Work, message: Message, word: str) -> None:
    """Note a message that is not sent, and why, in the work that it would be about: nothing of what it says."""
    about: dict[str, Any] = {"clinic": message.clinic_id, "patient": message.patient_id, "about": message.about_id}
    work.later(_WITHHELD, message=uuid4(), kind=message.kind.value, person=message.person_id, word=word, **about)


async def next_appointment(work: Work, appointment: UUID | None) -> dict[str, Any]:
    """The patient, person and confidentiality of an appointment that is still to come, held until the work ends.

    Raises:
        NotThere: no such appointment of the clinic.
        Refused: it is over or cancelled, or was reminded of a short while ago.
    """
    named: dict[str, Any] = {"clinic": work.clinic_id, "appointment": appointment}
    work.later(_HOLD_APPOINTMENT, **named)
    rows = await work.run(_TO_COME, **named)
    if not rows:
        raise NotThere("no such appointment")
    if not rows[0].pop("to_come"):
        raise Refused("the appointment is over or cancelled", place="appointment", rule="not_to_come")
    if rows[0].pop("reminded"):
        raise Refused("reminded already", place="appointment", rule="reminded_already")
    return rows[0]


async def whom_to_ask(work: Work, patient: UUID | None) -> dict[str, Any]:
    """The patient and person who are to sign something, held until the work ends.

    Raises:
        NotThere: no such patient of the clinic.
        Refused: asked within a week.
    """
    named: dict[str, Any] = {"clinic": work.clinic_id, "patient": patient}
    work.later(_HOLD_PATIENT, **named)
    rows = await work.run(_TO_ASK, **named)
    if not rows:
        raise NotThere("no such patient")
    if rows[0].pop("asked"):
        raise Refused("asked already", place="patient", rule="asked_already")
    return rows[0]


async def refuse(work: Work, digest: bytes) -> None:
    """Have a patient get no more of a clinic's campaigns, by the link of one that came; nothing if there is none."""
    await work.run(_PRESENT, code=digest.hex())
    for row in await work.run(_PRESENTED, digest=digest):
        work.name_resource(str(row["message_id"]))
        await work.serve(row["person_id"], row["clinic_id"])
        at: dict[str, Any] = {"clinic": row["clinic_id"]}
        await work.run(_HOLD, **at, patient=row["patient_id"])
        (kept,) = await work.run(_KEPT, **at, patient=row["patient_id"])
        await work.run(_REFUSE, **at, patient=kept["patient_id"])


async def demo_mail(grant: Grant, limit: int, message: UUID | None) -> list[dict[str, Any]]:
    """The newest mail of a demo, or one, sealed, with the keys that open it; recorded as an event for each."""
    return await grant.each(_MAIL, sql.SQL("arrived_at desc"), disclosing=True, limit=limit, message=message)
