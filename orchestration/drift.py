"""Whether the members that a clinic keeps are those that its rules give, all worked out anew.

Counted for the day of the last evaluation, for which nothing is left to change: what differs without a cause is a
member that was lost or made up. Counts only, and segments by their slugs.
"""

from collections.abc import Sequence
from datetime import datetime

import psycopg
from psycopg.types.json import Jsonb

from infra.database import Server, clinic_transaction, connect
from infra.roles import ClinicKind, Login
from orchestration.checking import record_check
from orchestration.programs import active_segments
from orchestration.quality import Verdict
from policies.segments.reconcile import compile_drift
from policies.segments.rule import RuleError

# In the place of a slug, which it is none: the clinic's rules could not be evaluated.
NOT_EVALUATED = "(not evaluated)"


def check_drift(at: Server, slugs: Sequence[str]) -> Verdict:
    """Hold the members of each clinic against its rules; what is broken is segment to patients, by clinic."""
    found = {slug: _differing(at, slug) for slug in slugs}
    broken = {slug: segments for slug, segments in found.items() if segments}
    return Verdict(not broken, broken)


def _differing(at: Server, slug: str) -> dict[str, int]:
    with connect(Login.PIPELINE, at=at) as connection:
        # One snapshot: a run that commits between two looks would seem to be drift.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        try:
            with clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER):
                record_check(connection, "drift")
                clock = connection.execute("select as_of, at from segment_clock where as_of is not null").fetchone()
                return _count(connection, *clock) if clock else {}
        except (RuleError, psycopg.Error):  # the other clinics are looked at all the same
            return {NOT_EVALUATED: 1}


def _count(connection: psycopg.Connection, as_of: object, at: datetime | None) -> dict[str, int]:
    segments = active_segments(connection)
    program = compile_drift(segments)
    slugs = {segment.segment_id: segment.slug for segment in segments}
    cursor = psycopg.RawCursor(connection)
    rows = cursor.execute(program.statement, [as_of, at, Jsonb(program.parameters)]).fetchall()
    return {slugs[segment_id]: entering + leaving for segment_id, entering, leaving in rows}
