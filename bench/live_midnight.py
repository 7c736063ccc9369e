"""Midnights of every clinic: who could change is noted and evaluated, against evaluating everybody for that day."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import psycopg

from bench.harness import Bench, Figure, Timer, against, at_most, benchmark
from bench.ingest import in_parallel
from bench.scale import AS_OF
from bench.segments_rules import TWENTY
from bench.segments_sets import INSTANT, evaluate, marts, put_segments
from infra.database import Server, clinic_transaction, connect, lock_clinic
from infra.roles import ClinicKind, Login
from orchestration.live.midnight import pass_midnight
from orchestration.programs import active_segments
from orchestration.reevaluate import PATIENTS_A_STATEMENT, keep_plans, reevaluate
from policies.segments.reconcile import compile_program

DAYS = 3


@benchmark("live.midnight")
def midnight(bench: Bench) -> Iterator[Figure]:
    """Seconds of a midnight in every clinic, two at a time, and how many are evaluated for each change of a membership.

    Raises:
        AssertionError: a full evaluation for the same day finds more changes.
    """
    at, slugs = marts(bench, bench.scale), bench.scale.slugs
    put_segments(at, slugs, TWENTY)
    evaluate(at, slugs, flips=True)
    ours, theirs, evaluated, changes = Timer(), Timer(), 0, 0
    for ahead in range(1, DAYS + 1):
        day = AS_OF + timedelta(days=ahead)
        with ours.running():
            for patients, changed in in_parallel(lambda part, day=day: _pass(at, part, day), slugs):
                evaluated, changes = evaluated + patients, changes + changed
        with theirs.running():
            missed = evaluate(at, slugs, day)
        if missed:
            raise AssertionError(f"{missed} memberships changed before their flip day")
    yield against("live.midnight", ours.seconds / DAYS, theirs.seconds / DAYS, 1)
    yield at_most("live.midnight_evaluated_by_changes", evaluated / max(changes, 1), "x", 10)


def _pass(at: Server, slugs: list[str], day: date) -> tuple[int, int]:
    """How many patients were evaluated in these clinics, and how many memberships changed."""
    with connect(Login.PIPELINE, at=at) as connection:
        keep_plans(connection)
        found = [_pass_one(connection, at, slug, day) for slug in slugs]
    return sum(patients for patients, _ in found), sum(changed for _, changed in found)


def _pass_one(connection: psycopg.Connection, at: Server, slug: str, day: date) -> tuple[int, int]:
    with clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER):
        lock_clinic(connection, slug)
        pass_midnight(connection, slug, datetime.combine(day, time(12), UTC))
        program = compile_program(active_segments(connection), given=True)
        due = [row[0] for row in connection.execute("select patient_id from changed_patient order by patient_id")]
        changed = 0
        for start in range(0, len(due), PATIENTS_A_STATEMENT):
            done = reevaluate(connection, slug, program, due[start : start + PATIENTS_A_STATEMENT], day, INSTANT)
            changed += done.entered + done.left
    return len(due), changed
