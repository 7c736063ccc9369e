"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "c0016"
down_revision = "c0015"
upgrade = run_beside(__file__)
