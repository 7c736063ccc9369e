"""What a unit of work leaves in the access log, and in the clinic's own book of units."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID, uuid4

import psycopg

from infra.audit import record_process
from infra.event_ids import event_id
from orchestration.ingest.sources import Asset
from orchestration.live.queue import Taken
from policies.classification import ASSET_CATEGORIES
from policies.words import Category, ProcessAction, Purpose


def record(connection: psycopg.Connection, slug: str, taken: Taken | None, moved: Mapping[Asset, set[UUID]]) -> None:
    """One event with a batch id of its own and whose rows it moved; without `taken`, of every patient's evaluation.

    What was dead of patients who were taken is alive again: it stands or falls with this transaction.
    """
    whose = [(patient, asset.value) for asset, patients in moved.items() for patient in patients]
    given = {
        "event": event_id(),
        "batch": uuid4(),
        "clinic": slug,
        "action": ProcessAction.LIVE.value,
        "purpose": Purpose.OPERATIONS.value,
        "categories": sorted({category for asset in moved for category in ASSET_CATEGORIES[asset]})
        or [Category.IDENTIFIER.value],
        "patients": [patient for patient, _ in whose],
        "assets": [asset for _, asset in whose],
        "taken": list(taken.entities) if taken else [],
        "everybody": taken is None,
        "oldest": taken.oldest if taken else None,
    }
    connection.execute(f"/* {slug} */ {_RECORD}", given, prepare=True)


def record_day(connection: psycopg.Connection, slug: str, day: date | None) -> None:
    """Note for which day a clinic's members stand, as the last thing that the clinic's builder does."""
    connection.execute("set local role none")
    connection.execute(_DAY, [slug, day])


def record_retry(connection: psycopg.Connection, patients: int) -> None:
    """The event of an operator's retry, in a transaction of the clinic's; whose rows it moved, the units tell."""
    row = connection.execute("select operational.role_clinic()").fetchone()
    record_process(
        connection, role="operator", action=ProcessAction.LIVE_RETRY, resource_type="mart",
        clinic_id=row[0] if row else None, patients=patients,
    )  # fmt: skip


# The pipeline's own table, for whoever shows the members and cannot see the clinic's clock.
# Builds write it too: `record_day` of dbt_project/macros/each_clinic.sql.
_DAY = """
insert into pipeline.member_day (clinic, as_of) values (%s, %s)
on conflict (clinic) do update set as_of = excluded.as_of, passed_at = clock_timestamp()
"""
# The batch's rows have the time of the event, by which they are found.
_RECORD = """
with event as (
    insert into audit.access_event (event_id, occurred_at, principal_kind, role, organisation, action, resource_type,
        clinic_id, purpose, decision, policies, categories, batch_id, patients)
    values (%(event)s, now(), 'process', 'pipeline', %(clinic)s, %(action)s, 'mart',
        (select operational.role_clinic()), %(purpose)s, 'permit', '{}', %(categories)s, %(batch)s,
        case when %(everybody)s then (select count(*) from raw_patients)
            else (select count(distinct patient) from unnest(%(patients)s::uuid[]) as patient) end)
),
batch as (
    insert into audit.batch_patient (event_id, occurred_at, clinic_id, patient_id, asset)
    select %(event)s, now(), (select operational.role_clinic()), patient_id, asset
    from unnest(%(patients)s::uuid[], %(assets)s::text[]) as moved (patient_id, asset)
),
solved as (
    delete from dead_change where %(everybody)s and entity = 'segment' or patient_id = any(%(taken)s::uuid[])
)
update live_clock set units = units + (cardinality(%(patients)s::uuid[]) > 0)::integer, at = clock_timestamp(),
    lag_seconds = extract(epoch from clock_timestamp() - %(oldest)s::timestamptz)
"""
