"""Finds the segments that are to blame where the database refuses to evaluate a patient."""

from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from orchestration.clinics import ClinicDay
from orchestration.live.dead import is_poison
from orchestration.live.lane import Lane
from orchestration.live.queue import take
from orchestration.live.unit import copy_taken
from orchestration.programs import sound_segments
from policies.segments.compiler import ActiveSegment
from policies.segments.reconcile import compile_trial
from policies.segments.sound import to_blame

NOBODY = UUID(int=0)


def failing_for(lane: Lane, clinic: ClinicDay, patient: UUID) -> list[UUID]:
    """The segments that cannot be evaluated for a patient as they are copied first; for `NOBODY`, for anybody.

    None if it is something else of the patient's that is refused. Nothing is kept of what this tries.
    """
    connection = lane.connection
    with lane.alone(clinic.slug, wait=True), connection.transaction(force_rollback=True):
        # What fails whoever the patient is fails for nobody too: as its plan is made.
        connection.execute("set local plan_cache_mode = force_custom_plan")
        standing, taken = take(connection, clinic.slug, [patient])
        try:
            copy_taken(lane, clinic, taken)
        except psycopg.Error as error:
            if is_poison(error):
                return []
            raise

        def fails(segments: list[ActiveSegment]) -> bool:
            program = compile_trial(segments)
            given = [standing.as_of or clinic.as_of, standing.at, Jsonb(program.parameters), [patient]]
            try:
                with connection.transaction():
                    psycopg.RawCursor(connection).execute(program.statement, given).fetchone()
            except psycopg.Error as error:
                if is_poison(error):
                    return True
                raise
            return False

        return [segment.segment_id for segment in to_blame(sound_segments(connection), fails)]
