"""Makes the scale set: many clinics' rows, straight into the operational zone of an instance of its own.

Written by the administrator with triggers and foreign keys off, since only a benchmark may do that;
the outbox stays empty. A database that already holds the same set is left as it is.

Usage: python -m bench.scale_data [--scale full] [--clinics N --patients N …]
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from adbc_driver_postgresql import dbapi
from psycopg import sql
from rich.progress import track

from bench.scale import SCALES, Scale
from bench.scale_frames import CONSENT_TEXT, ClinicFrames
from infra.database import Server, connect_admin
from infra.encryption.keyring import FileKeyring
from infra.encryption.provider import KEYRING
from infra.postgres.embedded import Embedded
from infra.provisioner import Clinic, add_clinics, set_up
from infra.settings import Settings

HOME = Path(__file__).parent.parent / "build" / "bench"


def instance(home: Path = HOME) -> Server:
    """The benchmarks' own server, started if need be; never the one that `DATABASE_URL` names."""
    home.mkdir(parents=True, exist_ok=True)
    Embedded(home).up()
    at = Server.of(Settings(home=home, database_url=None))
    FileKeyring.create(at.secrets_folder / KEYRING)
    return at


def in_database(at: Server, name: str) -> Server:
    """The same server with another database."""
    return replace(at, admin={**at.admin, "dbname": name})


def ensure(scale: Scale, at: Server) -> Server:
    """The database with that scale's rows, made if it is not there; a half-made one is made again."""
    target = in_database(at, scale.database)
    if _label(at, scale.database) != scale.label:
        drop(at, scale.database)
        set_up(target)
        zones = ("UTC", "Europe/Berlin", "America/Sao_Paulo")
        clinics = [Clinic(slug, slug, zones[index % 3]) for index, slug in enumerate(scale.slugs)]
        add_clinics(target, clinics, requested_by="bench")
        _fill(scale, target)
        _set_label(target, scale)
    else:
        set_up(target)  # whatever has been migrated since it was made
    return target


def drop(at: Server, name: str) -> None:
    """Drop a database of the benchmarks."""
    with connect_admin(at, dbname="postgres") as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@contextmanager
def arrow(at: Server) -> Iterator[dbapi.Connection]:
    """An ADBC connection of the administrator."""
    with dbapi.connect("postgresql://?" + urlencode(at.admin, quote_via=quote)) as connection:
        yield connection


def _fill(scale: Scale, at: Server) -> None:
    with connect_admin(at) as admin:
        clinics = admin.execute("select clinic_id, slug from operational.clinic order by slug").fetchall()
        admin.cursor().executemany(
            "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256)"
            " values (%s, 'profile_sharing', %s, %s, %s)",
            [(clinic, CONSENT_TEXT, CONSENT_TEXT, _sha256(CONSENT_TEXT)) for clinic, _ in clinics],
        )
        with arrow(at) as connection, connection.cursor() as cursor:
            cursor.execute("set session_replication_role = replica")
            cursor.execute("set synchronous_commit = off")
            for number, (clinic_id, _) in enumerate(track(clinics, "Filling clinics"), start=1):
                _load(cursor, ClinicFrames(scale, number).tables(clinic_id))
                connection.commit()
        admin.execute("vacuum analyze")


def _load(cursor: Any, tables: dict[str, Any]) -> None:
    for name, rows in tables.items():
        cursor.adbc_ingest(name, rows, mode="append", db_schema_name="operational")


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _label(at: Server, database: str) -> str | None:
    with connect_admin(at, dbname="postgres") as admin:
        row = admin.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", [database]
        ).fetchone()
    return row[0] if row else None


def _set_label(at: Server, scale: Scale) -> None:
    with connect_admin(at) as admin:
        admin.execute(
            sql.SQL("comment on database {} is {}").format(sql.Identifier(scale.database), sql.Literal(scale.label))
        )


def main(
    scale: Annotated[str, typer.Option(help="small, medium or full.")] = "full",
    clinics: Annotated[int | None, typer.Option(help="Clinics, instead of the scale's.")] = None,
    patients: Annotated[int | None, typer.Option(help="Patients over all clinics.")] = None,
    appointments: Annotated[int | None, typer.Option(help="Appointments over all clinics.")] = None,
    answers: Annotated[int | None, typer.Option(help="Answers over all clinics.")] = None,
    adherence: Annotated[int | None, typer.Option(help="Adherence rows over all clinics.")] = None,
) -> None:
    """Make a scale set in build/bench."""
    given = {
        "clinics": clinics,
        "patients": patients,
        "appointments": appointments,
        "answers": answers,
        "adherence": adherence,
    }
    chosen = replace(SCALES[scale], **{name: value for name, value in given.items() if value is not None})
    made = ensure(chosen, instance())
    typer.echo(f"{chosen.database} is there, at {made.admin['host']}")


if __name__ == "__main__":
    typer.run(main)
