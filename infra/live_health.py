"""How far the live worker is, clinic by clinic: counts and slugs, and nothing of any patient."""

from dataclasses import dataclass

import psycopg

from infra.database import Server, clinic_transaction, connect
from infra.roles import ClinicKind, Login

# Each live worker holds an advisory lock of this class: its place among them.
PLACES = 20_241_107
LIVE_PLACES = """
select objid::bigint from pg_locks where locktype = 'advisory' and classid = %s and objsubid = 2 and granted
    and database = (select oid from pg_database where datname = current_database())
order by 1
"""
# As the clinic's reader, who sees of the outbox how many changes wait, and since when.
_HEALTH = """
select
    (select count(*) from operational.outbox),
    coalesce((select extract(epoch from statement_timestamp() - min(changed_at)) from operational.outbox), 0)::float8,
    (select count(*) from dead_change),
    (select count(distinct patient_id) from dead_change),
    coalesce((select lag_seconds from live_clock), 0),
    (select count(*) from operational.consent_propagation where done_at is null),
    array(select slug from segment_broken inner join segment using (segment_id) order by slug)
"""


@dataclass(frozen=True)
class ClinicHealth:
    """Changes that wait, and for how many seconds the oldest; dead ones, and how many patients are stale by them.

    `last_lag` is how many seconds the change had waited that was dealt with last, `unfinished` how many consents began
    or ended whose receipt is due, `broken` are the slugs of segments that cannot be evaluated.
    """

    waiting: int
    oldest: float
    dead: int
    stale: int
    last_lag: float
    unfinished: int
    broken: list[str]


@dataclass(frozen=True)
class Health:
    """How many live workers there are, and how each clinic stands."""

    workers: int
    clinics: dict[str, ClinicHealth]

    def worst(self) -> ClinicHealth:
        """Over all clinics: what there is added up, times the longest, segments with their clinics before them."""
        found = self.clinics.values()
        return ClinicHealth(
            waiting=sum(clinic.waiting for clinic in found),
            oldest=max((clinic.oldest for clinic in found), default=0),
            dead=sum(clinic.dead for clinic in found),
            stale=sum(clinic.stale for clinic in found),
            last_lag=max((clinic.last_lag for clinic in found), default=0),
            unfinished=sum(clinic.unfinished for clinic in found),
            broken=[f"{slug}/{segment}" for slug, clinic in self.clinics.items() for segment in clinic.broken],
        )


def health(at: Server) -> Health:
    """How live evaluation stands.

    Raises:
        DatabaseUnavailable: no server answers, or it is not set up.
    """
    with connect(Login.SERVICE, at=at) as connection:
        workers = len(connection.execute(LIVE_PLACES, [PLACES]).fetchall())
        rows = connection.execute("select slug from operational.clinic where archived_at is null order by slug")
        slugs = [slug for (slug,) in rows]
        return Health(workers, {slug: _of_clinic(connection, at, slug) for slug in slugs})


def _of_clinic(connection: psycopg.Connection, at: Server, slug: str) -> ClinicHealth:
    with clinic_transaction(connection, at.roles, slug, ClinicKind.READER):
        row = connection.execute(_HEALTH).fetchone()
    if row is None:
        raise AssertionError("a query without a table has one row")
    return ClinicHealth(*row)
