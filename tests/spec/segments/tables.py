"""Tables in, members out: the patients, the facts about them, and what each measure makes of them.

Patients go by letters. `-` is no value; columns that a table leaves out have one everywhere.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from infra.database import Server, become_clinic
from infra.roles import ClinicKind
from policies.segments.compiler import ActiveSegment, compile_verdicts
from policies.segments.rule import parse_rule

DAY = date(2024, 5, 31)
FOUR = "patient\na\nb\nc\nd"
Row = dict[str, object]
Verdict = bool | None
_ELSE: dict[str, Row] = {
    "raw_patients": {"name": "Somebody", "registered_on": "2020-01-01", "profile_shared": True},
    "raw_appointments": {
        "service": "physio", "modality": "in_person", "status": "fulfilled", "booked_on": "2020-01-01",
    },
    "raw_forms": {"template": "intake", "status": "pending", "assigned_on": "2024-01-01"},
    "raw_answers": {"template": "pain", "question": "score"},
    "raw_adherence": {"prescribed": 4, "done": 4},
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


@contextmanager
def filled(connection: psycopg.Connection, at: Server, spec: Spec) -> Iterator[psycopg.Connection]:
    """The tables of a spec in the mart of north, as its builder sees them; gone afterwards."""
    with connection.transaction(force_rollback=True):
        become_clinic(connection, at.roles, "north", ClinicKind.BUILDER)
        put(connection, spec.tables)
        yield connection


def put(connection: psycopg.Connection, tables: Mapping[str, str | list[Row]]) -> None:
    """Write the rows of some tables into the mart that the transaction is in."""
    for name, given in tables.items():
        rows = [{"patient_id": patient_id(str(row.pop("patient"))), **row} for row in complete(name, given)]
        if rows:
            columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
            into = sql.SQL("insert into {0} ({1}) select {1} from jsonb_populate_recordset(null::{0}, %s)")
            connection.execute(into.format(sql.Identifier(name), columns), [json.dumps(rows, default=str)])


def verdicts(
    connection: psycopg.Connection, as_of: date, rules: Sequence[Row], given: str | None = None
) -> list[dict[str, Verdict]]:
    """Of each rule the verdict on each patient, all rules in one statement; on these letters alone if they are given.

    Rules name each other as `s0`, `s1` and so on, in their order.
    """
    # The higher ids first, so that none relies on the order of the list.
    ids = [UUID(int=len(rules) - number) for number in range(len(rules))]
    segments = [ActiveSegment(ids[number], 1, parse_rule(rule), f"s{number}") for number, rule in enumerate(rules)]
    compiled = compile_verdicts(segments, given=given is not None)
    statement = (
        f"with {compiled.passes}known as (select verdict.segment_id, raw_patients.patient_id, verdict.holds"
        f" from {compiled.source}) select segment_id, patient_id, holds from known where $2::date is null"
    )
    patients = [] if given is None else [list(map(patient_id, given))]
    parameters = [as_of, None, Jsonb(compiled.parameters), *patients]
    found = psycopg.RawCursor(connection).execute(statement, parameters).fetchall()
    return [{chr(patient.int): holds for key, patient, holds in found if key == segment} for segment in ids]


def members(connection: psycopg.Connection, at: Server, spec: Spec, rules: Sequence[Row]) -> list[str]:
    """The members of each rule over a spec's tables."""
    with filled(connection, at, spec):
        return [_true(found) for found in verdicts(connection, spec.as_of, rules)]


def _true(found: dict[str, Verdict]) -> str:
    return "".join(sorted(letter for letter, holds in found.items() if holds))


def patient_id(letter: str) -> UUID:
    """The id of the patient that goes by a letter."""
    return UUID(int=ord(letter))


def complete(table: str, given: str | list[Row]) -> list[Row]:
    """A table's rows with what they leave out."""
    rows = _rows(given) if isinstance(given, str) else map(dict, given)
    return [_complete(table, number, row) for number, row in enumerate(rows)]


def _complete(table: str, number: int, row: Row) -> Row:
    """Ids follow the order of the rows; a column `form` or `plan` says by a number which rows belong together."""
    ids: Row = {"version": 1, **({_ID[table]: UUID(int=number)} if table in _ID else {})}
    if table == "raw_answers":
        ids["form_id"] = UUID(int=int(str(row.pop("form", number))))
        ids["answered_on"] = str(row["answered_at"])[:10]
    if table == "raw_adherence":
        ids["plan_id"] = UUID(int=int(str(row.pop("plan", 0))))
    return {**_ELSE[table], **ids, **row}


def _rows(text: str) -> list[Row]:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    header, *rows = lines
    return [{name: None if cell == "-" else cell for name, cell in zip(header, row, strict=True)} for row in rows]
