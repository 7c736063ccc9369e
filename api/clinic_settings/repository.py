"""A clinic's settings in the database, in the context of their clinic."""

import json
from typing import Any

from psycopg import sql

from api.clinic_settings.schemas import Bookings, ClinicLocation, ClinicRetention
from api.gateway import Work
from infra import clinic_settings, consent_grace
from infra.clinic_settings import DAYS_AHEAD, HOLD_MINUTES, REGISTRATION_FORMS, ServiceSettings

_CLINIC = sql.SQL(f"""
select
    c.slug as clinic, c.name, c.time_zone, c.country, c.consent_grace_days,
    {REGISTRATION_FORMS} as registration_forms, {DAYS_AHEAD} as days_ahead, {HOLD_MINUTES} as hold_minutes, b.hours,
    (
        select coalesce(array_agg(s.name order by s.name), '{{}}') from operational.specialist as s
        where s.clinic_id = c.clinic_id and s.is_active
    ) as specialists,
    (
        select coalesce(array_agg(distinct t.template order by t.template), '{{}}') from operational.form_template as t
        where t.clinic_id = c.clinic_id
    ) as templates
from operational.clinic as c
left join operational.booking_setting as b on b.clinic_id = c.clinic_id
where c.clinic_id = %(clinic)s""")  # nosec B608 # constants
_LOCATION = sql.SQL("""
update operational.clinic_location set time_zone = %(time_zone)s, country = %(country)s
where clinic_id = %(clinic)s and (time_zone, country) <> (%(time_zone)s, %(country)s)""")
_IS_ZONE = sql.SQL("select exists (select from pg_timezone_names where name = %(time_zone)s) as known")
_SERVICES = sql.SQL("""
select s.service, s.name, s.modality, s.minutes, s.templates as forms, s.specialists, s.is_open as open
from operational.service as s
where s.clinic_id = %(clinic)s
order by s.name, s.service""")


async def clinic(work: Work) -> dict[str, Any]:
    """The clinic, how it takes bookings, and what forms and specialists it has."""
    (row,) = await work.run(_CLINIC, clinic=work.clinic_id)
    return row


async def services(work: Work) -> list[dict[str, Any]]:
    """What it offers or offered, by name."""
    return await work.run(_SERVICES, clinic=work.clinic_id)


async def save_bookings(work: Work, wanted: Bookings) -> None:
    """Have exactly these specialists and hours, and these forms with each new registration."""
    work.later(
        sql.SQL(clinic_settings.SETTING), clinic=work.clinic_id, forms=wanted.registration_forms,
        days=wanted.days_ahead, hold=wanted.hold_minutes, hours=json.dumps(wanted.hours),
    )  # fmt: skip
    specialists = list(dict.fromkeys(wanted.specialists))
    for name in specialists:
        work.later(sql.SQL(clinic_settings.SPECIALIST), clinic=work.clinic_id, name=name)
    work.later(sql.SQL(clinic_settings.GONE), clinic=work.clinic_id, names=specialists)


async def save_service(work: Work, service: str, said: ServiceSettings) -> None:
    """Have a service be like this."""
    work.later(sql.SQL(clinic_settings.SERVICE), clinic=work.clinic_id, service=service, **said.model_dump())


async def save_retention(work: Work, wanted: ClinicRetention) -> None:
    """Have things stand so long; what was signed before ends anew by it, in the same transaction."""
    work.later(sql.SQL(consent_grace.SET), clinic=work.clinic_id, days=wanted.consent_grace_days)


async def is_zone(work: Work, time_zone: str) -> bool:
    """Whether the database, which works out days by it, has this time zone."""
    (row,) = await work.run(_IS_ZONE, time_zone=time_zone)
    return bool(row["known"])


async def save_location(work: Work, wanted: ClinicLocation) -> None:
    """Have the clinic be there; what lies on another day then, or ends on one, moves in the same transaction."""
    # Of a large clinic's days that takes longer than an answer may, and is asked for once in years.
    work.later(sql.SQL("set local statement_timeout = '10min'"))
    work.later(_LOCATION, clinic=work.clinic_id, **wanted.model_dump())
