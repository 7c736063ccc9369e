"""A log of many events, straight into the audit zone of a database of its own.

Written by the administrator with triggers off, since only a benchmark may do that. A database that
already holds as many is left as it is.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from bench.scale_data import drop, in_database
from infra.database import Server, connect_admin
from infra.provisioner import Clinic, add_clinics, set_up

CLINICS, ACTORS, PATIENTS = 20, 2_000, 200_000
EVENTS = {"small": 20_000, "medium": 1_000_000, "full": 10_000_000}
SPAN = "360 days"
CHUNK = 250_000
# Two write at a time.
WRITERS = 2
# Bump it when the generator changes.
GENERATOR = 2

# Of 20 events one lists 20 patients, one is denied; the others are of one patient each. Ids are as time-ordered as
# those that the service makes.
_NUMBERED = """
select
    n, occurred_at,
    (lpad(to_hex((extract(epoch from occurred_at) * 1000)::bigint), 12, '0') || substr(md5(n::text), 13))::uuid
        as event_id,
    n %% 20 = 1 as denied, case n %% 20 when 0 then 20 when 1 then 0 else 1 end as patients,
    (%(clinics)s::integer[])[1 + abs(hashint8(n)) %% cardinality(%(clinics)s::integer[])] as clinic_id
from generate_series(%(low)s::bigint, %(high)s::bigint) as n
cross join lateral (
    select %(end)s::timestamptz - (%(total)s - n) * (%(span)s::interval / %(total)s::float8) as occurred_at
) as t"""
# One statement for both, so that nothing is worked out twice.
_WRITE = f"""
with e as materialized ({_NUMBERED}),
written as (
    insert into audit.access_event (
        event_id, occurred_at, principal_id, principal_kind, role, organisation, action, resource_type, clinic_id,
        purpose, decision, policies, policy_version, categories, request_id, session_id, origin, patients
    )
    select
        e.event_id, e.occurred_at, md5('actor' || abs(hashint8(e.n + 1)) %% {ACTORS})::uuid, 'human', 'specialist',
        'clinic', (array['profile.read', 'record.read', 'appointment.list', 'member.list'])[1 + e.n %% 4], 'patient',
        e.clinic_id, 'care', case when e.denied then 'deny' else 'permit' end,
        array['specialist-reads-own-patients'], '0123456789abcdef', array['identifier', 'name', 'profile'],
        gen_random_uuid(), 'token:' || md5('session' || e.n / 100), '10.0.0.1', e.patients
    from e
)
insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
select
    e.event_id, e.occurred_at, e.clinic_id,
    md5('patient' || e.clinic_id || '.' || abs(hashint8(e.n * 20 + d)) %% {PATIENTS // CLINICS})::uuid
from e cross join lateral generate_series(1, e.patients) as d"""  # nosec B608: constants


Statement = tuple[str, dict[str, Any]]


def ensure(scale: str, at: Server) -> Server:
    """The database with that many events, made if it is not there; a half-made one is made again."""
    total = EVENTS[scale]
    target = in_database(at, f"audit_{total}")
    label = f"{total} events, generator {GENERATOR}"
    if _label(at, target.admin["dbname"]) != label:
        drop(at, target.admin["dbname"])
        set_up(target)
        add_clinics(target, [Clinic(f"audit_{n:02}", f"Audit {n}") for n in range(CLINICS)], requested_by="bench")
        _fill(target, total)
        with connect_admin(target) as admin:
            admin.autocommit = True
            admin.execute("vacuum analyze audit.access_event, audit.disclosure")
            admin.execute(
                sql.SQL("comment on database {} is {}").format(
                    sql.Identifier(target.admin["dbname"]), sql.Literal(label)
                )
            )
    else:
        set_up(target)
    return target


def _fill(at: Server, total: int) -> None:
    values: dict[str, Any] = {"end": datetime.now(UTC), "total": total, "span": SPAN}
    with connect_admin(at) as admin:
        values["clinics"] = [row[0] for row in admin.execute("select clinic_id from operational.clinic order by 1")]
        _ensure_months(admin, values)
        indexes = _drop_indexes(admin)
    parts = [
        [(_WRITE, {**values, "low": low, "high": min(low + CHUNK - 1, total)})] for low in range(1, total + 1, CHUNK)
    ]
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(partial(_run, at), parts))
        # Those of one table one after the other: partitions' indexes are named by their columns, and names would clash.
        list(writers.map(partial(_run, at), indexes))


def _run(at: Server, statements: list[Statement]) -> None:
    with connect_admin(at) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute("set synchronous_commit = off")
        for statement in statements:
            admin.execute(*statement)


def _ensure_months(admin: psycopg.Connection, values: dict[str, Any]) -> None:
    admin.execute(
        "select audit.ensure_month(month::date)"
        " from generate_series(date_trunc('month', %(end)s - %(span)s::interval), %(end)s, '1 month') as month",
        values,
    )


def _drop_indexes(admin: psycopg.Connection) -> list[list[Statement]]:
    """Drop what is written faster once the rows are there; of each table the statements that make it again."""
    found = admin.execute(
        "select i.indrelid, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) from pg_index as i"
        " inner join pg_class as c on c.oid = i.indexrelid where c.relkind = 'I' and not i.indisunique"
        " and i.indrelid in ('audit.access_event'::regclass, 'audit.disclosure'::regclass)"
    ).fetchall()
    made: dict[int, list[Statement]] = {}
    for table, name, statement in found:
        admin.execute(f"drop index {name}")
        # Of the parent alone, as it is written down; wanted is one of each partition.
        made.setdefault(table, []).append((statement.replace(" ON ONLY ", " ON "), {}))
    return list(made.values())


def _label(at: Server, name: str) -> str | None:
    with connect_admin(at, dbname="postgres") as admin:
        row = admin.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", [name]
        ).fetchone()
    return row[0] if row else None
