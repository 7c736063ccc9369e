"""Clinical records: rows of one clinic, found again by their id in the source.

A row whose content is unchanged is not touched, so that importing twice changes nothing.
"""

from dataclasses import dataclass

import polars as pl
import psycopg
from psycopg import sql

from orchestration.importing.early import NO_FORM, NO_PATIENT, NO_PLAN
from orchestration.importing.known import KEY
from orchestration.importing.session import unchanged
from orchestration.importing.staging import ordered_ids, stage


@dataclass(frozen=True)
class Record:
    """How an entity's staged row `s` becomes a row of its table.

    `c` is its clinic, `p` its parent, `fault` the reason to refuse it, or null. `newer`: when what is `ready` counts
    though what is there (`old`) came in later.
    """

    table: str
    columns: dict[str, str]
    id: str | None = None
    key: tuple[str, ...] = ("clinic_id", "source", "source_id")
    parent: str = ""
    fault: str = "null"
    newer: str = "false"
    identity: tuple[str, ...] = ("record_id",)


_START = "coalesce(s.starts_on, (s.starts_at at time zone c.time_zone)::date)"
_BOOKED = "coalesce(s.booked_on, (s.booked_at at time zone c.time_zone)::date)"
# What is so once, here or at the source, no import shows to guardians again.
HIDDEN = "confidential"

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
            HIDDEN: "s.confidential is not null",
        },
        id="appointment_id",
        fault=f"case when {_START} < {_BOOKED} then 'starts_on: is before booked_on' end",
    ),
    "form": Record(
        "form",
        {
            "template": "s.template",
            "status": "s.status",
            "assigned_on": "s.assigned_on",
            "due_on": "s.due_on",
            "completed_at": "s.completed_at",
            HIDDEN: "s.confidential is not null",
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
        parent="left join operational.form as p on p.clinic_id = s.clinic_id and p.patient_id = s.patient_id::uuid"
        " and p.source = %(source)s and p.source_id = s.form_id",
        fault=f"case when p.form_id is null then '{NO_FORM}' end",
    ),
    "plan": Record(
        "treatment_plan",
        {
            "title": "s.title",
            "prescribed_by": "s.specialist",
            "starts_on": "s.starts_on",
            "ends_on": "s.ends_on",
            HIDDEN: "s.confidential is not null",
        },
        id="plan_id",
    ),
    "adherence": Record(
        "adherence",
        {
            "plan_id": "p.plan_id",
            "day": "s.day",
            "prescribed": "s.prescribed",
            # What a record said was done stays, whatever its request's status is.
            "done": "coalesce(s.done, case when old.presumed is false then old.done else s.presumed end)",
            "presumed": "s.done is null and old.presumed is not false",
        },
        key=("clinic_id", "plan_id", "day"),
        parent="left join operational.treatment_plan as p on p.clinic_id = s.clinic_id"
        " and p.patient_id = s.patient_id::uuid and p.source = %(source)s and p.source_id = s.plan_id",
        fault=f"case when p.plan_id is null then '{NO_PLAN}' end",
        newer="(old.presumed is true and ready.presumed is false)",
        identity=("plan_id", "day"),
    ),
}


class RecordLoader:
    """Loads the records of one source; several threads may, each with a connection of its own."""

    def __init__(self, source: str) -> None:
        self._source = source
        # Entities of which a row was there already, or wrong: from then on rows are looked at first.
        self._met_again = {entity for entity, record in RECORDS.items() if record.parent}

    def load(self, connection: psycopg.Connection, entity: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Insert or update rows of one entity; return `line, reason` of those whose patient or parent is unknown."""
        record = RECORDS[entity]
        homeless = rows.filter(pl.col("patient_id").is_null())
        refused = homeless.select("line", pl.lit(NO_PATIENT).alias("reason"))
        ready = rows.drop_nulls("patient_id").unique(["clinic_id", *record.identity], keep="last").drop(*KEY)
        stage(connection, "stage_record", _in_order(ready, record), analyze=False)
        if entity in self._met_again or not self._insert_all(connection, entity):
            refused.extend(self._insert_or_update(connection, record))
        connection.execute("drop table stage_record")
        return refused

    def _insert_all(self, connection: psycopg.Connection, entity: str) -> bool:
        """Insert the staged rows as if none was there or wrong, which costs half of looking; False if one was."""
        record = RECORDS[entity]
        try:
            with connection.transaction():
                connection.execute(_insert_new(record), {"source": self._source})
        except (psycopg.errors.UniqueViolation, psycopg.errors.CheckViolation):
            self._met_again.add(entity)
            return False
        return True

    def _insert_or_update(self, connection: psycopg.Connection, record: Record) -> pl.DataFrame:
        connection.execute("analyze stage_record")
        connection.execute(_resolved(record), {"source": self._source})
        refused = connection.execute("select line, reason from ready_record where reason is not null").fetchall()
        connection.execute(_insert_unknown(record))
        (changed,) = connection.execute(_COUNT_CHANGED).fetchone() or (0,)
        # Found by their places: of a table that is new, the planner would look through a clinic's rows for each by key.
        if changed and connection.execute(_update(record, _PLACE)).rowcount < changed:
            # Somebody else has written some of them meanwhile, so they are elsewhere.
            connection.execute(_update(record))
        connection.execute("drop table ready_record")
        return pl.DataFrame(refused, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


def _in_order(rows: pl.DataFrame, record: Record) -> pl.DataFrame:
    """The rows with fresh ids, both in the order of the indexes: neighbours go to the same page."""
    return rows.sort("clinic_id", *record.identity).with_columns(ordered_ids(rows.height).alias("id"))


# The statements below hold constants of this module alone; values are parameters.
_FROM_STAGE = """
    from stage_record as s
    inner join operational.clinic as c on c.clinic_id = s.clinic_id"""


def _resolved(record: Record) -> sql.SQL:
    """Staged rows that are new, or wrong, or change what is there: where that is, and what is wrong with them."""
    columns = ", ".join(f"{expression} as {name}" for name, expression in _columns(record).items())
    key = " and ".join(f"old.{name} = {_columns(record)[name]}" for name in record.key)
    text = f"""
    create temporary table ready_record on commit drop as
    select s.line, ready.*, old.ctid as place, old.clinic_id is not null as known, judged.reason
    {_FROM_STAGE}
    {record.parent}
    left join operational.{record.table} as old on {key}
    cross join lateral (select {columns}) as ready
    cross join lateral (select {record.fault} as reason) as judged
    where judged.reason is not null or old.clinic_id is null or ({_changes(record)})
    """  # nosec B608 # names of our own tables and columns
    return sql.SQL(text)


def _columns(record: Record) -> dict[str, str]:
    columns = {"clinic_id": "c.clinic_id", "patient_id": "s.patient_id::uuid", **record.columns}
    if record.id:
        columns |= {record.id: "s.id::uuid", "source": "%(source)s::text", "source_id": "s.record_id"}
    return columns


def _insert_new(record: Record) -> sql.SQL:
    columns = _columns(record)
    text = f"""
    insert into operational.{record.table} ({", ".join(columns)})
    select {", ".join(columns.values())} {_FROM_STAGE}
    """  # nosec B608 # names of our own tables and columns
    return sql.SQL(text)


def _insert_unknown(record: Record) -> sql.SQL:
    names = ", ".join(_columns(record))
    text = f"""
    insert into operational.{record.table} ({names})
    select {names} from ready_record where reason is null and not known order by {", ".join(record.key)}
    """  # nosec B608 # names of our own tables and columns
    return sql.SQL(text)


_CHANGED = "known and reason is null"
_COUNT_CHANGED = sql.SQL("select count(*) from ready_record where " + _CHANGED)  # nosec B608 # a constant
_PLACE = "old.ctid = ready.place and "


def _update(record: Record, place: str = "") -> sql.SQL:
    key = " and ".join(f"old.{name} = ready.{name}" for name in record.key)
    new = ", ".join(f"{name} = {value}" for name, value in _new(record).items())
    text = f"""
    update operational.{record.table} as old set {new}
    from ready_record as ready
    where {_CHANGED} and {place}{key} and {_changes(record)}
    """  # nosec B608 # names of our own tables and columns
    return sql.SQL(text)


def _changes(record: Record) -> str:
    """The condition that a `ready` row counts though there is an `old` one, and differs from it."""
    olds, news = ", ".join(f"old.{name}" for name in _new(record)), ", ".join(_new(record).values())
    return f"({unchanged('old')} or {record.newer}) and ({olds}) is distinct from ({news})"


def _new(record: Record) -> dict[str, str]:
    """What an update sets each column to."""
    changing = (name for name in _columns(record) if name not in (*record.key, record.id))
    return {name: f"(old.{name} or ready.{name})" if name == HIDDEN else f"ready.{name}" for name in changing}
