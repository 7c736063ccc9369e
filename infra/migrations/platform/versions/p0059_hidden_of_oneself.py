"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "p0059"
down_revision = "p0058"
upgrade = run_beside(__file__)
