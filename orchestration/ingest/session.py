"""Arrow in and out of one clinic's schema, in one transaction under the clinic's builder role."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import adbc_driver_manager
import polars as pl
from adbc_driver_postgresql import dbapi
from psycopg import sql

from infra.database import Server
from infra.errors import CloisterError
from infra.roles import ClinicKind, Login, clinic_schema


class ClinicFailed(CloisterError):
    """The work on one clinic failed; `sqlstate` and `constraint` say how, and no value is in it."""

    def __init__(self, slug: str, what: str, sqlstate: str, constraint: str | None = None) -> None:
        rule = f", {constraint}" if constraint else ""
        super().__init__(f"clinic '{slug}': {what} failed (SQLSTATE {sqlstate}{rule})")
        self.slug = slug
        self.sqlstate = sqlstate
        self.constraint = constraint


class ClinicSession:
    """A running transaction in one clinic's mart."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def run(self, statement: sql.Composable) -> int:
        """Run a statement; return the number of rows it touched."""
        self._cursor.execute(statement.as_string())
        return max(int(self._cursor.rowcount), 0)

    def value(self, query: sql.Composable) -> Any:
        """The one value of a query with one row and one column."""
        self._cursor.execute(query.as_string())
        return self._cursor.fetchone()[0]

    def frame(self, query: sql.Composable) -> pl.DataFrame:
        """The rows of a query."""
        self._cursor.execute(query.as_string())
        return pl.DataFrame(pl.from_arrow(self._cursor.fetch_arrow_table()))

    def copy_in(self, table: str, frame: pl.DataFrame, *, temporary: bool = False) -> None:
        """COPY a frame into a table of the clinic's schema, or into a temporary one."""
        arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        self._cursor.adbc_ingest(table, arrow, mode="append", temporary=temporary)


def connect_arrow(at: Server) -> dbapi.Connection:
    """An ADBC connection of the pipeline's login; one serves one thread, and any number of clinics."""
    return dbapi.connect("postgresql://?" + urlencode(at.parameters(Login.PIPELINE), quote_via=quote))


@contextmanager
def clinic_session(connection: dbapi.Connection, at: Server, slug: str, what: str) -> Iterator[ClinicSession]:
    """One transaction as the clinic's builder, alone: the clinic's lock comes before any read.

    Before it begins it gives way to changes that are late.

    Raises:
        ClinicFailed: the database refused something; DETAIL, which may quote rows, is dropped.
    """
    try:
        with connection.cursor() as cursor:
            session = ClinicSession(cursor)
            session.value(sql.SQL("select pipeline.give_way()::text"))
            connection.commit()
            role = at.roles.clinic(slug, ClinicKind.BUILDER)
            session.run(sql.SQL("set local role {}").format(sql.Identifier(role)))
            session.run(sql.SQL("set local search_path = {}, pg_temp").format(sql.Identifier(clinic_schema(slug))))
            session.value(sql.SQL("select operational.lock_clinic({})::text").format(sql.Literal(slug)))
            yield session
        connection.commit()
    except adbc_driver_manager.Error as error:
        connection.rollback()
        raise ClinicFailed(slug, what, error.sqlstate or "58000", _constraint(error)) from None
    except BaseException:
        connection.rollback()
        raise


def _constraint(error: adbc_driver_manager.Error) -> str | None:
    for name, value in error.details or ():
        if name in ("PG_DIAG_CONSTRAINT_NAME", b"PG_DIAG_CONSTRAINT_NAME"):
            return value.decode() if isinstance(value, bytes) else str(value)
    return None
