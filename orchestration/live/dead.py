"""Dead changes: what the database refuses to take into a mart, kept by ids and the rule that was broken."""

from datetime import UTC, datetime
from uuid import UUID

import psycopg
import structlog

from infra.errors import CloisterError
from orchestration.live.lane import Lane

# SQLSTATE classes that the data is to blame for: anything else passes, or concerns every patient.
_OF_DATA = ("21", "22", "23", "44", "54", "P0")
log = structlog.get_logger()


class Poisoned(CloisterError):
    """The database refused something of these patients; of several, one may be to blame for all.

    `rows` are the ids of what had been taken out of the outbox: what came later has not been tried.
    """

    def __init__(self, patients: list[UUID], rows: list[int], error: psycopg.Error) -> None:
        constraint = error.diag.constraint_name
        super().__init__(f"a change was refused (SQLSTATE {error.sqlstate}{', ' + constraint if constraint else ''})")
        self.patients = patients
        self.rows = rows
        self.sqlstate = error.sqlstate or ""
        self.constraint = constraint


def is_poison(error: psycopg.Error) -> bool:
    """Whether the same change would fail again: what the access log refuses is no patient's, and passes."""
    return (error.sqlstate or "").startswith(_OF_DATA) and error.diag.schema_name != "audit"


def bury(lane: Lane, slug: str, found: Poisoned) -> None:
    """Take what failed of one patient out of the outbox and keep it as dead; their part of the mart is stale."""
    (patient,) = found.patients
    given = {
        "patient": patient, "rows": found.rows, "sqlstate": found.sqlstate, "constraint": found.constraint,
        "at": datetime.now(UTC),
    }  # fmt: skip
    with lane.alone(slug, wait=True):
        lane.connection.execute(_BURY, given)
    log.error("a change is dead", clinic=slug, sqlstate=found.sqlstate, constraint=found.constraint)


def dead_patients(lane: Lane, slug: str) -> list[UUID]:
    """The clinic's patients who have a dead change."""
    with lane.alone(slug, wait=True):
        rows = lane.connection.execute("select distinct patient_id from dead_change order by 1").fetchall()
    return [patient for (patient,) in rows]


def dead_alike(lane: Lane, slug: str, found: Poisoned, most: int) -> list[UUID]:
    """So many others at most who are dead by the same refusal, the latest first."""
    with lane.alone(slug, wait=True):
        rows = lane.connection.execute(_ALIKE, [found.sqlstate, found.constraint, found.patients, most]).fetchall()
    return [patient for (patient,) in rows]


_ALIKE = """
select patient_id from dead_change
where sqlstate = %s and constraint_name is not distinct from %s and patient_id <> all(%s)
group by patient_id order by max(failed_at) desc, patient_id limit %s
"""
# Where nothing of the patient's records waited, it is their evaluation that failed.
_BURY = """
with taken as (
    delete from operational.outbox where patient_id = %(patient)s and outbox_id = any(%(rows)s)
    returning entity, fires
),
failed as (
    select entity, coalesce(bool_or(fires), true) as fires
    from (
        select entity, fires from taken
        union all
        select entity, fires from dead_change where patient_id = %(patient)s
    ) as each_of_them
    group by entity
)
insert into dead_change as known (patient_id, entity, sqlstate, constraint_name, failed_at, fires)
select %(patient)s, entity, %(sqlstate)s, %(constraint)s, %(at)s, fires from (
    select entity, fires from failed union all select 'segment', true where not exists (select from failed)
) as dead
on conflict (patient_id, entity) do update set sqlstate = excluded.sqlstate, tries = known.tries + 1,
    constraint_name = excluded.constraint_name, failed_at = excluded.failed_at, fires = excluded.fires
"""
