"""Of whom nothing is shown that depends on profiles.

They withdrew, were deleted, or their consent ended: from that very moment on, and until the mart has nothing left of
what their profile told. From then on they are like those who never shared it. A mart may be behind: when sharing ends
is asked of its own row, and of `operational.sharing_limit`, which says what has changed since.
"""

from psycopg import sql

# Of the patient `p` of `raw_patients`, or of none; `patient` is the id in either case.
WITHHELD = sql.SQL("""(
    exists (select from withdrawal as h where h.patient_id = {patient})
    or coalesce(p.profile_shared and (
        p.profile_until <= statement_timestamp()
        or exists (
            select from operational.sharing_limit as w
            where w.patient_id = {patient}
                and (w.starts_at > statement_timestamp() or w.ends_at <= statement_timestamp())
        )
    ), false)
)""")
# All of them, as ids: they are few, and a count asks for all at once.
ALL_WITHHELD = sql.SQL("""
    select patient_id from withdrawal
    union all
    select w.patient_id
    from operational.sharing_limit as w
    inner join raw_patients as p on p.patient_id = w.patient_id
    where p.profile_shared and (w.starts_at > statement_timestamp() or w.ends_at <= statement_timestamp())
    union all
    select patient_id from raw_patients where profile_shared and profile_until <= statement_timestamp()
""")
