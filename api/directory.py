"""The clinics, how fresh their marts are, which checks of them fail: no patient data, kept for a moment in memory."""

import time
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from psycopg import sql

from api.database import Connection, Pool

KEPT_SECONDS = 5.0

_AS_OF = sql.SQL("case when d.passed_at > m.built_at then d.as_of else coalesce(m.as_of, d.as_of) end as as_of")
_DAY = sql.SQL("""
select {as_of}
from (select %s::text as slug) as c
left join pipeline.mart_state as m on m.clinic = c.slug
left join pipeline.member_day as d on d.clinic = c.slug""").format(as_of=_AS_OF)
_CLINICS = sql.SQL("""
with failing as materialized (select clinic, asset, check_name from pipeline.newest_verdict where not passed)
select
    c.clinic_id, c.slug, c.name, c.time_zone,
    {as_of},
    m.built_at,
    array(
        select v.asset || '.' || v.check_name from failing as v where v.clinic = c.slug order by 1
    ) as failing_checks
from operational.clinic as c
left join pipeline.mart_state as m on m.clinic = c.slug
left join pipeline.member_day as d on d.clinic = c.slug
where c.archived_at is null
order by c.name, c.slug""").format(as_of=_AS_OF)


@dataclass(frozen=True)
class ClinicEntry:
    """A clinic, the day that its members stand for, when its mart was last built, and what is wrong with it."""

    clinic_id: int
    slug: str
    name: str
    time_zone: str
    as_of: date | None
    built_at: datetime | None
    # What failed when it was last checked, by asset and check.
    failing_checks: list[str]

    @property
    def today(self) -> date:
        """The clinic's own today."""
        return datetime.now(ZoneInfo(self.time_zone)).date()


async def at_present(connection: Connection, clinic: ClinicEntry) -> ClinicEntry:
    """The clinic with the day that its members stand for now, whatever was kept: a midnight may have passed."""
    (row,) = await (await connection.execute(_DAY, [clinic.slug])).fetchall()
    return replace(clinic, **row)


class Directory:
    """Every clinic by slug."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._clinics: dict[str, ClinicEntry] = {}
        self._read_at = float("-inf")

    async def clinics(self) -> list[ClinicEntry]:
        """All clinics by name, at most `KEPT_SECONDS` old."""
        if time.monotonic() - self._read_at > KEPT_SECONDS:
            async with self._pool.connection() as connection:
                rows = await (await connection.execute(_CLINICS)).fetchall()
            self._clinics = {row["slug"]: ClinicEntry(**row) for row in rows}
            self._read_at = time.monotonic()
        return list(self._clinics.values())

    async def find(self, slug: str | None) -> ClinicEntry | None:
        """The clinic of that slug, if there is one."""
        await self.clinics()
        return self._clinics.get(slug) if slug is not None else None
