"""Clinical records: rows of one clinic, found again by their id in the source.

A row whose content is unchanged is not touched, so that importing twice changes nothing.
"""

from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from orchestration.importing.staging import stage


@dataclass(frozen=True)
class Record:
    """How an entity's staged row `s` becomes a row of its table; `here` its patient, `p` its parent."""

    table: str
    columns: dict[str, str]
    key: tuple[str, ...] = ("clinic_id", "source", "source_id")
    parent: str = ""
    parent_reason: str = ""
    identity: tuple[str, ...] = ("record_id",)


_START = "coalesce(s.starts_on, (s.starts_at at time zone c.time_zone)::date)"
_BOOKED = "coalesce(s.booked_on, (s.booked_at at time zone c.time_zone)::date)"

RECORDS: dict[str, Record] = {
    "appointment": Record(
        "appointment",
        {
            "service": "coalesce(s.service, 'consultation')",
            "modality": "coalesce(s.modality, 'in_person')",
            "specialist": "s.specialist",
            "status": "s.status",
            "booked_on": _BOOKED,
            "starts_on": _START,
            "starts_at": "s.starts_at",
        },
    ),
    "form": Record(
        "form",
        {
            "template": "s.template",
            "status": "s.status",
            "assigned_on": "s.assigned_on",
            "due_on": "s.due_on",
            "completed_at": "s.completed_at",
        },
    ),
    "answer": Record(
        "form_answer",
        {
            "form_id": "p.form_id",
            "template": "s.template",
            "question": "s.question",
            "answered_at": "s.answered_at",
            "number": "s.number",
            "choice": "s.choice",
            "body": "s.body",
            "day": "s.day",
        },
        parent="left join operational.form as p on p.clinic_id = s.clinic_id and p.patient_id = here.patient_id"
        " and p.source = %(source)s and p.source_id = s.form_id",
        parent_reason="when p.form_id is null then 'form_id: is no form of this patient'",
    ),
    "plan": Record(
        "treatment_plan",
        {
            "title": "s.title",
            "prescribed_by": "s.specialist",
            "starts_on": "s.starts_on",
            "ends_on": "s.ends_on",
        },
    ),
    "adherence": Record(
        "adherence",
        {"plan_id": "p.plan_id", "day": "s.day", "prescribed": "s.prescribed", "done": "s.done"},
        key=("clinic_id", "plan_id", "day"),
        parent="left join operational.treatment_plan as p on p.clinic_id = s.clinic_id"
        " and p.patient_id = here.patient_id and p.source = %(source)s and p.source_id = s.plan_id",
        parent_reason="when p.plan_id is null then 'plan_id: is no plan of this patient'",
        identity=("plan_id", "day"),
    ),
}


def load_records(connection: psycopg.Connection, source: str, entity: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Insert or update rows of one entity; return `line, reason` of those whose patient or parent is unknown."""
    record = RECORDS[entity]
    latest = rows.unique(["clinic_id", *record.identity], keep="last", maintain_order=False)
    table = f"stage_{entity}"
    stage(connection, table, latest)
    refused = connection.execute(_unknown(record, table), {"source": source}).fetchall()
    connection.execute(_upsert(record, table), {"source": source})
    return pl.DataFrame(refused, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


def _joined(record: Record, table: str) -> str:
    return f"""
    from {table} as s
    left join stage_here as here
        on here.clinic_id = s.clinic_id and here.scope = s.scope and here.source_id = s.source_id
    left join operational.clinic as c on c.clinic_id = s.clinic_id
    {record.parent}
    """


def _unknown(record: Record, table: str) -> sql.SQL:
    text = f"""
    select * from (
        select s.line, case when here.patient_id is null then 'source_id: is no patient of this clinic'
            {record.parent_reason} end as reason
        {_joined(record, table)}
    ) as judged where reason is not null
    """  # nosec B608: constants of this module
    return sql.SQL(text)


def _upsert(record: Record, table: str) -> sql.SQL:
    """Nothing but constants of this module; values are parameters."""
    by_source = "source_id" in record.key
    columns = {"clinic_id": "here.clinic_id", "patient_id": "here.patient_id", **record.columns}
    if by_source:
        columns |= {"source": "%(source)s", "source_id": "s.record_id"}
    changing = [name for name in columns if name not in record.key]
    known = ", ".join(f"known.{name}" for name in changing)
    excluded = ", ".join(f"excluded.{name}" for name in changing)
    parent_known = "and p.clinic_id is not null" if record.parent else ""
    text = f"""
    insert into operational.{record.table} as known ({", ".join(columns)})
    select {", ".join(columns.values())}
    {_joined(record, table)}
    where here.patient_id is not null {parent_known}
    on conflict ({", ".join(record.key)}) do update set
        {", ".join(f"{name} = excluded.{name}" for name in changing)}
    where ({known}) is distinct from ({excluded})
    """  # nosec B608: constants of this module
    return sql.SQL(text)
