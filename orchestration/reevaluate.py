"""Re-evaluates a few patients of one clinic, as the live worker does after their rows changed.

The statement is the batch's own, restricted to the patients. For so few of them planning would be the cost:
it is prepared once a clinic and program, with a generic plan, on a connection that is kept. The
clinic stands in the text: equal texts would share one plan, made anew whenever `search_path` changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from policies.segments.reconcile import Program

# Plans of so many clinics are kept, 0.4 MB each.
CLINICS_A_CONNECTION = 500
# For so many at once a plan that is made for them costs less than it saves.
PATIENTS_WORTH_A_PLAN = 200
# More patients than that are cheaper in the batch's full pass.
PATIENTS_A_STATEMENT = 500


@dataclass(frozen=True)
class Changes:
    """How many stays in segments began and ended."""

    entered: int
    left: int


def keep_plans(connection: psycopg.Connection) -> None:
    """Make a connection keep the plans of its clinics' programs; call it once, outside of any transaction."""
    connection.prepared_max = CLINICS_A_CONNECTION
    connection.execute("set plan_cache_mode = force_generic_plan")
    connection.commit()


def reevaluate(
    connection: psycopg.Connection, clinic: str, program: Program, patients: Sequence[UUID], as_of: date, at: datetime
) -> Changes:
    """Bring the memberships of these patients up to date, in the running transaction.

    The transaction is the clinic's builder's and holds the clinic's lock; `program` was compiled with `given`.

    Raises:
        ValueError: more than PATIENTS_A_STATEMENT patients.
    """
    if len(patients) > PATIENTS_A_STATEMENT:
        raise ValueError(f"{len(patients)} patients at once, at most {PATIENTS_A_STATEMENT}")
    if len(patients) >= PATIENTS_WORTH_A_PLAN:
        connection.execute("set local plan_cache_mode = force_custom_plan")
    text = f"/* {clinic} {program.fingerprint[:16]} */ {program.statement}"
    given = [as_of, at, Jsonb(program.parameters), list(patients)]
    row = psycopg.RawCursor(connection).execute(text, given, prepare=True).fetchone()
    return Changes(*row) if row else Changes(0, 0)
