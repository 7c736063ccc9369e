"""Reminders that a clinic has sent without seeing an address, who wants no more of its campaigns, a demo's mail."""

from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

from api.gateway import Access, Caller
from api.messages import repository
from api.messages.campaigns import digest_of
from api.messages.port import Message, MessageKind
from api.messages.texts import LINKS
from api.profiles.service import as_id
from api.services import Services
from infra.encryption.codec import Place
from infra.encryption.data_keys import stored_keys
from infra.errors import NotThere
from policies.access.model import Resource
from policies.words import Action

SHOWN = 100


@dataclass(frozen=True)
class Mail:
    """One email of a demo, as it would have been sent."""

    message_id: UUID
    arrived_at: datetime
    to: str
    subject: str
    text: str
    calendar: str | None


async def remind(serving: Services, caller: Caller, clinic: str, appointment: str) -> None:
    """Have a patient reminded of an appointment; whether they can be reached is not said.

    Raises:
        NotThere: not the caller's clinic, or no such appointment of it.
        Refused: the appointment is over or cancelled, or was reminded of within twelve hours.
    """
    async with serving.gateway.work(caller, Access(Action.REMINDER_SEND, Resource(clinic))) as work:
        found = await repository.next_appointment(work, as_id(appointment))
        await work.record(found["patient_id"], confidential=found["confidential"])
        about = Message(
            MessageKind.APPOINTMENT_REMINDER, link="/me", clinic_id=work.clinic_id, about_id=as_id(appointment), **found
        )  # fmt: skip
        await repository.enqueue(work, serving.codec, about)


async def request_consent(serving: Services, caller: Caller, clinic: str, patient: str) -> None:
    """Have a patient asked to sign; whether they can be reached, or have signed, is not said.

    Raises:
        NotThere: not the caller's clinic, or no such patient of it.
        Refused: the patient was asked within a week.
    """
    async with serving.gateway.work(caller, Access(Action.CONSENT_ASK, Resource(clinic))) as work:
        found = await repository.whom_to_ask(work, as_id(patient))
        await work.record(found["patient_id"])
        asking = Message(
            MessageKind.CONSENT_REQUEST,
            link=LINKS[MessageKind.CONSENT_REQUEST],
            clinic_id=work.clinic_id,
            about_id=found["patient_id"],
            **found,
        )
        await repository.enqueue(work, serving.codec, asking)


async def refuse(serving: Services, caller: Caller, token: str) -> None:
    """Take no more of a clinic's campaigns, by the link of one; whether the link is one is not said."""
    async with serving.gateway.work(caller, Access(Action.MESSAGE_REFUSE)) as work:
        await repository.refuse(work, digest_of(token))
        await work.record()


async def read_mailbox(serving: Services, caller: Caller, message: UUID | None = None) -> list[Mail]:
    """The newest mail of a demo, or the one of a message, for its admins.

    Raises:
        NotThere: the caller is no admin, or mail is sent in earnest.
    """
    async with serving.gateway.open(caller, Access(Action.MAILBOX_READ)) as grant:
        if serving.production:
            raise NotThere("no mailbox")
        rows = await repository.demo_mail(grant, SHOWN, message)
    found = []
    for row in rows:
        place = Place(repository.MAIL_TABLE, "content", str(row["id"]))
        found.append(_mail(row["id"], row["arrived_at"], serving.codec.open(stored_keys(row), place, row["content"])))
    return found


def _mail(message_id: UUID, arrived_at: datetime, raw: bytes) -> Mail:
    found = message_from_bytes(raw, _class=EmailMessage, policy=SMTP)
    body = found.get_body(("plain",))
    calendar = next((part.get_content() for part in found.iter_attachments()), None)
    text = body.get_content() if body else ""
    if isinstance(calendar, bytes):
        calendar = calendar.decode()
    return Mail(message_id, arrived_at, str(found["To"]), str(found["Subject"]), text, calendar)
