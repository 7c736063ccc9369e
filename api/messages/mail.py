"""An email from a message (RFC 5322): plain text, marked as sent by a program, with the calendar if there is one."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from uuid import UUID

from api.messages.port import MessageKind
from api.messages.texts import TEXTS

# Local part and domain as SMTP takes them (RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.2).
LONGEST_ADDRESS = 254


@dataclass(frozen=True)
class Sender:
    """From whom mail comes, and where its links lead."""

    address: str
    public_url: str

    @property
    def domain(self) -> str:
        """What message ids end in."""
        return self.address.rpartition("@")[2]


def mail_of(message_id: UUID, kind: MessageKind, content: dict[str, Any], to: str, sender: Sender) -> EmailMessage:
    """The email of a message. Its id is the message's own, so that a repeated one is known as such.

    Raises:
        ValueError: the address is none.
    """
    subject, text = TEXTS[kind]
    found = EmailMessage(policy=SMTP)
    found["From"] = Address("Cloister", addr_spec=sender.address)
    found["To"] = _address(to)
    found["Subject"] = subject
    found["Message-ID"] = f"<{message_id}@{sender.domain}>"
    found["Auto-Submitted"] = "auto-generated"
    link = f"{sender.public_url}/{content['link'].lstrip('/')}"
    found.set_content(text.format(link=link, code=content["code"]) + "\n")
    if content["calendar"]:
        found.add_attachment(content["calendar"].encode(), maintype="text", subtype="calendar", filename="invite.ics")
    return found


def _address(text: str) -> Address:
    if len(text) > LONGEST_ADDRESS or any(letter in text for letter in "\r\n\x00"):
        raise ValueError("no address")
    try:
        return Address(addr_spec=text)
    except Exception:  # the parser raises what it likes
        raise ValueError("no address") from None
