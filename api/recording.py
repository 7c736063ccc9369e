"""How an access becomes rows of the audit zone: alone, or in the one statement that reads."""

from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.database import Connection


@dataclass(frozen=True)
class Event:
    """One access, before it has a time and a count. Ids, categories and policies; never a value."""

    principal_id: UUID | None
    principal_kind: str
    role: str
    action: str
    resource_type: str
    decision: str
    clinic_id: int | None = None
    resource_id: str | None = None
    purpose: str | None = None
    policies: list[str] = field(default_factory=list)
    policy_version: str | None = None
    categories: list[str] = field(default_factory=list)
    request_id: UUID | None = None
    session_id: str | None = None
    origin: str | None = None
    # Made here: who records may insert, but not read back.
    event_id: UUID = field(default_factory=uuid4)

    def parameters(self) -> dict[str, Any]:
        """The event as parameters of a statement, each name with a prefix of its own."""
        return {f"event__{name}": value for name, value in asdict(self).items()}


_COLUMNS = [name for name in Event.__dataclass_fields__ if name != "event_id"]
_NAMES = sql.SQL(", ").join(map(sql.Identifier, ("event_id", *_COLUMNS)))
_VALUES = sql.SQL(", ").join(sql.Placeholder(f"event__{name}") for name in ("event_id", *_COLUMNS))

_EVENT = sql.SQL("""
insert into audit.access_event ({names}, occurred_at, patients)
select {values}, statement_timestamp(), {patients}""")
_ALONE = _EVENT.format(names=_NAMES, values=_VALUES, patients=sql.Literal(0))
_READ = sql.SQL("""
with found as materialized ({query}),
event as ({event})
select * from found order by {order}""")
_DISCLOSING = sql.SQL("""
with found as materialized ({query}),
disclosed as (
    insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
    select distinct {event_id}, statement_timestamp(), {clinic_id}::integer, patient_id from found
),
event as ({event})
select * from found order by {order}""")


def recorded(query: sql.Composable, order: sql.Composable, *, disclosing: bool) -> sql.Composed:
    """One statement that reads and records: no row is returned that is not recorded.

    A disclosing query has a column `patient_id`; each patient of its rows gets a row in the log.
    """
    patients = sql.SQL("(select count(distinct patient_id) from found)") if disclosing else sql.Literal(0)
    return (_DISCLOSING if disclosing else _READ).format(
        query=query,
        event=_EVENT.format(names=_NAMES, values=_VALUES, patients=patients),
        event_id=sql.Placeholder("event__event_id"),
        clinic_id=sql.Placeholder("event__clinic_id"),
        order=order,
    )


async def record(connection: Connection, event: Event) -> None:
    """Record an event that reads nothing: a denial, a sign-in."""
    await connection.execute(_ALONE, event.parameters())
