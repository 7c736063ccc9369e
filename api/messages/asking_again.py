"""Whoever had somebody sign for them is asked themselves some days before that ends.

A guardian's signature lapses the clinic's days of grace after the patient came of age. Only those already of age are
asked: what is left of the signature is no longer than the clinic's days of grace.
"""

from datetime import timedelta

from api.database import Pool

AHEAD = timedelta(days=14)
# One messenger at a time; once in that time, whatever else had them asked.
_HELD = "select pg_try_advisory_xact_lock(hashtextextended('cloister.messages.asking_again', 0)) as mine"
_ASK = """
insert into operational.message (message_id, kind, clinic_id, patient_id, person_id, about_id)
select gen_random_uuid(), 'consent_request', r.clinic_id, r.patient_id, r.person_id, r.patient_id
from operational.registration as r
inner join operational.clinic as k on k.clinic_id = r.clinic_id and k.archived_at is null
where
    r.deleted_at is null
    and exists (
        select
        from operational.consent as c
        inner join operational.consent_event as e on e.event_id = c.event_id and e.signer_id <> e.person_id
        where
            c.clinic_id = r.clinic_id and c.person_id = r.person_id and c.state = 'signed'
            and c.expires_at > statement_timestamp() and c.expires_at <= statement_timestamp() + %(ahead)s
            and c.expires_at <= statement_timestamp() + make_interval(days => k.consent_grace_days)
    )
    and not exists (
        select
        from operational.message as m
        where
            m.clinic_id = r.clinic_id and m.about_id = r.patient_id and m.kind = 'consent_request'
            and m.created_at > statement_timestamp() - %(ahead)s
    )"""


async def ask_again(pool: Pool) -> int:
    """Queue a request to sign for each patient of whom a guardian's signature ends soon; how many."""
    async with pool.connection() as connection, connection.transaction():
        row = await (await connection.execute(_HELD)).fetchone()
        if not row or not row["mine"]:
            return 0
        return (await connection.execute(_ASK, {"ahead": AHEAD})).rowcount
