"""What a message is: a kind, to whom, and a link; nothing clinical."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class MessageKind(StrEnum):
    """What a message is about."""

    CODE = "code"
    WELCOME = "welcome"
    BOOKING_CONFIRMED = "booking_confirmed"
    APPOINTMENT_CHANGED = "appointment_changed"
    FORM_REQUEST = "form_request"
    CONSENT_REQUEST = "consent_request"
    GUARDIAN_NOTICE = "guardian_notice"
    IMPERSONATION_NOTICE = "impersonation_notice"
    CONTACT_CHANGED = "contact_changed"


@dataclass(frozen=True)
class Message:
    """One message to a person."""

    kind: MessageKind
    person_id: UUID
    clinic_id: int | None = None
    link: str = ""
    code: str | None = None
    calendar: str | None = None
    address: str | None = None
