"""How an adult comes to have a guardian by law, who says no to it, and how it ends."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from api.bodies import given
from api.families import repository as families
from api.gateway import Access, Caller, Work
from api.legal_guardians import repository
from api.legal_guardians.schemas import (
    Confirmed,
    Confirming,
    Contested,
    EndingByLaw,
    LegalGuardian,
    LegalGuardians,
    OwnLegalGuardian,
    OwnLegalGuardians,
    Proposed,
    Proposing,
)
from api.me.service import person_of
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.guardianship import years_after
from policies.words import Action

LONGEST_YEARS = 5
_NAMED = frozenset({"name", "email"})


async def propose(serving: Services, caller: Caller, clinic: str, patient: str, asked: Proposing | None) -> Proposed:
    """Propose a guardian by law of an adult; it gives nothing until a manager of the clinic confirms it.

    Raises:
        NotThere: no such patient, or not the caller's to do.
        InvalidInput: nothing was sent, or a day that is over or more than five years ahead.
        Refused: the patient is not known to be of age.
    """
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_APPOINT, Resource(clinic, patient=True))) as work:
        if work.clinic is None:
            raise NotThere("no such thing")
        person = await families.person_of_patient(work, work.clinic.clinic_id, as_id(patient))
        law = given(asked)
        today = datetime.now(UTC).date()
        if law.until <= today:
            raise InvalidInput("no such day", place="body.until", rule="past")
        if law.until > years_after(today, LONGEST_YEARS):
            raise InvalidInput("no such day", place="body.until", rule="too_far_ahead")
        await families.check_of_age(work, person)
        row = await repository.propose(work, serving.codec, person, law.basis, law.until, law.email)
    return Proposed(**row)


async def review(serving: Services, caller: Caller, clinic: str) -> LegalGuardians:
    """What is proposed, confirmed or stands at a clinic: to its managers by name, to admins by the clinic's ids alone.

    Raises:
        NotThere: not the caller's to see.
    """
    named = Access(Action.GUARDIAN_REVIEW, Resource(clinic), _NAMED)
    naming = serving.gateway.permits(caller.principal, named)
    access = named if naming else Access(Action.GUARDIAN_REVIEW, Resource(clinic))
    async with serving.gateway.work(caller, access) as work:
        rows = await repository.at_clinic(work, serving.codec, naming=naming)
    return LegalGuardians(guardians=[LegalGuardian(**row) for row in rows])


async def confirm(
    serving: Services, caller: Caller, clinic: str, legal_guardian: str, asked: Confirming | None
) -> Confirmed:
    """Confirm a proposal by what it rests on. The code goes to the guardian's address, and the adult is told.

    Raises:
        NotThere: no such proposal that waits, or not the caller's to confirm.
        InvalidInput: nothing was sent.
        Refused: the caller proposed it, or was made a manager by who did, or by an admin of late; or the patient is not
            known to be of age.
    """
    code = secrets.token_urlsafe(24)
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_CONFIRM, Resource(clinic))) as work:
        found = await repository.find(work, as_id(legal_guardian))
        seen = given(asked)
        await families.check_of_age(work, found["dependent_id"])
        row = await repository.confirm(work, serving.codec, found, seen.document, code)
        about = {"clinic_id": work.clinic_id, "patient_id": found["patient"], "about_id": found["id"]}
        sent = Message(
            MessageKind.GUARDIAN_CODE, found["dependent_id"], link="guardians", code=code, address=row.pop("email"),
            confidential=True, **about,
        )  # fmt: skip
        await messages.enqueue(work, serving.codec, sent)
        await _tell(serving, work, found["dependent_id"])
    return Confirmed(**row)


async def end(
    serving: Services, caller: Caller, clinic: str, legal_guardian: str, asked: EndingByLaw | None
) -> None:  # fmt: skip
    """End a guardianship by law today, or take back what nobody has redeemed; adult and guardian are told.

    Raises:
        NotThere: no such one that has not ended, or not the caller's to end.
        InvalidInput: nothing was sent.
    """
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_REVOKE, Resource(clinic))) as work:
        found = await repository.find(work, as_id(legal_guardian))
        ending, told = given(asked), [found["dependent_id"]]
        if not await repository.revoke(work, found["id"], ending.reason):
            guardianship = await repository.guardianship_of(work, found["id"])
            ended = await families.end(work, guardianship, found["dependent_id"], ending.reason)
            told.append(ended["guardian_id"])
        await _tell(serving, work, *told)


async def list_own(serving: Services, caller: Caller) -> OwnLegalGuardians:
    """The caller's guardians by law: proposed, confirmed, standing and ended.

    Raises:
        NotThere: the caller is no patient.
    """
    async with serving.gateway.open(caller, Access(Action.GUARDIAN_LIST, person_of(caller, None))) as grant:
        rows = await repository.own(grant)
    return OwnLegalGuardians(guardians=[OwnLegalGuardian(**row) for row in rows])


async def contest(serving: Services, caller: Caller, legal_guardian: str) -> Contested:
    """Say that a guardianship by law is not so: those who can end it see that, and are told.

    Raises:
        NotThere: no such one of the caller's that has not ended, or contested already.
    """
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_CONTEST, person_of(caller, None))) as work:
        row = await repository.contest(work, as_id(legal_guardian))
        clinic = row.pop("clinic_id")
        if clinic is not None:
            work.name_clinic(clinic)
        work.name_resource(str(row["id"]))
        await work.record()
        for person in await repository.watching(work, clinic):
            await work.serve(person)
            notice = Message(MessageKind.GUARDIAN_CONTESTED, person, link="clinics", confidential=True)
            await messages.enqueue(work, serving.codec, notice)
    return Contested(**row)


async def _tell(serving: Services, work: Work, *people: UUID) -> None:
    """Tell people that who cares for whom changes; never an adult's other guardians."""
    for person in people:
        await work.serve(person)
        notice = Message(MessageKind.GUARDIAN_NOTICE, person, link="guardians", confidential=True)
        await messages.enqueue(work, serving.codec, notice)
