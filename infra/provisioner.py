"""The provisioner: makes roles, schemas, clinics, partitions and grants. Nothing else may.

It connects as its own login, which alone may switch to the owner of the tables; each clinic comes
in by a request row and leaves an audit event.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import uuid4

import psycopg
from psycopg import sql

from infra.audit import record_process
from infra.clinic_forms import ensure_standard_forms
from infra.database import Server, connect, connect_admin
from infra.errors import DatabaseUnavailable, InvalidInput
from infra.migrations.runner import MIGRATION_LOCK, migrate
from infra.places import COUNTRIES, time_zones
from infra.role_setup import ensure_clinic_roles, ensure_roles
from infra.roles import STRUCTURE_SCHEMA, ClinicKind, Group, Login, check_slug, clinic_schema
from policies.words import ProcessAction

OLDEST_SERVER = 170_000
PARTITION_MONTHS_AHEAD = 3


@dataclass(frozen=True)
class Clinic:
    """A tenant, as operators name it."""

    slug: str
    name: str
    time_zone: str = "UTC"
    country: str = "ZZ"


def set_up(at: Server) -> list[str]:
    """Make or update everything that belongs to the platform; return the revisions that ran.

    Idempotent, and safe when two run at once.

    Raises:
        DatabaseUnavailable: no server, or one older than PostgreSQL 17.
    """
    _ensure_database(at)
    with connect_admin(at) as admin:
        if admin.info.server_version < OLDEST_SERVER:
            raise DatabaseUnavailable(f"PostgreSQL {admin.info.server_version // 10_000} is too old", hint="use 17+")
        with _locked(admin):
            ensure_roles(admin, at)
    with provisioning(at) as connection:
        names = at.roles.platform()
        _revision_schema(connection)
        ran = migrate(connection, "platform", "migration", names)
        ensure_partitions(connection)
        for slug in _clinics(connection):
            # A release may bring a role of each clinic, or a login that becomes one.
            ensure_clinic_roles(connection, at, _clinic_identifiers(at, slug))
            ran += _migrate_clinic(connection, clinic_schema(slug), _clinic_identifiers(at, slug))
        ensure_standard_forms(connection)
        ran += _ensure_structure(connection, at)
        return ran


def add_clinics(at: Server, clinics: list[Clinic], *, requested_by: str) -> list[str]:
    """Make the clinics that are not there yet; return the slugs of the new ones.

    Raises:
        InvalidInput: a slug, a time zone or a country that is none.
    """
    for clinic in clinics:
        _check(clinic)
    with connect(Login.IMPORTER, at=at) as asking:
        known = {row[0] for row in asking.execute("select slug from operational.clinic")}
        fresh = [clinic for clinic in clinics if clinic.slug not in known]
        for clinic in fresh:
            _request(asking, clinic, requested_by)
    with provisioning(at) as connection:
        return [clinic.slug for clinic in fresh if _provision(connection, at, clinic)]


def ensure_partitions(connection: psycopg.Connection, today: date | None = None) -> None:
    """Make the audit zone's partitions of this month and the months ahead."""
    first = (today or datetime.now(UTC).date()).replace(day=1)
    for ahead in range(PARTITION_MONTHS_AHEAD + 1):
        month = (first.month - 1 + ahead) % 12 + 1
        year = first.year + (first.month - 1 + ahead) // 12
        connection.execute("select audit.ensure_month(%s)", [date(year, month, 1)])


def make_months_ahead(at: Server) -> None:
    """Make the partitions that the audit zone lacks, in a service that runs on from month to month."""
    with provisioning(at) as connection:
        ensure_partitions(connection)


def _check(clinic: Clinic) -> None:
    check_slug(clinic.slug)
    if clinic.time_zone not in time_zones():
        raise InvalidInput(f"'{clinic.time_zone[:60]}' is no time zone", place="time_zone")
    if clinic.country not in COUNTRIES:
        raise InvalidInput(f"'{clinic.country[:60]}' is no country", place="country", hint="ISO 3166, such as BR")
    if not clinic.name.strip():
        raise InvalidInput("a clinic needs a name", place="name")


def _request(asking: psycopg.Connection, clinic: Clinic, requested_by: str) -> None:
    asking.execute(
        "insert into operational.provision_request (request_id, slug, name, time_zone, country, requested_by)"
        " values (%s, %s, %s, %s, %s, %s)",
        [uuid4(), clinic.slug, clinic.name, clinic.time_zone, clinic.country, requested_by],
    )


@contextmanager
def _locked(connection: psycopg.Connection) -> Iterator[None]:
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [MIGRATION_LOCK])
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", [MIGRATION_LOCK])


@contextmanager
def provisioning(at: Server) -> Iterator[psycopg.Connection]:
    """The provisioner's connection, as the owner, one at a time."""
    with connect(Login.PROVISIONER, at=at, autocommit=True) as connection, _locked(connection):
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(at.roles.of(Group.OWNER))))
        yield connection


def _ensure_database(at: Server) -> None:
    name = at.admin.get("dbname", "postgres")
    with connect_admin(at, dbname="postgres" if name != "postgres" else name) as admin:
        if not admin.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            # Another process was quicker, by much or by little.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _revision_schema(connection: psycopg.Connection) -> None:
    if not connection.execute("select to_regnamespace('migration')").fetchone()[0]:  # type: ignore[index]
        connection.execute("create schema migration")


def _clinics(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in connection.execute("select slug from operational.clinic order by slug").fetchall()]


def _clinic_identifiers(at: Server, slug: str) -> dict[str, str]:
    return {**at.roles.platform(), **{kind.value: at.roles.clinic(slug, kind) for kind in ClinicKind}}


def _provision(connection: psycopg.Connection, at: Server, clinic: Clinic) -> bool:
    if connection.execute("select 1 from operational.clinic where slug = %s", [clinic.slug]).fetchone():
        return False  # another process was quicker
    identifiers = _clinic_identifiers(at, clinic.slug)
    schema = clinic_schema(clinic.slug)
    ensure_clinic_roles(connection, at, identifiers)
    if not connection.execute("select to_regnamespace(%s)", [schema]).fetchone()[0]:  # type: ignore[index]
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
    connection.execute(
        sql.SQL("grant usage on schema {} to {}, {}").format(
            sql.Identifier(schema),
            sql.Identifier(identifiers["builder"]),
            sql.Identifier(identifiers["reader"]),
        )
    )
    _migrate_clinic(connection, schema, identifiers)
    with connection.transaction():
        _register(connection, clinic, identifiers)
    return True


def _migrate_clinic(connection: psycopg.Connection, schema: str, identifiers: dict[str, str]) -> list[str]:
    connection.execute(sql.SQL("set search_path = {}").format(sql.Identifier(schema)))
    try:
        return migrate(connection, "clinic", schema, identifiers)
    finally:
        connection.execute("reset search_path")


def _register(connection: psycopg.Connection, clinic: Clinic, identifiers: dict[str, str]) -> None:
    row = connection.execute(
        "insert into operational.clinic (slug, name, time_zone, country) values (%s, %s, %s, %s) returning clinic_id",
        [clinic.slug, clinic.name, clinic.time_zone, clinic.country],
    ).fetchone()
    clinic_id = row[0] if row else None
    connection.execute(
        "insert into operational.clinic_role (role_name, clinic_id, kind) select role, %s, kind"
        " from unnest(%s::text[], %s::text[]) as t (role, kind)",
        [clinic_id, [identifiers[kind] for kind in ClinicKind], list(ClinicKind)],
    )
    ensure_standard_forms(connection)
    connection.execute(
        "update operational.provision_request set done_at = statement_timestamp() where slug = %s and done_at is null",
        [clinic.slug],
    )
    record_process(
        connection,
        role="provisioner",
        action=ProcessAction.CLINIC_ADD,
        resource_type="clinic",
        resource_id=clinic.slug,
        clinic_id=clinic_id,
    )


def _ensure_structure(connection: psycopg.Connection, at: Server) -> list[str]:
    """The structure-only schema that dbt's unit tests read column types from."""
    schema = sql.Identifier(STRUCTURE_SCHEMA)
    pipeline = sql.Identifier(at.roles.of(Login.PIPELINE))
    if not connection.execute("select to_regnamespace(%s)", [STRUCTURE_SCHEMA]).fetchone()[0]:  # type: ignore[index]
        connection.execute(sql.SQL("create schema {}").format(schema))
    identifiers: dict[str, str] = {**at.roles.platform(), **dict.fromkeys(ClinicKind, at.roles.of(Login.PIPELINE))}
    ran = _migrate_clinic(connection, STRUCTURE_SCHEMA, identifiers)
    connection.execute(sql.SQL("grant usage on schema {} to {}").format(schema, pipeline))
    connection.execute(
        sql.SQL("revoke insert, update, delete on all tables in schema {} from {}").format(schema, pipeline)
    )
    return ran


def resolve_clinic(connection: psycopg.Connection, slug: str) -> tuple[int, str]:
    """Id and time zone of a clinic.

    Raises:
        InvalidInput: there is no such clinic.
    """
    row = connection.execute(
        "select clinic_id, time_zone from operational.clinic where slug = %s", [check_slug(slug)]
    ).fetchone()
    if row is None:
        raise InvalidInput(f"there is no clinic '{slug}'", place="clinic", hint="`cloister clinic add`")
    return row[0], row[1]
