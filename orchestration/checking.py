"""The event of a check that reads a whole mart."""

from typing import Literal

import psycopg

from infra.audit import record_process
from policies.words import ProcessAction


def record_check(connection: psycopg.Connection, what: Literal["drift", "quality"]) -> None:
    """Record, in a transaction of the clinic's builder, that all patients of its mart are looked at for this."""
    row = connection.execute("select operational.role_clinic(), count(*) from raw_patients").fetchone()
    if row is None:
        raise AssertionError("a count is one row")
    record_process(
        connection, role="pipeline", action=ProcessAction.CHECK, resource_type="mart", resource_id=what,
        clinic_id=row[0], patients=row[1],
    )  # fmt: skip
