"""Evaluates every patient of a clinic: when a rule was saved, or more patients changed than a few units hold."""

from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from orchestration.clinics import ClinicDay
from orchestration.live.dead import Poisoned, is_poison
from orchestration.live.lane import Lane
from orchestration.live.queue import State, state
from orchestration.live.record import record, record_day
from orchestration.programs import evaluate, middle, note_broken, sound_segments, store_program
from policies.segments.reconcile import compile_noted, compile_program


def evaluate_all(lane: Lane, clinic: ClinicDay, *, wait: bool = False) -> bool:
    """Evaluate every patient, if that is due and nobody waits; false if it is to be tried again.

    Raises:
        Poisoned: the database refused something of a patient, it is not known whose; nothing has changed.
    """
    with lane.alone(clinic.slug, wait=wait) as got:
        if not got:
            return False
        # As in a build: of everybody, planning is the least of the cost.
        lane.connection.execute("set local plan_cache_mode = force_custom_plan")
        standing = state(lane.connection, clinic.slug)
        if not standing.unevaluated:
            return True
        # Of a patient who waits, an ingest may have brought one half.
        if lane.connection.execute("select exists (select from operational.outbox)").fetchone() == (True,):
            return False
        segments = sound_segments(lane.connection)
        note_broken(lane.connection, segments)
        between = middle(lane.connection)
        store_program(lane.connection, compile_program(segments, middle=between))
        program = compile_program(segments, flips=True, middle=between)
        try:
            evaluate(lane.connection, program, standing.as_of or clinic.as_of, standing.at)
        except psycopg.Error as error:
            if is_poison(error):
                raise Poisoned([], [], error) from None
            raise
        record(lane.connection, clinic.slug, None, {})
        _note_first_day(lane, clinic, standing)
        return True


def everybody(lane: Lane, clinic: ClinicDay) -> tuple[int, list[UUID]]:
    """The digest of the clinic's rules in force, and all whom they concern, to be evaluated part after part."""
    with lane.alone(clinic.slug, wait=True):
        rows = lane.connection.execute(
            "select patient_id from raw_patients union select patient_id from segment_member where left_at is null"
            " order by patient_id"
        )
        return state(lane.connection, clinic.slug).rules, [patient for (patient,) in rows]


def note_evaluated(lane: Lane, clinic: ClinicDay, rules: int) -> bool:
    """Note that everybody was evaluated by these rules, part after part; false if there are others by now."""
    with lane.alone(clinic.slug, wait=True):
        standing = state(lane.connection, clinic.slug)
        if standing.rules != rules:
            return False
        program = compile_noted(sound_segments(lane.connection))
        given = [standing.as_of or clinic.as_of, standing.at, Jsonb(program.parameters)]
        psycopg.RawCursor(lane.connection).execute(program.statement, given)
        _note_first_day(lane, clinic, standing)
        return True


def _note_first_day(lane: Lane, clinic: ClinicDay, standing: State) -> None:
    """Members who were evaluated for the first time stand for the day of that; others for the day that they had."""
    if standing.as_of is None:
        record_day(lane.connection, clinic.slug, clinic.as_of)
