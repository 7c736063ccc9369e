"""Ingest: brings one clinic's raw tables to what the operational zone says now.

Only changed rows move. One transaction does it all under the clinic's lock: read, write, drop the
outbox rows that are dealt with, and record the access. What begins before a revocation and ends
after it is swept at the end, so that it brings nothing back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

import polars as pl
from adbc_driver_postgresql import dbapi
from psycopg import sql

from infra.database import Server
from infra.event_ids import event_id
from orchestration.contracts import PATIENTS, PROFILE
from orchestration.ingest.session import ClinicSession, clinic_session, connect_arrow
from orchestration.ingest.sources import ENTITY, SOURCES, Asset, Source
from policies.classification import ASSET_CATEGORIES
from policies.words import ProcessAction, Purpose

# One frame holds what belongs to so many patients, or so many changed rows, however big the clinic.
FRAME_PATIENTS = 10_000
FRAME_ROWS = 1_000_000
# Past this share of changed rows the planner's statistics are made anew.
ANALYZE_SHARE = 0.1


@dataclass(frozen=True)
class Loaded:
    """What one ingest changed."""

    rows_written: int
    rows_deleted: int
    patients: int


def ingest(
    at: Server,
    slug: str,
    asset: Asset,
    batch_id: UUID,
    *,
    connection: dbapi.Connection | None = None,
) -> Loaded:
    """Bring one asset of one clinic up to date.

    Raises:
        ClinicFailed: the database refused a row; nothing of this asset and clinic has changed.
        InvalidInput: rows break the raw table's contract; nothing has changed.
    """
    if connection is None:
        with connect_arrow(at) as fresh:
            return ingest(at, slug, asset, batch_id, connection=fresh)
    with clinic_session(connection, at, slug, f"ingest of {asset}") as session:
        # Before the reads: a change that commits later keeps its row, and is at worst copied twice.
        session.run(sql.SQL("create temporary table silent (patient_id uuid primary key) on commit drop"))
        session.run(_TAKE.format(entity=sql.Literal(ENTITY[asset])))
        steps = [_load(session, source) for source in SOURCES[asset]]
        if asset is Asset.PATIENTS:
            _sweep_revoked(session)
        touched = pl.concat([patients for _, _, patients in steps]).unique()
        _record(session, slug, asset, batch_id, touched)
        # Whoever was changed waits for an evaluation, which the live worker does at once.
        session.value(sql.SQL("select pg_notify('cloister_outbox', {})::text").format(sql.Literal(slug)))
    return Loaded(sum(step[0] for step in steps), sum(step[1] for step in steps), len(touched))


# Of who was deleted and comes back the records do so too: that row is left to the live worker, which brings all. Kept
# is of whom nothing has changed but by imports that were not asked to fire.
_TAKE = sql.SQL("""
with left_to_live as materialized (
    select patient_id from operational.sharing_limit where source <> 'consent' and {entity} = 'patient'
),
taken as (
    delete from operational.outbox where entity = {entity} and patient_id not in (select patient_id from left_to_live)
),
alive as (delete from dead_change where entity = {entity} and patient_id not in (select patient_id from left_to_live))
insert into silent
select patient_id
from (
    select patient_id, fires from operational.outbox where entity = {entity}
    union all
    select patient_id, fires from dead_change where entity = {entity}
) as waiting
group by patient_id
having not bool_or(fires)
""")


def _load(session: ClinicSession, source: Source) -> tuple[int, int, pl.Series]:
    """Bring one raw table up to date; rows written, rows deleted, patients touched."""
    table = sql.Identifier(source.contract.table)
    if session.value(sql.SQL("select not exists (select from {})").format(table)):
        return _first_load(session, source)
    rows, changed = _find_changes(session, source)
    gone = session.value(sql.SQL("select count(*) from change where gone"))
    patients = session.frame(sql.SQL("select distinct patient_id from change"))["patient_id"]
    _note(session, sql.SQL("select distinct patient_id, cause from change"))
    if changed:
        _merge(session, source, changed)
    if gone:
        session.run(sql.SQL("delete from {} using change where gone and {}").format(table, _same_key(source, table)))
    session.run(sql.SQL("drop table change"))
    if changed + gone > ANALYZE_SHARE * max(rows, 1):
        _analyze(session, source)
    return changed, gone, patients


def _first_load(session: ClinicSession, source: Source) -> tuple[int, int, pl.Series]:
    """Fill an empty table, sorted by its key so that its index is written from left to right."""
    registered = session.value(sql.SQL("select count(*) from operational.registration"))
    patients, count = [], 0
    for within in _slices(-(-registered // FRAME_PATIENTS)):
        query = sql.SQL("select * from ({}) as live where {} order by {}").format(_rows(source), within, _key(source))
        frame = session.frame(query)
        source.contract.check(frame)
        session.copy_in(source.contract.table, frame)
        patients.append(frame["patient_id"].unique())
        count += len(frame)
    if count:
        _analyze(session, source)
        _note_first_load(session, source)
    return count, 0, pl.concat(patients)


def _find_changes(session: ClinicSession, source: Source) -> tuple[int, int]:
    """List the keys that changed or went in the temporary table `change`; rows there now, rows changed."""
    differs = sql.SQL(" or ").join(
        sql.SQL("live.{0} is distinct from held.{0}").format(sql.Identifier(mark)) for mark in source.marks
    )
    session.run(
        sql.SQL(
            "create temporary table change on commit drop as"
            " select {key}, live.version is null as gone, {cause} as cause"
            " from ({rows}) as live full join {table} as held using ({key}) where {differs}"
        ).format(
            key=_key(source),
            cause=sql.SQL(source.cause),
            rows=_rows(source),
            table=sql.Identifier(source.contract.table),
            differs=differs,
        )
    )
    session.run(sql.SQL("analyze change"))
    rows = session.value(
        sql.SQL("select greatest(reltuples, 0)::bigint from pg_class where oid = {}::text::regclass").format(
            sql.Literal(source.contract.table)
        )
    )
    return rows, session.value(sql.SQL("select count(*) from change where not gone"))


def _merge(session: ClinicSession, source: Source, count: int) -> None:
    """Fetch the changed rows and put them in their places."""
    contract = source.contract
    session.run(
        sql.SQL("create temporary table incoming (like {}) on commit drop").format(sql.Identifier(contract.table))
    )
    for within in _slices(-(-count // FRAME_ROWS)):
        frame = session.frame(
            sql.SQL("select live.* from ({}) as live inner join change using ({}) where not gone and {}").format(
                _rows(source), _key(source), within
            )
        )
        contract.check(frame)
        session.copy_in("incoming", frame, temporary=True)
    columns = _names(contract.columns)
    updates = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in contract.columns
        if name not in contract.key
    )
    session.run(
        sql.SQL("insert into {} ({}) select {} from incoming on conflict ({}) do update set {}").format(
            sql.Identifier(contract.table), columns, columns, _key(source), updates
        )
    )
    session.run(sql.SQL("drop table incoming"))


def _sweep_revoked(session: ClinicSession) -> None:
    """Empty what was revoked since it was read: a statement of its own sees what has committed."""
    empty = sql.SQL(", ").join(sql.SQL("{} = null").format(sql.Identifier(name)) for name in PROFILE)
    session.run(
        sql.SQL(
            "with swept as (update raw_patients as held set profile_shared = false, {}"
            " from operational.profile_tombstone as t"
            " where held.profile_shared and t.patient_id = held.patient_id and t.cleared_at is null"
            " returning held.patient_id) insert into changed_patient (patient_id, cause)"
            " select patient_id, 'consent' from swept on conflict do nothing"
        ).format(empty)
    )


def _note_first_load(session: ClinicSession, source: Source) -> None:
    """Note every patient who has a row; a clinic that had no patients takes one note for all of them."""
    if source.contract is PATIENTS:
        _note(session, sql.SQL("select null::uuid, 'data'"))
    elif not session.value(sql.SQL("select exists (select from changed_patient where patient_id is null)")):
        table = sql.Identifier(source.contract.table)
        _note(session, sql.SQL("select distinct patient_id, 'data' from {}").format(table))


def _note(session: ClinicSession, noted: sql.Composable) -> None:
    """Keep why patients may enter or leave segments at the next evaluation: rows of patient_id and cause."""
    session.run(
        sql.SQL(
            "insert into changed_patient as known (patient_id, cause, fires)"
            " select noted.patient_id, noted.cause, silent.patient_id is null"
            " from ({}) as noted (patient_id, cause) left join silent on silent.patient_id = noted.patient_id"
            " on conflict (patient_id, cause) do update set fires = true where excluded.fires and not known.fires"
        ).format(noted)
    )


def _record(session: ClinicSession, slug: str, asset: Asset, batch_id: UUID, patients: pl.Series) -> None:
    """The audit event of this read, and whose rows it moved."""
    session.run(sql.SQL("create temporary table touched (patient_id uuid) on commit drop"))
    session.copy_in("touched", patients.to_frame("patient_id"), temporary=True)
    # At the time of the transaction, which may last longer than an event's time may be off.
    session.run(
        sql.SQL(
            "with event as (insert into audit.access_event (event_id, occurred_at, principal_kind, role, organisation,"
            " action, resource_type, clinic_id, purpose, decision, policies, categories, batch_id, patients) values"
            " ({event}, now(), 'process', 'pipeline', {slug}, {action}, {asset}, (select operational.role_clinic()),"
            " {purpose}, 'permit', '{{}}', {categories}, {batch}, {count}))"
            " insert into audit.batch_patient (event_id, occurred_at, clinic_id, patient_id, asset)"
            " select {event}, now(), (select operational.role_clinic()), patient_id, {asset} from touched"
        ).format(
            event=sql.Literal(event_id()),
            slug=sql.Literal(slug),
            action=sql.Literal(ProcessAction.INGEST.value),
            asset=sql.Literal(asset.value),
            purpose=sql.Literal(Purpose.OPERATIONS.value),
            categories=sql.Literal(ASSET_CATEGORIES[asset]),
            batch=sql.Literal(batch_id),
            count=sql.Literal(len(patients)),
        )
    )
    session.run(sql.SQL("drop table touched"))


def _analyze(session: ClinicSession, source: Source) -> None:
    """Renew the planner's statistics; a small sample is enough for one clinic's plain joins."""
    session.run(sql.SQL("set local default_statistics_target = 10"))
    session.run(sql.SQL("analyze {}").format(sql.Identifier(source.contract.table)))


def _slices(parts: int) -> Iterator[sql.Composable]:
    """Conditions that cut the random patient ids into so many parts, one at least."""
    parts = max(parts, 1)
    bounds = [UUID(int=part * (1 << 128) // parts) for part in range(parts)]
    for low, high in zip(bounds, [*bounds[1:], None], strict=True):
        above = sql.SQL("patient_id >= {}").format(sql.Literal(low))
        yield (above if high is None else sql.SQL("{} and patient_id < {}").format(above, sql.Literal(high)))


def _rows(source: Source) -> sql.Composable:
    return sql.SQL(source.rows)


def _names(names: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _key(source: Source) -> sql.Composable:
    return _names(source.contract.key)


def _same_key(source: Source, table: sql.Composable) -> sql.Composable:
    return sql.SQL(" and ").join(
        sql.SQL("{}.{} = change.{}").format(table, sql.Identifier(name), sql.Identifier(name))
        for name in source.contract.key
    )
