"""What may be said to whom: the port that every feature queues its messages through."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

# Paths of our own, and nothing that a reader of mail or a header could take for more.
_LINK = re.compile(r"(/[A-Za-z0-9/_.~?=&%-]*)?")
_CODE = re.compile(r"[A-Za-z0-9-]{4,32}")


class MessageKind(StrEnum):
    """Why somebody is written to; each has its own words (`api.messages.letters`)."""

    CODE = "code"
    WELCOME = "welcome"
    BOOKING_CONFIRMED = "booking_confirmed"
    APPOINTMENT_CHANGED = "appointment_changed"
    APPOINTMENT_REMINDER = "appointment_reminder"
    FORM_REQUEST = "form_request"
    CONSENT_REQUEST = "consent_request"
    GUARDIAN_NOTICE = "guardian_notice"
    IMPERSONATION_NOTICE = "impersonation_notice"


@dataclass(frozen=True)
class Message:
    """One message to one person.

    link: a path below the public URL, or nothing.
    calendar: an iCalendar file (RFC 5545); whoever makes it names no service in it.
    address: an email for a person who has no verified one; a code goes there in any case.
    confidential: guardians are not told in a dependent's stead.
    appointment_id, impersonation_id: what it is about, for reminders and for who was told.

    Raises:
        ValueError: a link or a code that is none.
    """

    kind: MessageKind
    person_id: UUID
    clinic_id: int | None = None
    link: str = ""
    code: str | None = None
    calendar: str | None = None
    address: str | None = None
    confidential: bool = False
    appointment_id: UUID | None = None
    impersonation_id: UUID | None = None

    def __post_init__(self) -> None:
        if not _LINK.fullmatch(self.link) or self.link.startswith("//"):
            raise ValueError("a link is a path of ours")
        if self.code is not None and not _CODE.fullmatch(self.code):
            raise ValueError("a code is 4 to 32 letters, digits and hyphens")

    @property
    def content(self) -> bytes:
        """What is sealed: the words that the letter is made of."""
        return json.dumps({"link": self.link, "code": self.code, "calendar": self.calendar}).encode()
