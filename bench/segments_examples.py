"""The mission's three example segments in one clinic, beside hand-written SQL and beside OHDSI's Circe."""

import json
import subprocess  # nosec B404: our own interpreter, fixed arguments
import sys
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql

from bench.harness import Bench, Figure, Skipped, Timer, against, benchmark
from bench.scale import AS_OF, Scale
from bench.segments_omop import COHORTS, EXPLAINED, RATE, RATES, expressions
from bench.segments_rules import mission
from bench.segments_sets import INSTANT, empty, marts, members, put_segments, timed
from infra.database import Server, clinic_transaction, connect, connect_admin, lock_clinic
from infra.roles import ClinicKind, Login, clinic_schema

ROUNDS = 3
# In an environment of its own: it brings DuckDB and ibis with it.
CIRCE = "ohdsi-circepy==0.3.0"
FILLING = Path(__file__).parent / "segments_omop.sql"
Found = set[tuple[str, bytes]]

BY_HAND = {
    "over-65-low-adherence": """
        select p.patient_id from raw_patients as p
        inner join (
            select patient_id, sum(done)::float8 / nullif(sum(prescribed), 0) as rate from raw_adherence
            where day > $1 - 30 and day <= $1 group by patient_id
        ) as a using (patient_id)
        where p.birth_date <= $1 - interval '66 years' and a.rate < 0.5""",
    "new-without-intake": """
        select p.patient_id from raw_patients as p
        where p.registered_on between $1 - 30 and $1 and not exists (
            select from raw_forms as f
            where f.patient_id = p.patient_id and f.template = 'intake' and f.status = 'completed'
                and f.completed_on <= $1
        )""",
    "high-pain-not-seen": """
        select l.patient_id from (
            select distinct on (patient_id) patient_id, number from raw_answers
            where template = 'pain' and question = 'score' and number is not null and answered_on <= $1
            order by patient_id, answered_at desc, answer_id desc
        ) as l
        where l.number >= 7 and not exists (
            select from raw_appointments as a
            where a.patient_id = l.patient_id and a.status = 'fulfilled'
                and a.starts_on > $1 - interval '3 months' and a.starts_on <= $1
        )""",
}
INSERT = """
insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)
select s.segment_id, found.patient_id, $2, 1, s.version, 'data', false from ({}) as found
cross join segment as s where s.slug = $3"""


@benchmark("segments.hand_written")
def hand_written(bench: Bench) -> Iterator[Figure]:
    """Seconds of the three segments, compiled together, against three hand-written statements.

    Both write members into the same empty table.

    Raises:
        AssertionError: the two find other members.
    """
    at, slug = _clinic(bench)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(timed(at, [slug]))
        compiled = members(at, slug)
        theirs.append(_by_hand(at, slug))
    if compiled != (found := members(at, slug)):
        raise AssertionError(f"{len(compiled)} members compiled, {len(found)} by hand")
    yield against("segments.hand_written", median(ours), median(theirs), 1 / 1.5)


@benchmark("segments.circe")
def circe(bench: Bench) -> Iterator[Figure]:
    """Seconds of the three segments against Circe's three cohorts; filling the OMOP tables is not counted.

    The share of exercises done is: Circe cannot form one, and of each day it is another.

    Raises:
        AssertionError: a difference in members that neither ages nor two answers of one day explain.
    """
    at, slug = _clinic(bench)
    statements = _circe_statements(bench)
    _fill(at, slug)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(timed(at, [slug]))
        theirs.append(_cohorts(at, slug, statements))
    _explain(at, slug, members(at, slug))
    yield against("segments.circe", median(ours), median(theirs), 5)


def _clinic(bench: Bench) -> tuple[Server, str]:
    """One clinic with a fifth of the scale's patients: 100,000 in the full scale."""
    scale: Scale = replace(bench.scale, clinics=1, **_fifth(bench.scale))
    at, slug = marts(bench, scale), scale.slugs[0]
    put_segments(at, [slug], mission())
    return at, slug


def _fifth(scale: Scale) -> dict[str, int]:
    return {name: getattr(scale, name) // 5 for name in ("patients", "appointments", "answers", "adherence")}


def _by_hand(at: Server, slug: str) -> float:
    empty(at, [slug])
    with (
        (timer := Timer()).running(),
        connect(Login.PIPELINE, at=at) as connection,
        clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER),
    ):
        lock_clinic(connection, slug)
        for segment, query in BY_HAND.items():
            psycopg.RawCursor(connection).execute(INSERT.format(query), [AS_OF, INSTANT, segment])
    return timer.seconds


def _circe_statements(bench: Bench) -> dict[str, list[str]]:
    """What Circe generates for each cohort.

    Raises:
        Skipped: it cannot be installed here.
    """
    folder = bench.folder / "circe"
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", CIRCE], check=True, capture_output=True)  # nosec B603
        program = [python, Path(__file__).with_name("circe_sql.py"), "bench_omop"]
        done = subprocess.run(  # nosec B603
            program, input=json.dumps(expressions()), capture_output=True, text=True, check=True, timeout=60
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise Skipped(f"{CIRCE} does not run: {type(error).__name__}") from None
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def _fill(at: Server, slug: str) -> None:
    with connect_admin(at) as admin:
        admin.execute(sql.SQL("set search_path = {}").format(sql.Identifier(clinic_schema(slug))))
        admin.execute(FILLING.read_text().replace("AS_OF", f"date '{AS_OF}'"))
        admin.execute("vacuum analyze")


def _cohorts(at: Server, slug: str, statements: dict[str, list[str]]) -> float:
    with connect_admin(at) as admin:
        admin.execute(sql.SQL("set search_path = {}").format(sql.Identifier(clinic_schema(slug))))
        admin.execute("truncate bench_omop.cohort")
        admin.execute("delete from bench_omop.measurement where measurement_concept_id = %s", [RATE])
        admin.execute("vacuum analyze bench_omop.measurement")
        # With nested loops, one of the statements had not ended after ten minutes for 10,000 patients.
        admin.execute("set enable_nestloop = off")
        with (timer := Timer()).running():
            admin.execute(RATES, {"rate": RATE, "as_of": AS_OF})
            for cohort in statements.values():
                for statement in cohort:
                    admin.execute(statement)
    return timer.seconds


def _explain(at: Server, slug: str, ours: Found) -> None:
    with connect_admin(at) as admin:
        found = admin.execute(
            "select cohort_definition_id::text, person_source_value from bench_omop.cohort"
            " inner join bench_omop.person on person_id = subject_id"
        )
        theirs = {(COHORTS[cohort], patient.bytes) for cohort, patient in found}
        query = sql.SQL(EXPLAINED).format(schema=sql.Identifier(clinic_schema(slug)))
        explained = {row[0].bytes for row in admin.execute(query, {"as_of": AS_OF})}
    differing = ours ^ theirs
    print(f"{len(ours)} members, {len(theirs)} of Circe's, {len(differing)} differ", file=sys.stderr)
    if unexplained := sum(patient not in explained for _, patient in differing):
        raise AssertionError(f"{unexplained} differences in members are not explained")
