"""A patient's export of a clinic: as they ask for it, until the signed file is there."""

import time
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from statistics import median
from uuid import UUID, uuid4

import httpx
import psycopg

from bench.access_reads import Ward, serving
from bench.harness import Bench, Figure, at_most, benchmark
from infra.database import connect_admin

APPOINTMENTS, FORMS, ANSWERS, DAYS = 400, 100, 200, 300  # a thousand records
ROUNDS = 15
# Every row of the same patient, as the database writes JSON, on a connection of its own and past every wall.
_BARE = """
select to_jsonb(x)::text from (
    select 'a' as kind, to_jsonb(t) as row from operational.appointment as t where patient_id = %(patient)s
    union all select 'f', to_jsonb(t) from operational.form as t where patient_id = %(patient)s
    union all select 'w', to_jsonb(t) from operational.form_answer as t where patient_id = %(patient)s
    union all select 'd', to_jsonb(t) from operational.adherence as t where patient_id = %(patient)s
) as x"""


@benchmark("exchange.export_1000")
def export(bench: Bench) -> Iterator[Figure]:
    """Milliseconds of an export of 1,000 records; baseline: the same rows as bare JSON, packed, in turns with it."""
    found, patient = _ward(bench)
    with serving(found) as port, httpx.Client(timeout=60) as client, connect_admin(found.at) as admin:
        rounds = [
            (_milliseconds(lambda: _ask(client, port, found)), _milliseconds(lambda: _bare(admin, patient)))
            for _ in range(ROUNDS + 3)
        ][3:]  # the first ones warm up
    ours, bare = (median(column) for column in zip(*rounds, strict=True))
    yield at_most("exchange.export_1000_ms", ours, "ms", 300, baseline=bare)


def _ask(client: httpx.Client, port: int, found: Ward) -> None:
    headers = {"Authorization": f"Bearer {found.token}"}
    path = f"http://127.0.0.1:{port}/v1/me/exports"
    answer = client.post(path, headers=headers, json={"clinic": found.clinic})
    if answer.status_code != 200 or len(answer.content) < 10_000:
        raise AssertionError(f"answered {answer.status_code}, {len(answer.content)} bytes")


def _bare(admin: psycopg.Connection, patient: UUID) -> None:
    rows = admin.execute(_BARE, {"patient": patient}).fetchall()
    if len(rows) < APPOINTMENTS + FORMS + ANSWERS + DAYS:
        raise AssertionError(f"{len(rows)} rows")
    with zipfile.ZipFile(BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.ndjson", "\n".join(row for (row,) in rows))


def _milliseconds(once: Callable[[], None]) -> float:
    began = time.perf_counter()
    once()
    return (time.perf_counter() - began) * 1000


def _ward(bench: Bench) -> tuple[Ward, UUID]:
    """A patient of the first clinic with so many records, and a token of theirs."""
    # Late: the other benchmarks need no API.
    from api.identity.issuer import open_issuer

    at, clinic = bench.data(), bench.scale.slugs[0]
    patient, account = uuid4(), uuid4()
    with connect_admin(at) as admin:
        # Without triggers, as the whole set was written: nothing waits for the live worker.
        admin.execute("set session_replication_role = replica")
        clinic_id = _patient(admin, clinic, patient, account)
        for statement in _RECORDS:
            admin.execute(statement, {"clinic": clinic_id, "patient": patient, "plan": uuid4()})  # type: ignore[call-overload]
        admin.execute("analyze operational.appointment, operational.form, operational.form_answer")
    return Ward(at, clinic, clinic_id, [], [], [], open_issuer(at).issue(account)), patient


def _patient(admin: psycopg.Connection, clinic: str, patient: UUID, account: UUID) -> int:
    row = admin.execute("select clinic_id from operational.clinic where slug = %s", [clinic]).fetchone()
    clinic_id, person = int(row[0]) if row else 0, uuid4()
    admin.execute("insert into operational.person (person_id, name) values (%s, 'Somebody')", [person])
    admin.execute(
        "insert into operational.profile (person_id, birth_date, sex, allergies, chronic_conditions, blood_type)"
        " values (%s, '1960-01-01', 'female', '{pollen,latex}', '{asthma,gout}', 'A+')",
        [person],
    )
    admin.execute(
        "insert into operational.registration (clinic_id, patient_id, person_id, registered_on)"
        " values (%s, %s, %s, '2020-01-01')",
        [clinic_id, patient, person],
    )
    admin.execute(
        "insert into operational.principal (principal_id, kind, login, display_name, person_id)"
        " values (%s, 'human', %s, 'Somebody', %s)",
        [account, str(account), person],
    )
    admin.execute("insert into operational.principal_role (principal_id, role) values (%s, 'patient')", [account])
    return clinic_id


_RECORDS = (
    f"""
insert into operational.appointment
    (clinic_id, patient_id, service, specialist, status, booked_on, starts_on, starts_at)
select %(clinic)s, %(patient)s, 'physiotherapy', 'Dr. Bench', 'fulfilled', d, d, d + interval '9 hours'
from generate_series(date '2020-01-01', date '2020-01-01' + {APPOINTMENTS - 1}, interval '1 day') as d""",
    f"""
with made as (
    insert into operational.form (clinic_id, patient_id, template, status, assigned_on, completed_at)
    select %(clinic)s, %(patient)s, 'pain', 'completed', d, d
    from generate_series(date '2020-01-01', date '2020-01-01' + {FORMS - 1}, interval '1 day') as d
    returning *
)
insert into operational.form_answer (clinic_id, patient_id, form_id, template, question, answered_at, number)
select clinic_id, patient_id, form_id, template, 'q' || n, completed_at, n
from made cross join generate_series(1, {ANSWERS // FORMS}) as n""",
    f"""
with made as (
    insert into operational.treatment_plan (clinic_id, patient_id, plan_id, title, starts_on)
    values (%(clinic)s, %(patient)s, %(plan)s, 'Stretching', '2020-01-01') returning *
)
insert into operational.adherence (clinic_id, plan_id, patient_id, day, prescribed, done)
select clinic_id, plan_id, patient_id, d, 3, 2
from made cross join generate_series(date '2020-01-01', date '2020-01-01' + {DAYS - 1}, interval '1 day') as d""",
)
