"""Events of processes and commands; the gateway of the API writes its own, with the read itself."""

from uuid import UUID

import psycopg

from infra.database import connect
from infra.event_ids import event_id
from infra.roles import Login
from policies.words import AccountAction, ProcessAction

_INSERT = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type, resource_id,
    clinic_id, decision, policies, policy_version, patients, batch_id)
values (%s, statement_timestamp(), 'process', %s, %s, %s, %s, %s, 'permit', '{}', %s, %s, %s)
"""


def record_process(
    connection: psycopg.Connection,
    *,
    role: str,
    action: ProcessAction | AccountAction,
    resource_type: str,
    resource_id: str | None = None,
    clinic_id: int | None = None,
    patients: int = 0,
    batch_id: UUID | None = None,
    policy_version: str | None = None,
) -> None:
    """Write one event into the running transaction: it stands or falls with what it records."""
    what = [role, action.value, resource_type, resource_id, clinic_id]
    connection.execute(_INSERT, [event_id(), *what, policy_version, patients, batch_id])


def note_start(policy_version: str) -> None:
    """Record which policies decide from now on: a change of them is a start with another version."""
    with connect(Login.SERVICE) as connection:
        record_process(
            connection,
            role="service",
            action=ProcessAction.SERVE,
            resource_type="platform",
            policy_version=policy_version,
        )
