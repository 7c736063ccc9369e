"""Runs the two series of migrations with Alembic: `platform` once, `clinic` in each clinic's schema.

Safe when two run at once: the caller holds `MIGRATION_LOCK`. Each series runs in one transaction.
Alembic is imported where it is used: it takes a second, and most commands migrate nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from alembic.migration import MigrationContext
    from sqlalchemy import Connection

FOLDER = Path(__file__).parent
MIGRATION_LOCK = "cloister.migrate"


def migrate(connection: psycopg.Connection, series: str, schema: str, identifiers: dict[str, str]) -> list[str]:
    """Bring one series up to date in one schema; return the revisions that ran.

    `connection` comes in autocommit mode, its role the owner of what is made.
    """
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    script = ScriptDirectory(str(FOLDER / series))
    engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
    ran: list[str] = []

    def steps(revision: tuple[str, ...] | str, _: "MigrationContext") -> Any:
        pending = script._upgrade_revs("head", revision)  # type: ignore[arg-type]
        ran.extend(step.revision.revision for step in pending)
        return pending

    connection.autocommit = False
    try:
        with engine.connect() as bound:
            _run(bound, steps, schema, identifiers)
    finally:
        connection.rollback()
        connection.autocommit = True
    return ran


def _run(bound: "Connection", steps: Any, schema: str, identifiers: dict[str, str]) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    with bound.begin():
        context = MigrationContext.configure(
            bound,
            opts={"fn": steps, "version_table": "schema_revision", "version_table_schema": schema},
        )
        with Operations.context(context):
            context.run_migrations(identifiers=identifiers)


def heads() -> dict[str, str | None]:
    """The newest revision of each series."""
    from alembic.script import ScriptDirectory

    return {series: ScriptDirectory(str(FOLDER / series)).get_current_head() for series in ("platform", "clinic")}
