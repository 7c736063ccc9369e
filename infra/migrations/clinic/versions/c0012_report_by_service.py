"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "c0012"
down_revision = "c0011"
upgrade = run_beside(__file__)
