"""Revisions whose body is the SQL file of the same name beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from alembic import op
from psycopg import sql


def run_beside(module_file: str) -> Callable[..., None]:
    """Make a revision's `upgrade` out of `<revision>.sql`.

    In the file, `{name}` stands for a role's quoted identifier; a literal brace is doubled.
    """
    path = Path(module_file).with_suffix(".sql")

    def upgrade(identifiers: dict[str, str], **_: Any) -> None:
        quoted = {name: sql.Identifier(value) for name, value in identifiers.items()}
        statement = sql.SQL(path.read_text()).format(**quoted)
        connection: psycopg.Connection = op.get_bind().connection.driver_connection  # type: ignore[assignment]
        connection.execute(statement)

    return upgrade
