"""What a clinic offers, and when a specialist has time for it, in the database."""

from datetime import date
from typing import Any

from psycopg import sql

from api.bookings.statements import ENDS_AT, STANDING, STANDS
from api.gateway import Grant
from infra.clinic_settings import DAYS_AHEAD

_SERVICES = sql.SQL("""
select service, name, modality, minutes, is_open as open, specialists
from operational.service where clinic_id = %(clinic)s""")

# Of what is taken the times alone.
_TIMES = sql.SQL(f"""
select
    s.minutes, b.hours, {DAYS_AHEAD} as days_ahead,
    array(
        select array[a.starts_at, {ENDS_AT}]
        from {STANDING}
        where
            a.clinic_id = s.clinic_id and a.specialist = %(specialist)s and {STANDS}
            and a.starts_on between %(first)s::date - 1 and %(last)s::date + 1
        order by a.starts_at
    ) as taken
from operational.service as s
left join operational.booking_setting as b on b.clinic_id = s.clinic_id
where s.clinic_id = %(clinic)s and s.service = %(service)s and s.is_open and %(specialist)s = any(s.specialists)""")  # nosec B608 # constants


async def services(grant: Grant) -> list[dict[str, Any]]:
    """What the clinic offers, by name."""
    return await grant.read(_SERVICES, sql.SQL("name, service"), clinic=grant.clinic and grant.clinic.clinic_id)


async def times(grant: Grant, service: str, specialist: str, first: date, last: date) -> dict[str, Any] | None:
    """How long a service takes, when the clinic is open and when the specialist is taken on days; None: not offered."""
    clinic = grant.clinic and grant.clinic.clinic_id
    rows = await grant.read(
        _TIMES, sql.SQL("minutes"), clinic=clinic, service=service, specialist=specialist, first=first, last=last
    )
    return rows[0] if rows else None
