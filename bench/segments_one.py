"""One patient's twenty segments again, going round twenty clinics on one connection, as the live worker does."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median, quantiles
from uuid import UUID

import psycopg
from psycopg import sql

from bench.harness import Bench, Figure, at_most, benchmark
from bench.scale import AS_OF
from bench.segments_rules import TWENTY
from bench.segments_sets import INSTANT, evaluate, marts, put_segments
from infra.database import Server, clinic_transaction, connect, connect_admin, lock_clinic
from infra.roles import ClinicKind, Login, clinic_schema
from orchestration.programs import active_segments
from orchestration.reevaluate import keep_plans, reevaluate
from policies.segments.reconcile import Program, compile_program

CLINICS = 20
ROUNDS = 100
WARM = 3


@dataclass
class Times:
    """Milliseconds of the statement, and of the whole transaction with its role, lock and commit."""

    statement: list[float] = field(default_factory=list)
    transaction: list[float] = field(default_factory=list)


@benchmark("segments.one_patient")
def one_patient(bench: Bench) -> Iterator[Figure]:
    """Milliseconds as the client waits for the statement, p50 and p99; baseline: its whole transaction.

    Each time of another patient; every fourth enters segments. The plans are there already.
    """
    at, slugs = marts(bench, bench.scale), bench.scale.slugs[:CLINICS]
    put_segments(at, slugs, TWENTY)
    evaluate(at, slugs)
    found = _round_and_round(at, slugs)
    asked, whole = found.statement, found.transaction
    yield at_most("segments.one_patient_p50", median(asked), "ms", 2, baseline=median(whole))
    yield at_most("segments.one_patient_p99", _p99(asked), "ms", 5, baseline=_p99(whole))


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


def _round_and_round(at: Server, slugs: list[str]) -> Times:
    patients = {slug: _patients(at, slug) for slug in slugs}
    times = Times()
    with connect(Login.PIPELINE, at=at) as connection:
        keep_plans(connection)
        programs = {slug: _program(connection, at, slug) for slug in slugs}
        for turn in range(WARM + ROUNDS):
            for slug in slugs:
                _once(connection, at, slug, programs[slug], patients[slug][turn % len(patients[slug])], times)
            if turn < WARM:
                times = Times()
    return times


def _once(connection: psycopg.Connection, at: Server, slug: str, program: Program, patient: UUID, times: Times) -> None:
    began = time.perf_counter()
    with clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER):
        lock_clinic(connection, slug)
        asked = time.perf_counter()
        reevaluate(connection, slug, program, [patient], AS_OF, INSTANT)
        times.statement.append(1000 * (time.perf_counter() - asked))
    times.transaction.append(1000 * (time.perf_counter() - began))


def _program(connection: psycopg.Connection, at: Server, slug: str) -> Program:
    with clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER):
        return compile_program(active_segments(connection), given=True)


def _patients(at: Server, slug: str) -> list[UUID]:
    """Patients of a clinic in an order of chance; every fourth is in no segment yet."""
    schema = sql.Identifier(clinic_schema(slug))
    with connect_admin(at) as admin:
        query = sql.SQL("select patient_id from {}.raw_patients order by patient_id").format(schema)
        found = [row[0] for row in admin.execute(query)]
        chosen = random.Random(slug).sample(found, min(len(found), WARM + ROUNDS))
        outside = sql.SQL("delete from {}.segment_member where patient_id = any(%s)").format(schema)
        admin.execute(outside, [chosen[::4]])
    return chosen
