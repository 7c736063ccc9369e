"""What waits in a clinic: whose changes are next, taken from the outbox, and whether its rules changed.

The outbox is a dirty queue. Of a patient who is taken all rows are, so that nobody is ever evaluated by half of what
has been committed. Besides, an ingest may have copied a patient whom nobody has evaluated since.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import psycopg

from orchestration.reevaluate import PATIENTS_A_STATEMENT


@dataclass(frozen=True)
class Taken:
    """Patients with the entities that changed, the time of the oldest of these changes, and whether more wait.

    `rows` are the ids of what was taken out of the outbox; on what comes of an entity's `silent` no automation may act.
    """

    entities: dict[UUID, set[str]]
    oldest: datetime | None
    more: bool
    rows: list[int]
    silent: dict[str, set[UUID]] = field(default_factory=dict)

    @classmethod
    def nobody(cls) -> "Taken":
        """None was taken."""
        return cls({}, None, False, [])

    def with_any(self, entities: set[str]) -> list[UUID]:
        """The patients in any of whose entities something changed."""
        return [patient for patient, changed in self.entities.items() if changed & entities]


@dataclass(frozen=True)
class State:
    """How a clinic stands at an instant: the day that its members stand for, and its rules as a digest, but for those
    that fail.

    `unevaluated` says that a run over all patients is due: a rule was saved or archived, or an ingest changed so many
    patients that they are quicker evaluated together. `open_consents`: of somebody the mart does not have yet, or has
    not finished with, what a consent began or ended.
    """

    at: datetime
    as_of: date | None
    rules: int
    unevaluated: bool
    open_consents: bool


def take(
    connection: psycopg.Connection, clinic: str, patients: Sequence[UUID] | None = None, *, most: int | None = None
) -> tuple[State, Taken]:
    """How the clinic stands; and the patients taken who have waited longest, or those given whether they wait or not.

    `most` is how many are taken: a unit's worth, unless said otherwise.

    The transaction is the clinic's builder's and holds the clinic's lock: with it all is undone.
    """
    found = _look(connection, clinic)  # one way there and back for both
    text = f"/* {clinic} */ {_TAKE if patients is None else _TAKE_GIVEN}"
    given: list[object] = [(PATIENTS_A_STATEMENT if most is None else most) if patients is None else list(patients)]
    rows = psycopg.RawCursor(connection).execute(text, given, prepare=True).fetchall()
    entities = {patient: set(changed) for patient, changed, *_ in rows}
    oldest = min((since for _, _, since, *_ in rows if since), default=None)
    outbox = [row for _, _, _, ids, *_ in rows for row in ids or ()]
    silent: dict[str, set[UUID]] = {}
    for patient, _, _, _, hushed, loud, _ in rows:
        for entity in set(hushed).difference(loud):
            silent.setdefault(entity, set()).add(patient)
    return _state(found), Taken(entities, oldest, any(more for *_, more in rows), outbox, silent)


def state(connection: psycopg.Connection, clinic: str) -> State:
    """How the clinic stands, in the running transaction."""
    return _state(_look(connection, clinic))


def _look(connection: psycopg.Connection, clinic: str) -> psycopg.Cursor:
    return psycopg.RawCursor(connection).execute(f"/* {clinic} */ {_STATE}", [PATIENTS_A_STATEMENT], prepare=True)


def _state(found: psycopg.Cursor) -> State:
    row = found.fetchone()
    if row is None:
        raise AssertionError("a clinic has one clock")
    return State(*row)


_TAKEN = """,
taken as (
    delete from operational.outbox as waiting using chosen where waiting.patient_id = chosen.patient_id
    returning waiting.patient_id, waiting.entity, waiting.changed_at, waiting.outbox_id, waiting.fires
),
changed as (
    select patient_id, entity, changed_at, outbox_id, fires from taken
    union all
    select patient_id, entity, null, null, fires from dead_change inner join chosen using (patient_id)
)
select patient_id, coalesce(array_agg(distinct entity) filter (where entity is not null), array[]::text[]),
    min(changed_at), array_agg(outbox_id) filter (where outbox_id is not null),
    coalesce(array_agg(distinct entity) filter (where not fires), array[]::text[]),
    coalesce(array_agg(distinct entity) filter (where fires), array[]::text[]), {more}
from chosen left join changed using (patient_id)
group by patient_id
"""
# Whom an ingest noted waits with the others, unless their evaluation has failed before, or there are too many.
_MANY = "(select count(*) from (select from changed_patient limit $1::bigint + 1) as noted) > $1::bigint"
_TAKE = (
    f"""
with oldest as materialized (select patient_id from operational.outbox order by outbox_id limit $1::bigint),
noted as materialized (
    select distinct patient_id from changed_patient
    where patient_id is not null and not {_MANY} and not exists (
        select from dead_change as dead where dead.patient_id = changed_patient.patient_id
    )
),
chosen as materialized (
    select patient_id from oldest union select patient_id from noted limit $1::bigint
)"""  # nosec B608 # constants
    + _TAKEN.format(more="(select count(*) from chosen) = $1::bigint")
)
_TAKE_GIVEN = "with chosen as (select distinct unnest($1::uuid[]) as patient_id)" + _TAKEN.format(more="false")
_STATE = f"""
select statement_timestamp(), clock.as_of,
    (
        select hashtextextended(coalesce(string_agg(segment_id || '@' || version, ' ' order by segment_id), ''), 0)
        from segment where archived_at is null and not exists (
            select from segment_broken as failing
            where failing.segment_id = segment.segment_id and failing.version = segment.version
                and failing.sqlstate is not null
        )
    ),
    clock.as_of is null
    or exists (
        select from (select segment_id, version from segment where archived_at is null) as rule
        full join (
            select segment_id, case when rules <> 'again' then version end as version
            from segment_state where rules <> ''
        ) as evaluated using (segment_id)
        where rule.version is distinct from evaluated.version and not exists (
            select from segment_broken as broken
            where broken.segment_id = rule.segment_id and broken.version = rule.version
        )
    )
    -- What was archived before any run by its version: that is where it begins when it comes back.
    or exists (
        select from segment as archived left join segment_state as known using (segment_id)
        where archived.archived_at is not null and known.version is distinct from archived.version
    )
    or exists (select from changed_patient where patient_id is null)
    or {_MANY},
    exists (select from operational.consent_propagation where done_at is null)
    or exists (select from withdrawal)
    or exists (select from raw_patients where profile_shared and profile_until <= statement_timestamp())
from segment_clock as clock
"""  # nosec B608 # constants
