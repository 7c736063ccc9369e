"""What is still to come of a patient's appointments, for who marks these or the registration as deleted."""

from typing import Any
from uuid import UUID

from psycopg import sql

from api.appointments.held import Held, Whose
from api.appointments.steps_repository import hold
from api.gateway import Work

_HOLD_DAYS = sql.SQL("select operational.hold_days_soon(%(clinic)s)")
_COMING = """
from operational.appointment as a
inner join operational.registration as r on r.clinic_id = a.clinic_id and r.patient_id = a.patient_id
where a.clinic_id = %(clinic)s and a.status = 'booked' and a.starts_at > statement_timestamp()"""
_OF_PATIENT = sql.SQL(f"""
select a.clinic_id, a.appointment_id, r.person_id {_COMING} and a.patient_id = %(patient)s and a.deleted_at is null
order by a.starts_at, a.appointment_id for no key update of a""")  # nosec B608 # constants
# Nothing is held: steps hold the registration before the appointment, and who asks holds the appointment already.
_ONE = sql.SQL(f"""
select a.clinic_id, a.appointment_id, r.person_id, a.patient_id, a.confidential, a.starts_at, a.ends_at, a.version
{_COMING} and a.appointment_id = %(appointment)s and r.deleted_at is null""")  # nosec B608 # constants


async def hold_days(work: Work, clinic_id: int) -> None:
    """First of all, as in a booking: the time zone by which a day is told changes no more until the work ends."""
    await work.run(_HOLD_DAYS, clinic=clinic_id)


async def of_patient(work: Work, clinic_id: int, patient: UUID) -> list[Held]:
    """A patient's appointments to come, held until the work ends; whoever asks holds the registration already."""
    rows = await work.run(_OF_PATIENT, clinic=clinic_id, patient=patient)
    return [await hold(work, row, going=True) for row in rows]


async def one(work: Work, clinic_id: int, appointment: UUID) -> tuple[Whose, dict[str, Any]] | None:
    """An appointment that is to come, deleted or not, with its time and version; None of a patient who is deleted."""
    rows = await work.run(_ONE, clinic=clinic_id, appointment=appointment)
    if not rows:
        return None
    told = {name: rows[0].pop(name) for name in ("starts_at", "ends_at", "version")}
    return Whose(**rows[0]), told
