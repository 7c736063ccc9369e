"""What a proven contact changes: who an account is, whose registration a booking made, who guards whom.

What a person who asks is told does not hang on who was known before: the answer is the same, and what
follows comes to the contact by message.
"""

import hashlib
import secrets
import unicodedata
from datetime import UTC, date, datetime
from uuid import UUID

from api.families import repository as families
from api.gateway import Access, Caller, Work
from api.identity import codes
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.profiles.service import as_id
from api.services import Services
from api.verifications import people_repository as people
from api.verifications import repository
from api.verifications.repository import Proven
from api.verifications.schemas import Answer, BookedFor, CodeSent, Verified
from infra.encryption.field_codec import FieldCodec
from infra.errors import InvalidInput
from policies.guardianship import stands
from policies.text import fault_of_identifier, fault_of_name
from policies.words import Action, Role

LINK_HOURS = 72


async def answer(serving: Services, caller: Caller, verification: str, asked: Answer) -> Verified:
    """Take a code, and settle whose booking it was.

    Raises:
        InvalidInput: the code is not good (any more), no such dependent of the account, or a new one who is of age;
            names the field.
        TooMany: this address tried too often.
    """
    _check(asked)
    verification_id = as_id(verification)
    counted = await codes.count_try(serving, caller, verification_id)
    async with serving.gateway.work(caller, Access(Action.VERIFICATION_ANSWER)) as work:
        await work.record()
        proven = await repository.prove(
            work, serving.codec, verification_id if counted else None, _digits(asked.code)
        )  # fmt: skip
        await repository.alone(work, serving.codec, proven)
        await _settle(work, serving.codec, proven, asked)
    await codes.give_back(serving, caller)
    return Verified()


async def renew(serving: Services, caller: Caller, verification: str) -> CodeSent:
    """Send a new code to the contact; the old one is good no more.

    Raises:
        TooMany: this address asks too often.
    """
    await codes.take_attempt(serving, caller)
    async with serving.gateway.work(caller, Access(Action.VERIFICATION_RENEW)) as work:
        await work.record()
        await repository.renew(work, serving.codec, as_id(verification))
    return CodeSent()


def _check(asked: Answer) -> None:
    """Whatever the state of things, a new dependent has a relationship and a birth date, and the holder a name."""
    if asked.booked_for is not BookedFor.DEPENDENT or asked.dependent is not None:
        return
    for place, text, fault_of in (
        ("relationship", asked.relationship, fault_of_identifier), ("holder_name", asked.holder_name, fault_of_name)
    ):  # fmt: skip
        if not text.strip():
            raise InvalidInput("is missing", place=place, rule="missing")
        if fault := fault_of(text):
            raise InvalidInput("holds what a name does not", place=place, rule=fault)
    _born(asked)


def _born(asked: Answer) -> date:
    """When a new dependent was born: without it nobody would know when the guardian's access ends."""
    if asked.birth_date is None:
        raise InvalidInput("is missing", place="birth_date", rule="missing")
    return asked.birth_date


def _digits(code: str) -> str:
    """Digits as one types them: in any script, with any spaces."""
    return "".join(unicodedata.normalize("NFKC", code).split())


async def _settle(work: Work, codec: FieldCodec, proven: Proven, asked: Answer) -> None:
    holder = await people.account_of(work, codec, proven.channel, proven.contact)
    await work.serve(proven.person_id, proven.clinic_id)
    if proven.clinic_id is None:
        shared = holder not in (None, proven.person_id)
        await people.verify_contact(work, codec, proven.person_id, proven.channel, proven.contact, shared=shared)
        return
    if proven.on_their_own:
        await _welcome(work, codec, proven, await _for_the_patient(work, codec, proven, holder, asked))
        return
    if not await people.is_provisional(work, proven.person_id):
        raise InvalidInput("the booking is somebody's already", place="code", rule="not_good")
    settle = {
        BookedFor.SELF: _for_self,
        BookedFor.DEPENDENT: _for_dependent,
        BookedFor.SOMEONE_NEW: _for_someone_new,
    }[asked.booked_for]
    person = await settle(work, codec, proven, holder, asked)
    await _welcome(work, codec, proven, person)


async def _for_self(work: Work, codec: FieldCodec, proven: Proven, holder: UUID | None, _: Answer) -> UUID:
    """The account that has the contact gets the registration; if there is none, the person becomes one."""
    if holder is None:
        await _open(work, codec, proven, proven.person_id, Role.PATIENT, shared=False)
        return proven.person_id
    await _relink(work, proven, holder, by=holder)
    # Until now they may have been a guardian alone.
    await work.serve(holder, proven.clinic_id)
    await people.open_account(work, holder, Role.PATIENT)
    return holder


async def _for_someone_new(work: Work, codec: FieldCodec, proven: Proven, holder: UUID | None, _: Answer) -> UUID:
    """A person of their own, who is reached by a contact that may be found to be another's."""
    await _open(work, codec, proven, proven.person_id, Role.PATIENT, shared=holder is not None)
    return proven.person_id


async def _for_the_patient(work: Work, codec: FieldCodec, proven: Proven, holder: UUID | None, asked: Answer) -> UUID:
    """The patient for whom the clinic's staff had the code sent, with an account of their own from here on.

    Raises:
        InvalidInput: not on their own any more, or no patient of the clinic; or said to be a dependent.
    """
    if asked.booked_for is BookedFor.DEPENDENT:
        raise InvalidInput("is of age", place="birth_date", rule="of_age")
    person, clinic = proven.person_id, proven.clinic_id or 0
    there = await families.hold(work, person) and await people.is_registered(work, clinic, person)
    if not there or not await families.is_on_their_own(work, person, clinic):
        raise InvalidInput("nobody's to take up any more", place="code", rule="not_good")
    return await _for_someone_new(work, codec, proven, holder, asked)


async def _for_dependent(
    work: Work, codec: FieldCodec, proven: Proven, holder: UUID | None, asked: Answer
) -> UUID:  # fmt: skip
    """The account that has the contact is the guardian; if there is none, it is made.

    Raises:
        InvalidInput: no such dependent of the account, or a new one who is of age: adults agree themselves.
    """
    if asked.dependent is not None:
        dependent = await _dependent_of(work, proven, holder, asked.dependent)
        await _relink(work, proven, dependent, by=holder or dependent)
        return holder or proven.person_id
    if holder is None:
        other = {"email": "phone", "phone": "email"}[proven.channel]
        contact = await people.own_contact(work, codec, proven.person_id, other)
        holder = await people.new_person(work, asked.holder_name, proven.clinic_id or 0)
        await people.store_contacts(work, codec, holder, {other: contact})
        await _open(work, codec, proven, holder, Role.GUARDIAN, shared=False)
    else:
        await work.serve(holder, proven.clinic_id)
        await people.open_account(work, holder, Role.GUARDIAN)
    await work.serve(proven.person_id, proven.clinic_id)
    of_age = await people.guard(work, holder, proven.person_id, asked.relationship, _born(asked))
    if of_age <= datetime.now(UTC).date():
        raise InvalidInput("is of age", place="birth_date", rule="of_age")
    return holder


async def _dependent_of(work: Work, proven: Proven, holder: UUID | None, guardianship: UUID) -> UUID:
    """The dependent of a guardianship that stands today.

    Raises:
        InvalidInput: none of the account's, or not today.
    """
    if holder is not None:
        await work.serve(holder, proven.clinic_id)
        found = await people.guarded(work, holder, guardianship)
        if found is not None:
            dependent: UUID = found["dependent_id"]
            await work.serve(dependent, proven.clinic_id)
            born = await people.birth_date(work, dependent)
            age, agreed = found["majority_age"], found["agreed"]
            if stands(found["starts_on"], found["ends_on"], born, found["today"], age, agreed=agreed):
                return dependent
    raise InvalidInput("no such dependent", place="dependent", rule="not_there")


async def _open(
    work: Work, codec: FieldCodec, proven: Proven, person: UUID, role: Role, *, shared: bool
) -> None:  # fmt: skip
    await people.verify_contact(work, codec, person, proven.channel, proven.contact, shared=shared)
    await people.open_account(work, person, role)


async def _relink(work: Work, proven: Proven, person: UUID, *, by: UUID) -> None:
    await work.serve(proven.person_id, proven.clinic_id)
    await people.relink(work, proven.clinic_id or 0, proven.person_id, person)
    await people.retire(work, proven.person_id, "found to be a person known already", by)


async def _welcome(work: Work, codec: FieldCodec, proven: Proven, person: UUID) -> None:
    """An account that cannot sign in yet gets a link to set its password."""
    await work.serve(person, proven.clinic_id)
    principal_id = await people.account_without_password(work, person)
    if principal_id is None:
        return
    token = secrets.token_urlsafe(32)
    await people.store_link(work, principal_id, hashlib.sha256(token.encode()).digest(), LINK_HOURS)
    address = proven.contact if proven.channel == "email" else None
    message = Message(MessageKind.WELCOME, person, proven.clinic_id, link=f"/password/{token}", address=address)
    await messages.enqueue(work, codec, message)
