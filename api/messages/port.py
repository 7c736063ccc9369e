"""What a message is, for those who have something to say to a person."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class MessageKind(StrEnum):
    """What a message says; `texts` has the words."""

    CODE = "code"
    WELCOME = "welcome"
    BOOKING_CONFIRMED = "booking_confirmed"
    APPOINTMENT_CHANGED = "appointment_changed"
    APPOINTMENT_REMINDER = "appointment_reminder"
    FORM_REQUEST = "form_request"
    CONTACT_NOTICE = "contact_notice"
    IMPERSONATION_NOTICE = "impersonation_notice"
    WEBHOOK_NOTICE = "webhook_notice"
    GUARDIAN_NOTICE = "guardian_notice"
    GUARDIAN_CODE = "guardian_code"  # to who is to be one by law
    GUARDIAN_CONTESTED = "guardian_contested"  # to who can end it
    CONSENT_REQUEST = "consent_request"
    PASSWORD_LINK = "password_link"  # nosec B105 # the name of a kind
    CAMPAIGN = "campaign"  # a clinic's own text, to the members of a segment


@dataclass(frozen=True)
class Message:
    """One message to one person.

    link: a path below the public URL, where the person finds the rest after signing in.
    code: a one-time code.
    calendar: an iCalendar object (RFC 5545).
    address: an email to use instead of the account's, such as one that is to be verified.
    confidential: never passed on to guardians.
    about_id, patient_id: what it tells of, and the clinic's patient, for the log.
    """

    kind: MessageKind
    person_id: UUID
    clinic_id: int | None = None
    link: str = ""
    code: str | None = None
    calendar: str | None = None
    address: str | None = None
    confidential: bool = False
    patient_id: UUID | None = None
    about_id: UUID | None = None

    def __repr__(self) -> str:
        return f"Message({self.kind.value})"
