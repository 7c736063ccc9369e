"""What the asset checks said, in the pipeline's book, where admins and managers see it: counts and names of rules."""

from collections.abc import Iterable

from psycopg.types.json import Jsonb

from infra.database import Server, connect
from infra.roles import Login
from orchestration.quality import Verdict


def record(at: Server, run_id: str, asset: str, check: str, clinics: Iterable[str], verdict: Verdict) -> None:
    """Write down what one check of a run said of each clinic that it looked at."""
    rows = [
        [slug, asset, check, run_id, verdict.holds_in(slug), Jsonb(verdict.broken.get(slug, {}))]
        for slug in sorted({*clinics, *verdict.broken})
    ]
    with connect(Login.PIPELINE, at=at) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into pipeline.verdict (clinic, asset, check_name, run_id, passed, broken)"
            " values (%s, %s, %s, %s, %s, %s)",
            rows,
        )
