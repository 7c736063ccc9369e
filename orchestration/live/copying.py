"""Copies a few patients' rows from the operational zone into the clinic's raw tables, as the ingest does for all.

The rows are those of the ingest's own statements, the causes its own words. One statement a raw table reads, compares
and writes, and notes in `changed_patient` of whom something changed, and why.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from uuid import UUID

import psycopg
from psycopg import sql

from orchestration.ingest.sources import ENTITY, SOURCES, Asset, Source

# A deleted registration takes all of a patient's records with it, and one that is revived brings them back.
_EVERYTHING = ENTITY[Asset.PATIENTS]


def assets_of(entities: Collection[str]) -> list[Asset]:
    """The assets that changes of these entities, the outbox's words, may have touched."""
    return [asset for asset in Asset if ENTITY[asset] in entities or _EVERYTHING in entities]


def copy(
    connection: psycopg.Connection, clinic: str, asset: Asset, patients: Sequence[UUID], silent: Collection[UUID] = ()
) -> set[UUID]:
    """Bring these patients' rows of one asset up to date, in the running transaction; of whom something changed.

    On what comes of it for the `silent` no automation may act, unless something else has changed of them as well.
    The transaction is the clinic's builder's and holds the clinic's lock.
    """
    changed: set[UUID] = set()
    for statement in _statements(asset):
        # The clinic stands in the text: equal texts would share one plan, made anew whenever `search_path` changes.
        text = f"/* {clinic} */ {statement}"
        rows = psycopg.RawCursor(connection).execute(text, [list(patients), list(silent)], prepare=True)
        changed.update(patient for (patient,) in rows)
    return changed


@cache
def _statements(asset: Asset) -> list[str]:
    return [_statement(source) for source in SOURCES[asset]]


def _statement(source: Source) -> str:
    contract = source.contract
    columns, key = list(contract.columns), list(contract.key)
    parts = {
        "table": sql.Identifier(contract.table),
        "rows": sql.SQL(source.rows),
        "key": _names(key),
        "columns": _names(columns),
        "marked": _names([*key, *source.marks]),
        "cause": sql.SQL(source.cause),
        "differs": _each("live.{0} is distinct from held.{0}", source.marks, " or "),
        "same": _each("stored.{0} = change.{0}", key, " and "),
        "values": _each("{0} = excluded.{0}", [name for name in columns if name not in key], ", "),
    }
    return sql.SQL(_COPY).format(**parts).as_string()


def _names(names: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _each(template: str, names: Iterable[str], separator: str) -> sql.Composable:
    return sql.SQL(separator).join(sql.SQL(template).format(sql.Identifier(name)) for name in names)


_COPY = """
with live as materialized (
    select * from ({rows}) as live where live.patient_id = any($1::uuid[])
),
held as materialized (
    select {marked} from {table} where patient_id = any($1::uuid[])
),
change as materialized (
    select {key}, live.version is null as gone, {cause} as cause
    from live full join held using ({key})
    where {differs}
),
gone as (
    delete from {table} as stored using change where change.gone and {same}
),
written as (
    insert into {table} ({columns})
    select {columns} from live inner join change using ({key}) where not change.gone
    on conflict ({key}) do update set {values}
),
noted as (
    insert into changed_patient as known (patient_id, cause, fires)
    select distinct patient_id, cause, patient_id <> all($2::uuid[]) from change
    on conflict (patient_id, cause) do update set fires = true where excluded.fires and not known.fires
)
select distinct patient_id from change
"""
