"""The statement that brings the members of all segments of one clinic up to date.

Its parameters: `$1` the as-of date, `$2` the instant of the run, `$3` a jsonb array with every constant of the
rules. It runs with `search_path` set to the clinic's schema and returns one row: entered, left.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from policies.segments.compiler import ActiveSegment, Verdicts, compile_verdicts

RECONCILE_VERSION = 1


@dataclass(frozen=True)
class Program:
    """A clinic's compiled segments; equal fingerprints mean equal statements and parameters."""

    statement: str
    parameters: list[Any]
    fingerprint: str


def compile_program(segments: list[ActiveSegment]) -> Program:
    """Compile a clinic's active segments into one statement that brings their members up to date.

    Raises:
        RuleError: the segments together ask for more measures than a row of PostgreSQL has columns.
    """
    verdicts = compile_verdicts(segments)
    text = _reconcile(verdicts)
    digest = hashlib.sha256(json.dumps([RECONCILE_VERSION, text, verdicts.parameters]).encode()).hexdigest()
    return Program(text, verdicts.parameters, digest)


def _reconcile(verdicts: Verdicts) -> str:
    """Data-modifying CTEs and no MERGE: that form gives its changes back and also runs on Citus."""
    return f"""with {verdicts.passes}held as materialized (
    select raw_patients.patient_id, verdict.segment_id, verdict.version
    from {verdicts.source}
    where verdict.holds
),
entered as (
    insert into segment_member (segment_id, patient_id, entered_at, version, entered_by)
    select held.segment_id, held.patient_id, $2, held.version, 'data'
    from held
    where not exists (
        select from segment_member as known
        where known.segment_id = held.segment_id and known.patient_id = held.patient_id
            and known.left_at is null
    )
    returning segment_id
),
gone as (
    update segment_member as known set left_at = greatest($2, known.entered_at), left_by = 'data'
    where known.left_at is null and not exists (
        select from held
        where held.segment_id = known.segment_id and held.patient_id = known.patient_id
    )
    returning known.segment_id
)
select (select count(*) from entered) as entered, (select count(*) from gone) as left
"""  # nosec B608: names from the catalogue only
