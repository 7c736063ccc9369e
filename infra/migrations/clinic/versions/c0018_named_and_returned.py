"""See the SQL file of the same name."""

from infra.migrations.sql_file import run_beside

revision = "c0018"
down_revision = "c0017"
upgrade = run_beside(__file__)
