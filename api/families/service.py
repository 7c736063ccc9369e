"""How somebody becomes a guardian and ceases to be one, and who sees whose guardians are whose."""

import secrets
from datetime import UTC, datetime

from api.bodies import given
from api.families import repository
from api.families.schemas import (
    Ended,
    Ending,
    Guardian,
    Guardians,
    Guardianship,
    Invitation,
    Joining,
    NewDependent,
    OwnGuardian,
    OwnGuardians,
)
from api.gateway import Access, Caller
from api.me.service import person_of
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.guardianship import of_age_on
from policies.words import Action


async def add_dependent(serving: Services, caller: Caller, asked: NewDependent | None) -> Guardianship:
    """Add a child without an account: a new person, whoever may be known by that name.

    Raises:
        NotThere: the caller is nobody who may have dependents.
        InvalidInput: nothing was sent, or the person is of age: adults agree themselves.
    """
    async with serving.gateway.work(caller, Access(Action.DEPENDENT_ADD, person_of(caller, None))) as work:
        new = given(asked)
        await work.record()
        dependent = await repository.add(work, name=new.name, birth_date=new.birth_date, sex=new.sex)
        guardianship, age = await repository.begin(work, dependent, new.relationship)
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
        row = await repository.invite(work, person, code)
    return Invitation(**row, code=code)


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
        dependent, agreed = await repository.redeem(work, joining.code)
        guardianship, _ = await repository.begin(work, dependent, joining.relationship, agreed=agreed)
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
        await repository.let_go(work, person, ending.reason)
    return Ended(**ended)


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
