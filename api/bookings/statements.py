"""What time is taken: SQL over appointments `a`, each with its service `t` where the clinic offers that by now.

The exclusion constraints keep what has an end. What an import brought has none, and is looked for here.
"""

from infra.clinic_settings import LONGEST_VISIT, USUAL_MINUTES

STANDING = """operational.appointment as a
    left join operational.service as t on t.clinic_id = a.clinic_id and t.service = a.service"""
# As the constraints have it.
STANDS = "a.starts_at is not null and a.status not in ('cancelled', 'noshow') and a.deleted_at is null"
# An imported appointment takes as long as its service.
ENDS_AT = f"coalesce(a.ends_at, a.starts_at + make_interval(mins => coalesce(t.minutes, {USUAL_MINUTES})))"
# By the days, of which there is an index; a day more at each end, as none takes longer, and a source may say another.
_DAY = """(%(starts_at)s::timestamptz at time zone (
        select z.time_zone from operational.clinic as z where z.clinic_id = %(clinic)s
    ))::date"""
OF_SPECIALIST = f"a.specialist = %(specialist)s and a.starts_on between {_DAY} - 1 and {_DAY} + 1"
# By the index of what has no end, among `ENDLESS`: the look of a booking, which has to be quick.
OF_SPECIALIST_SOON = f"""a.specialist = %(specialist)s
        and a.starts_at > %(starts_at)s::timestamptz - make_interval(mins => {LONGEST_VISIT})"""
ENDLESS = "a.ends_at is null and a.status in ('booked', 'arrived')"
# What is hidden from guardians is in nobody's way, as in the constraint.
OF_PATIENT = "a.patient_id = {patient} and not a.confidential"


def is_taken(whose: str, until: str, among: str = "a.ends_at is null") -> str:
    """Whether an appointment without an end, or one `among` others, takes some time from `%(starts_at)s` to `until`."""
    return f"""exists (
    select from {STANDING}
    where
        a.clinic_id = %(clinic)s and {whose} and {among} and {STANDS}
        and a.starts_at < {until} and {ENDS_AT} > %(starts_at)s::timestamptz
)"""  # nosec B608 # constants
