"""Clinical records: rows of one clinic, found again by their id in the source.

A row whose content is unchanged is not touched, so that importing twice changes nothing.
"""

from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from orchestration.importing.staging import random_ids, stage


@dataclass(frozen=True)
class Record:
    """How an entity's staged row `s` becomes a row of its table; `here` its patient, `p` its parent."""

    table: str
    columns: dict[str, str]
    id: str | None = None
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
        id="appointment_id",
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
        id="form_id",
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
        id="answer_id",
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
        id="plan_id",
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
    stage(connection, "stage_record", latest.with_columns(random_ids(latest.height).alias("id")))
    connection.execute(_resolved(record), {"source": source})
    refused = connection.execute("select line, reason from ready_record where reason is not null").fetchall()
    connection.execute(_insert(record))
    connection.execute(_update(record))
    connection.execute("drop table stage_record, ready_record")
    return pl.DataFrame(refused, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


# The statements below hold constants of this module alone; values are parameters.
def _resolved(record: Record) -> sql.SQL:
    """Staged rows with their ids, whether they are known already, and what is wrong with them."""
    columns = ", ".join(f"{expression} as {name}" for name, expression in _columns(record).items())
    key = " and ".join(f"old.{name} = {_columns(record)[name]}" for name in record.key)
    text = f"""
    create temporary table ready_record on commit drop as
    select s.line, {columns}, old.clinic_id is not null as known,
        case when here.patient_id is null then 'source_id: is no patient of this clinic'
            {record.parent_reason} end as reason
    from stage_record as s
    left join stage_here as here
        on here.clinic_id = s.clinic_id and here.scope = s.scope and here.source_id = s.source_id
    left join operational.clinic as c on c.clinic_id = s.clinic_id
    {record.parent}
    left join operational.{record.table} as old on {key}
    """  # nosec B608
    return sql.SQL(text)


def _columns(record: Record) -> dict[str, str]:
    columns = {"clinic_id": "here.clinic_id", "patient_id": "here.patient_id", **record.columns}
    if record.id:
        columns |= {record.id: "s.id::uuid", "source": "%(source)s::text", "source_id": "s.record_id"}
    return columns


def _insert(record: Record) -> sql.SQL:
    names = ", ".join(_columns(record))
    # In the order of an index: neighbours go to the same page.
    text = f"""
    insert into operational.{record.table} ({names})
    select {names} from ready_record where reason is null and not known order by {", ".join(record.key)}
    """  # nosec B608
    return sql.SQL(text)


def _update(record: Record) -> sql.SQL:
    changing = [name for name in _columns(record) if name not in (*record.key, record.id)]
    key = " and ".join(f"old.{name} = ready.{name}" for name in record.key)
    text = f"""
    update operational.{record.table} as old set {", ".join(f"{name} = ready.{name}" for name in changing)}
    from ready_record as ready
    where ready.known and ready.reason is null and {key}
        and ({", ".join(f"old.{name}" for name in changing)})
            is distinct from ({", ".join(f"ready.{name}" for name in changing)})
    """  # nosec B608
    return sql.SQL(text)
