"""Receipts: of one's own consents and a dependent's, and of a log that is audited."""

from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, PersonGrant
from api.me.statements import statement
from policies.words import Action

MOST = 100
_OWN = sql.SQL("""
(
    select coalesce(
        jsonb_agg(to_jsonb(s) order by s.since) filter (where s.kind is not null), '[]'
    )
    from (
        select g.kind, g.since, c.issued_at, c.note
        from operational.consent_event as e
        left join operational.consent_propagation as g on g.consent_event_id = e.event_id
        left join audit.consent_receipt as c on c.propagation_id = g.propagation_id
        where e.event_id = %(event)s and e.person_id = p.person_id and e.purpose = 'profile_sharing'
    ) as s
    having count(*) > 0
) as receipts""")
_AUDITED = sql.SQL("""
select c.clinic_id, c.patient_id, c.consent_event_id, c.kind, c.issued_at, c.note
from audit.consent_receipt as c
where
    (%(patient)s::uuid is null or c.patient_id = %(patient)s)
    and (%(event)s::uuid is null or c.consent_event_id = %(event)s)
order by c.issued_at desc, c.propagation_id
limit {most}""").format(most=MOST)


async def of_event(
    grant: PersonGrant, dependent: UUID | None, event: UUID | None, *, own: bool
) -> list[dict[str, Any]] | None:
    """What an event of the caller or a dependent led to, the oldest first; None if there is no such event of theirs.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    row = await grant.disclose(_of_event(own), me=me, dependent=dependent, event=event)
    found: list[dict[str, Any]] | None = row["receipts"]
    return found


async def audited(grant: Grant, patient: UUID | None, event: UUID | None) -> list[dict[str, Any]]:
    """The newest receipts of a patient or an event in the auditor's log."""
    return await grant.read(_AUDITED, sql.SQL("issued_at desc, consent_event_id"), patient=patient, event=event)


@cache
def _of_event(own: bool) -> str:
    return statement(Action.CONSENT_LIST, _OWN, own=own)
