"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "c0001"
down_revision = None
upgrade = run_beside(__file__)
