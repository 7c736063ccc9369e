"""What an endpoint is told: read from the clinic's own feed, under the role of that clinic's teller.

Whom a delivery discloses is recorded by the statement that reads what it says: it is committed before anything is sent.
"""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg import sql

from api.database import Connection
from api.recording import Event, record, recorded
from api.segments.history_repository import _WITHHELD
from policies.words import Category, Decision, ProcessAction, Purpose

_LAST = UUID(int=2**128 - 1)
# Of a segment that was put away: who left it, by its archiving too though no automation acts on that, and whom to
# forget; of who came in nothing.
_IS_TOLD = """case when s.archived_at is null then c.fires
    else c.kind = 'forget' or (c.kind = 'left' and (c.fires or c.cause = 'rule')) end"""
# By segment, so that its indexes serve.
_AHEAD = f"""
with clock as (select run as reached from segment_clock),
ahead as (
    select t.*
    from segment as s
    cross join lateral (
        select c.run, c.segment_id, c.patient_id, c.kind
        from segment_change as c
        where
            c.segment_id = s.segment_id and c.run >= %(run)s::bigint
            and (c.run, c.segment_id, c.patient_id) > (%(run)s::bigint, %(segment)s::uuid, %(patient)s::uuid)
            and c.kind = any(%(kinds)s::text[]) and {_IS_TOLD}
        order by c.run, c.patient_id
        limit %(limit)s
    ) as t
    where %(segments)s::uuid[] is null or s.segment_id = any(%(segments)s::uuid[])
    order by t.run, t.segment_id, t.patient_id
    limit %(limit)s
)
select clock.reached, ahead.* from clock left join ahead on true order by run, segment_id, patient_id"""  # nosec B608 # constants
# What is not to be told any more is not there: who withdrew, what the clinic deleted, what was taken out of the feed.
_TOLD = sql.SQL("""
select t.run, t.segment_id, t.patient_id, t.kind, t.at, t.cause, t.version, t.fires
from unnest(
    %(runs)s::bigint[], %(segments)s::uuid[], %(patients)s::uuid[], %(kinds)s::text[]
) as d (run, segment_id, patient_id, kind)
inner join segment as s on s.segment_id = d.segment_id
cross join lateral (
    select c.*
    from segment_change as c
    where c.segment_id = d.segment_id and c.run = d.run and c.patient_id = d.patient_id and c.kind = d.kind
        and {is_told}
) as t
left join raw_patients as p on p.patient_id = t.patient_id
where t.kind = 'forget' or ((p.patient_id is not null or t.kind = 'left') and not {withheld})""").format(
    is_told=sql.SQL(_IS_TOLD), withheld=_WITHHELD
)
# As one short text, which psycopg prepares once.
_TELL = " ".join(recorded(_TOLD, sql.SQL("run"), disclosing=True).split())


@dataclass(frozen=True)
class Change:
    """A row of a clinic's feed: its position and its kind."""

    run: int
    segment_id: UUID
    patient_id: UUID
    kind: str = ""


@dataclass(frozen=True)
class Told:
    """What a delivery says: opaque ids, a kind and a cause, and whether to act on it; no name, no profile."""

    change: Change
    at: Any
    cause: str
    version: int
    fires: bool


async def ahead(
    connection: Connection, after: Change, segments: list[UUID] | None, kinds: list[str], limit: int
) -> tuple[list[Change], Change]:
    """Up to `limit` changes after a position in a clinic's feed that are to be told, and how far that looked."""
    values = {"run": after.run, "segment": after.segment_id, "patient": after.patient_id}
    values |= {"segments": segments, "kinds": kinds, "limit": limit}
    rows = await (await connection.execute(_AHEAD, values)).fetchall()
    reached = rows[0]["reached"] if rows else after.run
    found = [_change(row) for row in rows if row["run"] is not None]
    # Numbers of runs follow commits: up to the clock's there is nothing to come.
    return found, found[-1] if len(found) == limit else Change(reached, _LAST, _LAST)


async def tell(connection: Connection, event: Event, change: Change) -> Told | None:
    """What is to be said of a change, recorded with its patient; None if it is not to be told any more."""
    found = await connection.execute(_TELL, {**_places([change]), **event.parameters()})
    row = await found.fetchone()
    return None if row is None else Told(_change(row), row["at"], row["cause"], row["version"], row["fires"])


async def still_told(connection: Connection, changes: list[Change]) -> set[Change]:
    """Which of these changes may still be told; of no patient to anybody outside, and so not recorded."""
    rows = await (await connection.execute(_TOLD, _places(changes))).fetchall()
    return {_change(row) for row in rows}


async def note_test(connection: Connection, event: Event) -> None:
    """Record a test, which tells of nobody."""
    await record(connection, replace(event, categories=[]))


def sending_event(clinic_id: int, clinic: str, endpoint: UUID, delivery: UUID) -> Event:
    """The event of a delivery that is about to be sent."""
    return Event(
        principal_id=None, principal_kind="process", role="courier", action=ProcessAction.WEBHOOK_SEND.value,
        resource_type="webhook", resource_id=str(endpoint), decision=Decision.PERMIT.value, clinic_id=clinic_id,
        purpose=Purpose.OPERATIONS.value, organisation=clinic, request_id=delivery,
        categories=[Category.IDENTIFIER.value, Category.MEMBERSHIP.value],
    )  # fmt: skip


def _change(row: dict[str, Any]) -> Change:
    return Change(row["run"], row["segment_id"], row["patient_id"], row["kind"])


def _places(changes: list[Change]) -> dict[str, Any]:
    return {
        "runs": [change.run for change in changes],
        "segments": [change.segment_id for change in changes],
        "patients": [change.patient_id for change in changes],
        "kinds": [change.kind for change in changes],
    }
