"""Ingest, operational to marts, against a bare ADBC COPY of the same frames into bare tables."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import uuid4

import psycopg
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg import sql

from bench.harness import Bench, Figure, Timer, against, at_most, benchmark
from bench.scale import Scale
from bench.scale_data import arrow
from infra.database import Server, connect_admin
from infra.roles import clinic_schema
from orchestration.ingest.load import ingest
from orchestration.ingest.session import connect_arrow
from orchestration.ingest.sources import SOURCES, Asset

Given = TypeVar("Given")
Result = TypeVar("Result")

# Both sides load two clinics at a time.
WORKERS = 2
# Frames of so many clinics are held in memory while the baseline loads them.
CLINICS_A_ROUND = 10
RAW = tuple(source.contract for asset in Asset for source in SOURCES[asset])
CHANGING = ("registration", "appointment", "form", "form_answer", "adherence")
BARE = "bench_bare"


@benchmark("ingest.load")
def loads(bench: Bench) -> Iterator[Figure]:
    """First load, reload after 1 % changed, and what double the rows cost."""
    at, scale = bench.data(), bench.scale
    first = first_load(at, scale)
    bare = bare_copy(at, scale)
    yield against("ingest.first_load", first, bare, 0.3)
    yield against("ingest.reload_1pct", reload(at, scale), bare, 0.5)
    half = first_load(bench.data(scale.halved()), scale.halved())
    yield at_most("ingest.doubling", first / half, "x", 2.2)


def first_load(at: Server, scale: Scale) -> float:
    """Seconds to fill the empty marts of every clinic."""
    with connect_admin(at) as admin:
        for slug in scale.slugs:
            tables = [sql.Identifier(clinic_schema(slug), contract.table) for contract in RAW]
            admin.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(tables)))
        admin.execute("checkpoint")
    with (timer := Timer()).running():
        ingest_all(at, scale.slugs)
    return timer.seconds


def reload(at: Server, scale: Scale) -> float:
    """Seconds to bring the marts up to date after 1 % of the rows changed.

    Raises:
        AssertionError: other rows were loaded than were changed.
    """
    with connect_admin(at) as admin:
        # No triggers: the outbox stays as empty as it is in the scale set.
        admin.execute("set session_replication_role = replica")
        changed = sum(
            admin.execute(
                sql.SQL("update operational.{} set version = version + 1 where random() < 0.01").format(
                    sql.Identifier(table)
                )
            ).rowcount
            for table in CHANGING
        )
        admin.execute("checkpoint")
    with (timer := Timer()).running():
        written = ingest_all(at, scale.slugs)
    if written != changed:
        raise AssertionError(f"{changed} rows were changed, {written} were loaded again")
    return timer.seconds


def ingest_all(at: Server, slugs: list[str]) -> int:
    """Ingest every asset of the clinics, and tell how many rows were written."""

    def work(part: list[str]) -> int:
        with connect_arrow(at) as connection:
            return sum(
                ingest(at, slug, asset, uuid4(), connection=connection).rows_written for slug in part for asset in Asset
            )

    return sum(in_parallel(work, slugs))


def bare_copy(at: Server, scale: Scale) -> float:
    """Seconds to COPY what the marts hold now into tables without keys, indexes and checks."""
    timer = Timer()
    with connect_admin(at) as admin, arrow(at) as connection:
        admin.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(BARE)))
        admin.execute(sql.SQL("create schema {}").format(sql.Identifier(BARE)))
        for start in range(0, len(scale.slugs), CLINICS_A_ROUND):
            slugs = scale.slugs[start : start + CLINICS_A_ROUND]
            frames = [(slug, _frames(connection, slug)) for slug in slugs]
            for slug in slugs:
                _make_bare(admin, slug)
            connection.commit()
            admin.execute("checkpoint")
            _copy(at, frames, timer)
        admin.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(BARE)))
    return timer.seconds


def _frames(connection: dbapi.Connection, slug: str) -> dict[str, pa.Table]:
    """What a clinic's raw tables hold, in the order in which the ingest writes it."""
    frames = {}
    with connection.cursor() as cursor:
        for contract in RAW:
            query = sql.SQL("select {} from {} order by {}").format(
                sql.SQL(", ").join(map(sql.Identifier, contract.columns)),
                sql.Identifier(clinic_schema(slug), contract.table),
                sql.SQL(", ").join(map(sql.Identifier, contract.key)),
            )
            cursor.execute(query.as_string())
            frames[contract.table] = cursor.fetch_arrow_table()
    return frames


def _make_bare(admin: psycopg.Connection, slug: str) -> None:
    for contract in RAW:
        admin.execute(
            sql.SQL("create table {} (like {})").format(
                sql.Identifier(BARE, f"{slug}_{contract.table}"),
                sql.Identifier(clinic_schema(slug), contract.table),
            )
        )


def _copy(at: Server, frames: list[tuple[str, dict[str, pa.Table]]], timer: Timer) -> None:
    """COPY the frames, a transaction a table."""

    def work(part: list[tuple[str, dict[str, pa.Table]]]) -> None:
        with arrow(at) as connection, connection.cursor() as cursor:
            for slug, tables in part:
                for name, frame in tables.items():
                    cursor.adbc_ingest(f"{slug}_{name}", frame, mode="append", db_schema_name=BARE)
                    connection.commit()

    with timer.running():
        in_parallel(work, frames)


def in_parallel(work: Callable[[list[Given]], Result], given: list[Given]) -> list[Result]:
    """Do the work with the two workers, each with every other item."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, [given[start::WORKERS] for start in range(WORKERS)]))
