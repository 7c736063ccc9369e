"""Reads of the access log, under the auditor's role; the reading itself is an event."""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from api.audit.schemas import Filters
from api.gateway import Grant

_EVENTS = sql.SQL("""
select
    e.event_id, e.occurred_at, e.principal_id, e.principal_kind, e.role, e.action, e.resource_type, e.resource_id,
    e.clinic_id, e.purpose, e.decision, e.policies, e.policy_version, e.categories, e.patients, e.request_id,
    e.session_id, e.impersonation_id, host(e.origin) as origin
from audit.access_event as e
where {conditions}
order by e.occurred_at desc, e.event_id desc
limit %(limit)s + 1""")
_CONDITIONS = {
    "action": sql.SQL("e.action = %(action)s"),
    "decision": sql.SQL("e.decision = %(decision)s"),
    "principal": sql.SQL("e.principal_id = %(principal)s"),
    "impersonation": sql.SQL("e.impersonation_id = %(impersonation)s"),
    "since": sql.SQL("e.occurred_at >= %(since)s"),
    "until": sql.SQL("e.occurred_at < %(until)s"),
    "clinic_id": sql.SQL("e.clinic_id = %(clinic_id)s"),
    # Clinic ids lead the index that finds a patient's rows.
    "patient": sql.SQL(
        "(e.event_id, e.occurred_at) in (select d.event_id, d.occurred_at from audit.disclosure as d"
        " where d.clinic_id = any(%(clinics)s) and d.patient_id = %(patient)s)"
    ),
    "before": sql.SQL("(e.occurred_at, e.event_id) < (%(before)s, %(before_id)s)"),
}


async def search(
    grant: Grant, filters: Filters, clinics: list[int], before: tuple[datetime, UUID] | None, limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """Up to `limit` events before a position, newest first, and whether more follow."""
    values: dict[str, Any] = filters.model_dump(mode="json", exclude_none=True)
    if grant.clinic is not None:
        values["clinic_id"] = grant.clinic.clinic_id
    if before is not None:
        values |= {"before": before[0], "before_id": before[1]}
    conditions = [condition for name, condition in _CONDITIONS.items() if name in values]
    rows = await grant.read(
        _EVENTS.format(conditions=sql.SQL(" and ").join(conditions or [sql.SQL("true")])),
        sql.SQL("occurred_at desc, event_id desc"),
        clinics=clinics,
        limit=limit,
        **values,
    )
    return rows[:limit], len(rows) > limit
