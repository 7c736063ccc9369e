"""Midnight: what time alone changes in a clinic waits from then on, like any other change, for the worker to bring.

Whose memberships could change on the new day is noted, by the flip days that their last evaluation left behind. Whose
rows time has changed, a form that expired or a consent that began or ran out, is put into the outbox, where no trigger
did. With both the clinic's day moves on, in one statement: whoever is stopped half-way finds it done, or does it again,
and however many midnights were missed, they are passed at once. A clinic that is told to be farther west may be in a
day again that its members have left: then the day goes back, and everybody is due.
"""

from datetime import datetime

import psycopg


def pass_midnight(connection: psycopg.Connection, clinic: str, now: datetime) -> int | None:
    """Begin the clinic's day of `now`, in the running transaction; how many patients it makes wait.

    None if that day has begun, or a build was made for a later one, or if the clinic's members have never been
    evaluated: they have no day yet. The transaction is the clinic's builder's and holds the clinic's lock. The
    database's own day counts where it is the earlier one: by it the rows that wait are copied.
    """
    # The clinic stands in the text: equal texts would share one plan, made anew whenever `search_path` changes.
    row = psycopg.RawCursor(connection).execute(f"/* {clinic} */ {_MIDNIGHT}", [now], prepare=True).fetchone()
    return None if row is None else int(row[0])


# A clinic's builder sees its own clinic alone. Of the mart's open forms only, so that those of years ago cost nothing.
_MIDNIGHT = """
with zone as (
    select clinic_id, (least($1::timestamptz, statement_timestamp()) at time zone time_zone)::date as today,
        (statement_timestamp() at time zone time_zone)::date as today_here, day_before_moving,
        flips_known and as_of < (statement_timestamp() at time zone time_zone)::date as flips_known
    from operational.clinic cross join segment_clock
),
begun as (
    update segment_clock set as_of = zone.today, flips_known = true
    from zone where as_of < zone.today or (as_of > zone.today_here and as_of <= zone.day_before_moving)
    returning zone.*
),
due as (
    insert into changed_patient (patient_id, cause)
    select flip.patient_id, 'time'
    from begun cross join patient_flip as flip where begun.flips_known and flip.flips_on <= begun.today
    union all
    select patient.patient_id, 'time' from begun cross join raw_patients as patient where not begun.flips_known
    on conflict do nothing
    returning patient_id
),
aged (patient_id, entity) as (
    select held.patient_id, 'form'
    from begun
    cross join raw_forms as held
    inner join operational.form as form on form.form_id = held.form_id
    where held.status in ('pending', 'in_progress') and form.expires_on < begun.today
    union
    select held.patient_id, 'patient'
    from begun
    cross join raw_patients as held
    where held.profile_shared and held.profile_until <= statement_timestamp()
    union
    select held.patient_id, 'patient'
    from begun
    cross join raw_patients as held
    inner join operational.registration as registered on registered.patient_id = held.patient_id
    inner join operational.consent as consent
        on consent.clinic_id = registered.clinic_id and consent.person_id = registered.person_id
    where not held.profile_shared and consent.purpose = 'profile_sharing' and consent.state = 'signed'
        and consent.occurred_at <= statement_timestamp() and coalesce(consent.expires_at > statement_timestamp(), true)
),
waiting as (
    insert into operational.outbox (clinic_id, entity, patient_id, fires)
    select begun.clinic_id, aged.entity, aged.patient_id, null from aged cross join begun
    returning patient_id
)
select (select count(*) from (select patient_id from due union select patient_id from waiting) as patient)
from begun
"""
