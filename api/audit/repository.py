"""Reads of the access log, under the auditor's role; the reading itself is an event."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.audit.schemas import Filters
from api.gateway import Grant
from policies.words import PERSONAL_ROLES, Role

# A patient's account is one at all clinics, and so is a session in which an admin acts as them: to one clinic neither
# has an id, or two of them could link their patients.
_OF_A_PERSON = sql.SQL("(%(of_one_clinic)s and e.role = any(%(personal)s))")
_AS_A_PERSON = sql.SQL("(%(of_one_clinic)s and (e.role = any(%(personal)s) or e.impersonation_id is not null))")
_COLUMNS = sql.SQL("""
    e.event_id, e.occurred_at, case when not {personal} then e.principal_id end as principal_id, e.principal_kind,
    e.role, e.organisation, e.acting_for is not null as for_another, e.action, e.resource_type,
    case when not {personal} or e.resource_type in ('clinic', 'segment') then e.resource_id end as resource_id,
    e.clinic_id, e.purpose, e.decision, e.policies, e.policy_version, e.categories, e.patients, e.request_id,
    case when not {acted} then e.session_id end as session_id,
    e.impersonation_id is not null and e.acting_for is not null as impersonated,
    case when not {acted} then e.impersonation_id end as impersonation_id, e.consent_event_id, e.batch_id,
    host(e.origin) as origin""").format(personal=_OF_A_PERSON, acted=_AS_A_PERSON)
_PATIENT_IDS = sql.SQL(""",
    array(
        select d.patient_id from audit.disclosed as d
        where d.event_id = e.event_id and d.occurred_at = e.occurred_at order by d.patient_id
    ) as patient_ids""")
_EVENTS = sql.SQL("""
select {columns}
from audit.access_event as e
where {conditions}
order by e.occurred_at desc, e.event_id desc
limit %(limit)s + 1""")
_CONDITIONS = {
    "event": sql.SQL("e.event_id = %(event)s"),
    "action": sql.SQL("e.action = %(action)s"),
    "decision": sql.SQL("e.decision = %(decision)s"),
    "purpose": sql.SQL("e.purpose = %(purpose)s"),
    "principal": sql.SQL("e.principal_id = %(principal)s and not {personal}").format(personal=_OF_A_PERSON),
    "impersonation": sql.SQL("e.impersonation_id = %(impersonation)s and not %(of_one_clinic)s"),
    "impersonated": sql.SQL("(e.impersonation_id is not null and e.acting_for is not null) = %(impersonated)s"),
    "since": sql.SQL("e.occurred_at >= %(since)s"),
    "until": sql.SQL("e.occurred_at < %(until)s"),
    "clinic_id": sql.SQL("e.clinic_id = %(clinic_id)s"),
    "patient": sql.SQL("""
    (e.event_id, e.occurred_at) in (
        select d.event_id, d.occurred_at from audit.disclosure as d where d.patient_id = %(patient)s
        union all
        select c.event_id, c.occurred_at from audit.disclosure_chunk as c
        where c.prefix = left(%(patient)s::text, 3) and %(patient)s::uuid = any(c.patients)
        union all
        select b.event_id, b.occurred_at from audit.batch_patient as b where b.patient_id = %(patient)s
    )"""),
    "before": sql.SQL("(e.occurred_at, e.event_id) < (%(before)s, %(before_id)s)"),
}
NEWEST_FIRST = sql.SQL("occurred_at desc, event_id desc")
Position = tuple[datetime, UUID]


async def search(
    grant: Grant, filters: Filters, before: Position | None, limit: int, *, with_patients: bool = False
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` events before a position, newest first, and whether more follow."""
    conditions, values = narrowed(grant, filters, before)
    columns = sql.SQL("").join([_COLUMNS, _PATIENT_IDS]) if with_patients else _COLUMNS
    statement = _EVENTS.format(columns=columns, conditions=conditions)
    rows = await grant.read(statement, NEWEST_FIRST, limit=limit, **values)
    return rows[:limit], len(rows) > limit


def narrowed(grant: Grant, filters: Filters, before: Position | None = None) -> tuple[sql.Composable, dict[str, Any]]:
    """Which events `e` a grant and filters leave: a condition, and its values."""
    values: dict[str, Any] = filters.model_dump(mode="json", exclude_none=True)
    if grant.clinic is not None:
        values["clinic_id"] = grant.clinic.clinic_id
    if before is not None:
        values |= {"before": before[0], "before_id": before[1]}
    conditions = [condition for name, condition in _CONDITIONS.items() if name in values] or [sql.SQL("true")]
    values |= {
        "of_one_clinic": not grant.caller.principal.subject.has(Role.PLATFORM_AUDITOR),
        "personal": sorted(PERSONAL_ROLES),
    }
    return sql.SQL(" and ").join(conditions), values
