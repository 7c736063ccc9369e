"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "p0048"
down_revision = "p0047"
upgrade = run_beside(__file__)
