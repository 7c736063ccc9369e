"""Reads one patient's profile for a clinic. The consent and the tombstone are checked in the read itself."""

from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import PersonGrant
from api.profiles.columns import TREATED, columns
from api.recording import recorded_by_state
from policies.access.states import FACTS
from policies.classification import ProfileField
from policies.words import Action

_PROFILE = sql.SQL("""
select
    r.patient_id,
    r.person_id,
    p.name,
    null::uuid as acting_for,
    case when x.shared then c.event_id end as consent_event_id,
    x.shared,
    exists (
        select from operational.consent as m
        where
            m.clinic_id = r.clinic_id and m.person_id = r.person_id and m.purpose = 'communications'
            and m.state = 'signed' and m.occurred_at <= statement_timestamp()
            and (m.expires_at is null or m.expires_at > statement_timestamp())
    ) as reachable,
    {treated} as treated,
    {columns}
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id
left join operational.consent as c
    on c.clinic_id = r.clinic_id and c.purpose = 'profile_sharing' and c.person_id = r.person_id
left join operational.profile_tombstone as w
    on w.clinic_id = r.clinic_id and w.patient_id = r.patient_id and w.cleared_at is null
cross join lateral (
    select
        coalesce(c.state = 'signed' and c.occurred_at <= statement_timestamp(), false)
        and coalesce(c.expires_at > statement_timestamp(), true) and w.patient_id is null as shared
) as x
left join operational.profile as q on q.person_id = r.person_id and x.shared{keys}
where
    r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s
    and r.deleted_at is null and p.deleted_at is null""")


async def profile(grant: PersonGrant, patient: UUID | None, fields: tuple[ProfileField, ...]) -> dict[str, Any]:
    """The row of a patient, with `shared` and the columns of these fields.

    Raises:
        NotThere: no such patient of the clinic, or not the caller's to see.
    """
    return await grant.disclose(_statement(Action.PROFILE_READ, fields), patient=patient)


@cache
def _statement(action: Action, fields: tuple[ProfileField, ...] = ()) -> str:
    """The statement that finds a `patient` of the clinic, with the columns of these fields, rules and records."""
    read, keys = columns(fields)
    query = _PROFILE.format(columns=read, keys=keys, treated=TREATED)
    return recorded_by_state(query, FACTS[action], in_clinic=True)
