"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "p0042"
down_revision = "p0041"
upgrade = run_beside(__file__)
