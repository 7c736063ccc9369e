"""Who may be written to for a clinic, and why somebody may not: one statement, for counts and for sending alike.

The clinic's viewer asks it of a whole segment, the messenger of one patient just before it sends.
"""

from enum import StrEnum

from api.me.statements import STANDS


class Reach(StrEnum):
    """By what a patient is reached, or the first reason for which they are not written to."""

    EMAIL = "email"
    GUARDIAN = "guardian"  # a guardian's email, for want of an account of their own
    DELETED = "deleted"
    NO_PROFILE_SHARING = "no_profile_sharing"
    NO_COMMUNICATIONS = "no_communications"
    UNSUBSCRIBED = "unsubscribed"
    NO_CONTACT = "no_contact"


REACHED = frozenset({Reach.EMAIL, Reach.GUARDIAN})
WITHHELD = tuple(reach for reach in Reach if reach not in REACHED)

_SIGNED = """
{0}.clinic_id = r.clinic_id and {0}.person_id = r.person_id and {0}.purpose = '{1}' and {0}.state = 'signed'
    and {0}.occurred_at <= statement_timestamp() and coalesce({0}.expires_at > statement_timestamp(), true)"""
# Of a contact `a` and an account `o`: an address that nobody proved counts only while there is none; see `addresses`.
_REACHES = "({0}.has_email and ({0}.email_verified_at is not null or {1}.person_id is null))"
REACH_OF = f"""
select
    r.patient_id,
    r.person_id,
    case
        when r.deleted_at is not null or p.person_id is null then '{Reach.DELETED}'
        when s.person_id is null or w.patient_id is not null then '{Reach.NO_PROFILE_SHARING}'
        when m.person_id is null then '{Reach.NO_COMMUNICATIONS}'
        when exists (
            select from operational.message_refusal as f
            where f.clinic_id = r.clinic_id and f.patient_id = r.patient_id and f.refused_at >= m.occurred_at
        ) then '{Reach.UNSUBSCRIBED}'
        when {_REACHES.format("a", "o")} then '{Reach.EMAIL}'
        when g.reached then '{Reach.GUARDIAN}'
        when g.reached is null and q.email is not null then '{Reach.EMAIL}'
        else '{Reach.NO_CONTACT}'
    end as reach
from operational.registration as r
left join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
left join operational.consent as s on {_SIGNED.format("s", "profile_sharing")}
left join operational.consent as m on {_SIGNED.format("m", "communications")}
left join operational.profile_tombstone as w
    on w.clinic_id = r.clinic_id and w.patient_id = r.patient_id and w.cleared_at is null
left join operational.profile as q on q.person_id = r.person_id
left join operational.account_contact as a on a.person_id = r.person_id
left join operational.principal as o on o.person_id = r.person_id
left join lateral (
    select bool_or(coalesce({_REACHES.format("b", "h")}, false)) as reached
    from operational.guardianship as g
    left join operational.account_contact as b on b.person_id = g.guardian_id
    left join operational.principal as h on h.person_id = g.guardian_id
    where g.dependent_id = r.person_id and o.person_id is null and {STANDS}
) as g on true
where r.clinic_id = %(clinic)s and r.patient_id = any(%(patients)s::uuid[])"""  # nosec B608 # constants
