"""How somebody becomes a guardian and ceases to be one, and who sees whose guardians are whose."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from api.bodies import given
from api.editing.repository import take_out_entered
from api.families import contact_repository as contacts
from api.families import invitation_repository as invitations
from api.families import repository
from api.families import restoring_repository as restoring
from api.families.schemas import (
    Ended,
    Ending,
    Guardian,
    GuardianContact,
    GuardianContacts,
    Guardians,
    Guardianship,
    Invitation,
    Joining,
    NewDependent,
    OwnGuardian,
    OwnGuardians,
)
from api.gateway import Access, Caller, Work
from api.idempotency import once
from api.me.service import person_of
from api.messages import repository as messages
from api.messages.port import Message, MessageKind
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.guardianship import of_age_on
from policies.words import Action

_CONTACT_FIELDS = frozenset({"name", "phone", "email"})


async def add_dependent(
    serving: Services, caller: Caller, asked: NewDependent | None, key: str | None = None
) -> Guardianship:
    """Add a child without an account: a new person, whoever may be known by that name; by the same key once.

    Raises:
        NotThere: the caller is nobody who may have dependents.
        InvalidInput: nothing was sent, or the person is of age: adults agree themselves; the key was another request's.
    """
    async with serving.gateway.work(caller, Access(Action.DEPENDENT_ADD, person_of(caller, None))) as work:
        new = given(asked)
        request = once(serving.digests, key, "dependent", new.model_dump_json())
        await work.record()
        if (known := await repository.added(work, request)) is not None:
            return Guardianship(id=known)
        dependent = await repository.add(work, name=new.name, birth_date=new.birth_date, sex=new.sex)
        guardianship, age = await repository.begin(work, dependent, new.relationship, request=request)
        if of_age_on(new.birth_date, age) <= datetime.now(UTC).date():
            raise InvalidInput("is of age", place="body.birth_date", rule="of_age")
    return Guardianship(id=guardianship)


async def invite(serving: Services, caller: Caller, dependent: str | None = None) -> Invitation:
    """A code by which somebody becomes a guardian of the caller, or a further one of a dependent.

    Raises:
        NotThere: no such dependent, or not the caller's today.
        Refused: the caller, for themselves, is not known to be of age; a dependent is, and invites alone.
    """
    code = secrets.token_urlsafe(24)
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_INVITE, person_of(caller, dependent))) as work:
        person = await repository.find(work, Action.GUARDIAN_INVITE, as_id(dependent or ""), own=dependent is None)
        await repository.check_inviting(work, person, own=dependent is None)
        row = await invitations.invite(work, person, code)
    return Invitation(**row, code=code)


async def uninvite(serving: Services, caller: Caller, invitation: str, dependent: str | None = None) -> None:
    """Take back an invitation that nobody has used.

    Raises:
        NotThere: no such invitation that is still good, or not the caller's to take back.
    """
    action, own = Action.GUARDIAN_UNINVITE, dependent is None
    async with serving.gateway.work(caller, Access(action, person_of(caller, dependent))) as work:
        person = await repository.find(work, action, as_id(dependent or ""), own=own)
        await invitations.uninvite(work, person, as_id(invitation), own=own)


async def join(serving: Services, caller: Caller, asked: Joining | None) -> Guardianship:
    """Become a guardian by the code of an invitation.

    Raises:
        NotThere: no such code, or it is good no longer.
        InvalidInput: nothing was sent.
        Refused: a guardian already, or oneself's.
    """
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_JOIN, person_of(caller, None))) as work:
        joining = given(asked)
        await work.record()
        invited = await invitations.redeem(work, serving.codec, joining.code)
        guardianship, _ = await repository.begin(
            work,
            invited.dependent,
            joining.relationship,
            agreed=invited.agreed,
            basis=invited.basis,
            ends_on=invited.ends_on,
        )
        await invitations.began(work, invited.invitation_id, guardianship)
        await _tell(serving, work, *{invited.dependent, invited.made_by or invited.dependent})
    return Guardianship(id=guardianship)


async def leave(serving: Services, caller: Caller, dependent: str, asked: Ending | None) -> Ended:
    """Cease to be a guardian; a dependent whom nobody else and no clinic knows is marked as deleted.

    Raises:
        NotThere: no such dependent, or not the caller's today.
        InvalidInput: nothing was sent.
        Refused: a patient of a clinic would be left without anybody.
    """
    async with serving.gateway.work(caller, Access(Action.DEPENDENT_LEAVE, person_of(caller, dependent))) as work:
        ending = given(asked)
        person = await repository.find(work, Action.DEPENDENT_LEAVE, as_id(dependent), own=False)
        ended = await repository.end(work, as_id(dependent), person, ending.reason)
        if not await repository.let_go(work, person, ending.reason):  # whoever is restored has them again
            await take_out_entered(work, serving.codec, person, ended["guardian_id"])
        await _tell(serving, work, person)
    return Ended(**ended)


async def restore(serving: Services, caller: Caller, dependent: str) -> None:
    """Bring back a dependent who was deleted when the last guardian left, and that guardian with them.

    Raises:
        NotThere: nobody was deleted with this guardianship, or not the caller's to bring back.
    """
    async with serving.gateway.work(caller, Access(Action.DEPENDENT_RESTORE)) as work:
        guardian = await restoring.restore(work, as_id(dependent))
        work.name_resource(dependent)
        await work.record()
        await _tell(serving, work, guardian)


async def list_own_guardians(serving: Services, caller: Caller) -> OwnGuardians:
    """Who manages the caller today.

    Raises:
        NotThere: the caller is no patient.
    """
    async with serving.gateway.open(caller, Access(Action.GUARDIAN_LIST, person_of(caller, None))) as grant:
        rows = await repository.own_guardians(grant)
    return OwnGuardians(guardians=[OwnGuardian(**row) for row in rows])


async def end_guardian(serving: Services, caller: Caller, guardianship: str, asked: Ending | None) -> Ended:
    """End a guardianship over the caller: an agreement is taken back like this.

    Raises:
        NotThere: no such guardianship of today over the caller.
        InvalidInput: nothing was sent.
        Refused: the caller is not known to be of age.
    """
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_END, person_of(caller, None))) as work:
        ending = given(asked)
        me = caller.principal.person_id
        if me is None:
            raise NotThere("no such thing")
        await work.record()
        await repository.check_of_age(work, me)
        ended = await repository.end(work, as_id(guardianship), me, ending.reason)
        await take_out_entered(work, serving.codec, me, ended["guardian_id"])
        await _tell(serving, work, ended["guardian_id"])
    return Ended(**ended)


async def list_co_guardians(serving: Services, caller: Caller, dependent: str) -> OwnGuardians:
    """A dependent's other guardians of today, by name.

    Raises:
        NotThere: no such dependent of today, or the caller does not hold the account.
    """
    action = Action.CO_GUARDIAN_LIST
    async with serving.gateway.work(caller, Access(action, person_of(caller, dependent))) as work:
        person = await repository.find(work, action, as_id(dependent), own=False)
        rows = await repository.co_guardians(work, person)
    return OwnGuardians(guardians=[OwnGuardian(**row) for row in rows])


async def end_co_guardian(
    serving: Services, caller: Caller, dependent: str, guardianship: str, asked: Ending | None
) -> Ended:
    """End the guardianship of another guardian of a dependent, who is told.

    Raises:
        NotThere: no such dependent of today, or other guardian of theirs, or the caller does not hold the account.
        InvalidInput: nothing was sent.
        Refused: the dependent is of age, and ends it themselves.
    """
    action, which = Action.CO_GUARDIAN_END, as_id(guardianship)
    async with serving.gateway.work(caller, Access(action, person_of(caller, dependent))) as work:
        ending = given(asked)
        person = await repository.find(work, action, as_id(dependent), own=False)
        others = await repository.co_guardians(work, person)
        if which not in {other["id"] for other in others}:
            raise NotThere("no such thing")
        await work.serve(person)
        await repository.check_inviting(work, person, own=False)
        ended = await repository.end(work, which, person, ending.reason)
        await take_out_entered(work, serving.codec, person, ended["guardian_id"])
        await _tell(serving, work, person, ended["guardian_id"])
    return Ended(**ended)


async def list_guardians(serving: Services, caller: Caller, clinic: str, patient: str) -> Guardians:
    """Who manages a patient of a clinic: names, no contacts.

    Raises:
        NotThere: no such patient, or not the caller's to ask for.
    """
    async with serving.gateway.work(caller, Access(Action.GUARDIAN_CHECK, Resource(clinic, patient=True))) as work:
        if work.clinic is None:
            raise NotThere("no such thing")
        rows = await repository.guardians(work, work.clinic.clinic_id, as_id(patient))
    return Guardians(guardians=[Guardian(**row) for row in rows])


async def list_guardian_contacts(serving: Services, caller: Caller, clinic: str, patient: str) -> GuardianContacts:
    """How the clinic reaches who manages a patient.

    Raises:
        NotThere: no such patient, or one who does not share with the clinic, or not the caller's to ask for.
    """
    access = Access(Action.GUARDIAN_CONTACT, Resource(clinic, patient=True), _CONTACT_FIELDS)
    async with serving.gateway.work(caller, access) as work:
        rows = await contacts.reachable(work, serving.codec, as_id(patient))
    return GuardianContacts(guardians=[GuardianContact(**row) for row in rows])


async def _tell(serving: Services, work: Work, *people: UUID) -> None:
    """Tell people that who cares for whom has changed; never a dependent's other guardians, who know nothing of it."""
    for person in people:
        await work.serve(person)
        notice = Message(MessageKind.GUARDIAN_NOTICE, person, link="guardians", confidential=True)
        await messages.enqueue(work, serving.codec, notice)
