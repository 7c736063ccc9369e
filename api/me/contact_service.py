"""Reading and changing how one's own account is reached."""

from typing import Any
from uuid import UUID

from api.gateway import Access, Caller
from api.me import contact_repository
from api.me.contact_schemas import Changing, OwnContact, OwnContacts
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.services import Services
from api.verifications import people_repository as people
from api.verifications import repository as verifications
from infra.encryption.contacts import INDEXED, canonical
from infra.errors import NotThere
from policies.access.model import Resource
from policies.words import Action


async def read(serving: Services, caller: Caller, verification: UUID | None = None) -> OwnContacts:
    """The contacts of the caller's account.

    Raises:
        NotThere: the caller is neither patient nor guardian.
    """
    access = Access(Action.ACCOUNT_READ, _own(caller), frozenset(INDEXED))
    async with serving.gateway.open(caller, access) as grant:
        row = await contact_repository.contacts(grant, serving.codec)
    return OwnContacts(**{channel: _contact(row, channel) for channel in INDEXED}, verification=verification)


async def change(serving: Services, caller: Caller, asked: Changing) -> OwnContacts:
    """Keep a new phone, not proven; have a code sent to a new email, and tell the old one.

    Raises:
        NotThere: the caller is neither patient nor guardian.
        InvalidInput: no phone number or email; names the field.
    """
    person, verification = caller.principal.person_id, None
    async with serving.gateway.work(caller, Access(Action.ACCOUNT_CHANGE, _own(caller))) as work:
        if person is None:
            raise NotThere("no such thing")
        await work.record()
        if asked.email:
            email = canonical("email", asked.email)
            old = await people.proven_email(work, serving.codec, person)
            started = await verifications.start(
                work, serving.codec, person_id=person, clinic_id=None, channel="email", contact=email
            )
            verification = started.verification_id
            if old is not None:
                notice = Message(MessageKind.CONTACT_NOTICE, person, link="/sign-in", address=old)
                await messages.enqueue(work, serving.codec, notice)
        # After the email: whoever holds the contact's row waits for nobody who proves it.
        if asked.phone:
            await people.store_contacts(work, serving.codec, person, {"phone": asked.phone})
    return await read(serving, caller, verification)


def _own(caller: Caller) -> Resource:
    return Resource(person=str(caller.principal.person_id or ""))


def _contact(row: dict[str, Any], channel: str) -> OwnContact | None:
    value = row.get(channel)
    return None if value is None else OwnContact(value=value, verified=row[f"{channel}_verified"])
