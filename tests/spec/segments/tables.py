"""Tables in, members out: the patients, the facts about them, and what each measure makes of them.

Patients go by letters. `-` is no value; columns that a table leaves out have one everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from infra.database import Server, clinic_transaction, connect
from infra.roles import ClinicKind, Login
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import compile_program
from policies.segments.rule import parse_rule

RUN_AT = datetime(2030, 1, 1, tzinfo=UTC)
Row = dict[str, object]
_ELSE: dict[str, Row] = {
    "raw_patients": {"name": "Somebody", "registered_on": "2020-01-01", "profile_shared": True},
    "raw_appointments": {
        "service": "physio", "modality": "in_person", "status": "fulfilled", "booked_on": "2020-01-01",
    },
    "raw_forms": {"template": "intake", "status": "pending", "assigned_on": "2024-01-01"},
    "raw_answers": {"form_id": UUID(int=0), "template": "pain", "question": "score"},
    "raw_adherence": {"plan_id": UUID(int=0), "prescribed": 4, "done": 4},
}  # fmt: skip
_ID = {"raw_appointments": "appointment_id", "raw_forms": "form_id", "raw_answers": "answer_id"}


@dataclass(frozen=True)
class Spec:
    """Tables as of one day, and per condition the patients for whom it holds, such as `ab`."""

    as_of: date
    tables: Mapping[str, str | list[Row]]
    holds: list[tuple[Row, str]]


def is_(measure: str, op: str, value: Any = None, **arguments: Any) -> Row:
    """A condition in its JSON form."""
    return {"measure": measure, "op": op, **({} if value is None else {"value": value}), **arguments}


def members(at: Server, spec: Spec, rules: list[Row]) -> list[str]:
    """The members of each rule over a spec's tables, all rules in one program, run as the builder; kept nowhere."""
    segments = [ActiveSegment(UUID(int=number), 1, parse_rule(rule), f"s{number}") for number, rule in enumerate(rules)]
    program = compile_program(segments)
    with (
        connect(Login.PIPELINE, at=at) as connection,
        clinic_transaction(connection, at.roles, "north", ClinicKind.BUILDER),
    ):
        for name, given in spec.tables.items():
            for row in complete(name, given):
                _insert(connection, name, row)
        psycopg.RawCursor(connection).execute(program.statement, [spec.as_of, RUN_AT, Jsonb(program.parameters)])
        found = connection.execute("select segment_id, patient_id from segment_member").fetchall()
        raise psycopg.Rollback
    return ["".join(sorted(chr(p.int) for s, p in found if s == segment.segment_id)) for segment in segments]


def complete(table: str, given: str | list[Row]) -> list[Row]:
    """A table's rows with what they leave out."""
    rows = _rows(given) if isinstance(given, str) else given
    return [{**_ELSE[table], **_ids(table, number), **row} for number, row in enumerate(rows)]


def arrange(admin: psycopg.Connection, count: int) -> None:
    """Make the segments that members refer to."""
    for number in range(count):
        admin.execute(
            "insert into clinic_north.segment (segment_id, slug, name, profile_dependent, created_at)"
            " values (%s, %s, 'Segment', true, %s)",
            [UUID(int=number), f"s{number}", RUN_AT],
        )


def _rows(text: str) -> list[Row]:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    header, *rows = lines
    return [{name: None if cell == "-" else cell for name, cell in zip(header, row, strict=True)} for row in rows]


def _ids(table: str, number: int) -> Row:
    return {"version": 1, **({_ID[table]: UUID(int=number)} if table in _ID else {})}


def _insert(connection: psycopg.Connection, table: str, row: Row) -> None:
    row["patient_id"] = UUID(int=ord(str(row.pop("patient"))))
    if table == "raw_answers":
        row["answered_on"] = str(row["answered_at"])[:10]
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        ),
        list(row.values()),
    )
