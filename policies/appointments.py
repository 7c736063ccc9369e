"""What may become of an appointment: its steps, and the rules of each. Statuses are FHIR's."""

from datetime import date, datetime
from enum import StrEnum


class Status(StrEnum):
    """Where an appointment stands."""

    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"


# Whoever had one that stands so has that time for something else.
FREEING = (Status.CANCELLED, Status.NOSHOW)


class Step(StrEnum):
    """What is done to an appointment."""

    BOOK = "book"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    ARRIVE = "arrive"
    COMPLETE = "complete"
    NO_SHOW = "no_show"
    CORRECT = "correct"


class Reason(StrEnum):
    """Why: a word of this list, since a story would be data of a patient in a history that staff reads."""

    PATIENT_ASKED = "patient_asked"
    CLINIC_ASKED = "clinic_asked"
    SPECIALIST_AWAY = "specialist_away"
    ENTERED_WRONGLY = "entered_wrongly"
    OTHER = "other"


# Reason of a cancellation by the service, of what a newcomer booked and nobody proved in time; people cannot choose it.
NOT_VERIFIED = "not_verified"
_FROM = {
    Step.RESCHEDULE: {Status.BOOKED},
    Step.CANCEL: {Status.BOOKED},
    Step.ARRIVE: {Status.BOOKED},
    Step.COMPLETE: {Status.BOOKED, Status.ARRIVED},
    Step.NO_SHOW: {Status.BOOKED},
    Step.CORRECT: {Status.ARRIVED, Status.FULFILLED, Status.CANCELLED, Status.NOSHOW},
}
TO = {
    Step.RESCHEDULE: Status.BOOKED,
    Step.CANCEL: Status.CANCELLED,
    Step.ARRIVE: Status.ARRIVED,
    Step.COMPLETE: Status.FULFILLED,
    Step.NO_SHOW: Status.NOSHOW,
}


def fault(
    step: Step, status: Status, *, day: date, starts_at: datetime | None, now: datetime, today: date, by_family: bool
) -> str | None:
    """The rule that a step would break; None if it may be taken.

    `day` and `today` are the clinic's. Patients and guardians move and cancel what has not begun; nobody
    arrives before the day, or is a no-show before the time.
    """
    if status not in _FROM[step]:
        return f"is_{status.value}"
    begun = starts_at <= now if starts_at is not None else day <= today
    if by_family and begun:
        return "has_begun"
    if step in (Step.ARRIVE, Step.COMPLETE) and today < day:
        return "not_yet"
    return "not_yet" if step is Step.NO_SHOW and not begun else None
