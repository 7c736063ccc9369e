"""An email from a message (RFC 5322): plain text, marked as sent by a program, with the calendar if there is one."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any
from uuid import UUID

from api.bookings.calendar import addressed, method_of
from api.messages.port import MessageKind
from api.messages.texts import TEXTS

# Local part and domain as SMTP takes them (RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.2).
LONGEST_ADDRESS = 254


_UNSUBSCRIBE = "List-Unsubscribe"


class MailPolicy(EmailPolicy):
    """Keeps a link in a header whole: folding would encode it, and no mail program would find it then."""

    def fold(self, name: str, value: Any) -> str:
        """One header as it is sent."""
        return f"{name}: {value}{self.linesep}" if name == _UNSUBSCRIBE else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """The same as bytes."""
        return self.fold(name, value).encode() if name == _UNSUBSCRIBE else super().fold_binary(name, value)


# Seven bits: not every server takes eight.
POLICY = MailPolicy(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True)
class Sender:
    """From whom mail comes, and where its links lead."""

    address: str
    public_url: str

    @property
    def domain(self) -> str:
        """What message ids end in."""
        return self.address.rpartition("@")[2]

    def link(self, path: str) -> str:
        """The address of a path below the public URL."""
        return f"{self.public_url}/{path.lstrip('/')}"


def mail_of(message_id: UUID, kind: MessageKind, content: dict[str, Any], to: str, sender: Sender) -> EmailMessage:
    """The email of a message. Its id is the message's own, so that a repeated one is known as such.

    Raises:
        ValueError: the address is none.
    """
    link = sender.link(content["link"])
    subject, text = rendered(kind, content, link)
    found = EmailMessage(policy=POLICY)
    found["From"] = Address("Cloister", addr_spec=sender.address)
    found["To"] = _address(to)
    found["Subject"] = subject
    found["Message-ID"] = f"<{message_id}@{sender.domain}>"
    found["Auto-Submitted"] = "auto-generated"
    if kind is MessageKind.CAMPAIGN:
        found[_UNSUBSCRIBE] = f"<{link}>"
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    found.set_content(text + "\n")
    if content["calendar"]:
        _add_calendar(found, addressed(content["calendar"], sender.address, to))
    return found


def rendered(kind: MessageKind, content: dict[str, Any], link: str) -> tuple[str, str]:
    """Subject and text of a message, with its link."""
    values = {"subject": content.get("subject"), "text": content.get("text"), "code": content["code"], "link": link}
    subject, text = TEXTS[kind]
    return subject.format(**values), text.format(**values)


def _add_calendar(mail: EmailMessage, text: str) -> None:
    """As iMIP has it (RFC 6047, section 2.4): the part says as well what the calendar is for."""
    said = {"method": method_of(text), "charset": "utf-8"}
    mail.add_attachment(text.encode(), maintype="text", subtype="calendar", filename="invite.ics", params=said)


def _address(text: str) -> Address:
    if len(text) > LONGEST_ADDRESS or any(letter in text for letter in "\r\n\x00"):
        raise ValueError("no address")
    try:
        return Address(addr_spec=text)
    except Exception:  # the parser raises what it likes
        raise ValueError("no address") from None
