"""An appointment that is held until the work ends, who is told of it, and what becomes of it."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from policies.appointments import Status, Step
from policies.words import Role


@dataclass(frozen=True)
class Whose:
    """An appointment, and who is told of it."""

    clinic_id: int
    appointment_id: UUID
    person_id: UUID
    patient_id: UUID
    confidential: bool


@dataclass(frozen=True)
class Held(Whose):
    """An appointment as it stands, held until the work ends."""

    service: str
    specialist: str | None
    status: str
    starts_on: date
    starts_at: datetime | None
    ends_at: datetime | None
    minutes: int
    specialists: list[str] | None
    is_open: bool | None
    days_ahead: int
    hours: dict[str, str] | None

    def is_to_come(self, now: datetime) -> bool:
        """Whether it begins after this moment."""
        return self.starts_at is not None and self.starts_at > now


@dataclass(frozen=True)
class Change:
    """What an appointment becomes, by which step, in which role and why; without a `day` it is that of `starts_at`."""

    step: Step
    role: Role
    reason: str | None
    status: Status
    day: date | None
    starts_at: datetime | None
    ends_at: datetime | None
    specialist: str | None
