"""Guardianships and invitations to them, each in the context of the dependent it is about."""

from datetime import date
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Grant, Work
from api.idempotency import Once, done_before
from api.me.statements import STANDS, TODAY, statement
from infra.errors import NotThere, Refused
from policies.words import Action, DeletionReason

STANDING = f"""
from operational.guardianship as g
left join operational.profile as q on q.person_id = g.dependent_id
where {STANDS}"""
_PERSON = sql.SQL("insert into operational.person (person_id, name) values (%(person)s, %(name)s)")
_PROFILE = sql.SQL("""
insert into operational.profile (person_id, birth_date, sex, asserted_on)
values (%(person)s, %(birth_date)s, %(sex)s, 'infinity')""")
_EMPTY_PROFILE = sql.SQL("insert into operational.profile (person_id) values (%(person)s) on conflict do nothing")
_BEGIN = sql.SQL(f"""
insert into operational.guardianship
    (guardian_id, dependent_id, relationship, starts_on, agreed, basis, ends_on, key_digest, request_digest)
values (%(guardian)s, %(dependent)s, %(relationship)s, {TODAY}, %(agreed)s, %(basis)s, %(ends_on)s, %(key)s,
    %(request)s)
returning guardianship_id, majority_age""")  # nosec B608 # constants
_ADDED = sql.SQL("""
select guardianship_id as id, request_digest from operational.guardianship
where guardian_id = %(guardian)s and key_digest = %(key)s""")
_ROLE = sql.SQL("""
insert into operational.principal_role as r (principal_id, role) values (%(principal)s, 'guardian')
on conflict (principal_id, role, clinic_id) do update set role = excluded.role where r.revoked_at is null
returning r.role""")
_FOUND = sql.SQL("p.version")
_IS_GUARDIAN = sql.SQL(
    f"select g.guardianship_id {STANDING} and g.dependent_id = %(dependent)s and g.guardian_id = %(guardian)s"
)  # nosec B608 # constants
# Guardians come and leave one after the other, so that the last one is known.
_HOLD = sql.SQL("""
select person_id from operational.person where person_id = %(dependent)s and deleted_at is null for no key update""")
_END = sql.SQL(f"""
update operational.guardianship as g
set ends_on = {TODAY}, was_until = g.ends_on, ended_by = %(by)s, end_reason = %(reason)s
from operational.profile as q
where g.guardianship_id = %(guardianship)s and g.dependent_id = %(dependent)s and q.person_id = g.dependent_id
    and {STANDS}
returning g.guardianship_id as id, g.ends_on, g.guardian_id""")  # nosec B608 # constants
_CARED_FOR = sql.SQL(f"""
select
    exists (select {STANDING} and g.dependent_id = %(dependent)s)
    or exists (select from operational.principal as a where a.person_id = %(dependent)s) as cared_for""")  # nosec B608 # constants
_REGISTERED = sql.SQL("""
select patient_id from operational.registration where person_id = %(dependent)s and deleted_at is null limit 1""")
_ELSEWHERE = sql.SQL("""
select clinic_id from operational.registration where person_id = %(person)s and clinic_id <> %(clinic)s limit 1""")
_DELETE = sql.SQL("""
update operational.person set deleted_at = clock_timestamp(), deleted_by = %(by)s, delete_reason = %(reason)s
where person_id = %(person)s and deleted_at is null""")
_OF_AGE = sql.SQL(f"""
select exists (
    select from operational.profile as q
    where q.person_id = %(person)s and {TODAY} >= (q.birth_date + make_interval(years => coalesce((
        select min(operational.majority_age(k.country))
        from operational.registration as r inner join operational.clinic as k on k.clinic_id = r.clinic_id
        where r.person_id = q.person_id and r.deleted_at is null and k.country <> 'ZZ'
    ), operational.majority_age('ZZ'))))::date
) as of_age""")  # nosec B608 # constants
_OWN_GUARDIANS = sql.SQL(f"""
select g.guardianship_id as id, p.name, g.relationship, g.starts_on as since, g.basis, g.ends_on as until
from operational.guardianship as g
inner join operational.person as p on p.person_id = g.guardian_id and p.deleted_at is null
left join operational.profile as q on q.person_id = g.dependent_id
where g.dependent_id = %(me)s and {STANDS}""")  # nosec B608 # constants
_PATIENT = sql.SQL("""
select r.patient_id, r.person_id
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
where r.patient_id = %(patient)s and r.clinic_id = %(clinic_id)s and r.deleted_at is null""")
_GUARDIANS = sql.SQL(f"""
select g.guardian_id, g.relationship, g.starts_on as since, g.basis, g.ends_on as until
{STANDING} and g.dependent_id = %(dependent)s
order by g.starts_on, g.guardianship_id""")  # nosec B608 # constants
# The account holder comes first: who has been a guardian the longest.
_STANDING = sql.SQL(f"""
select g.guardianship_id as id, g.guardian_id, g.relationship, g.starts_on as since {STANDING}
    and g.dependent_id = %(dependent)s
order by g.starts_on, g.begun_at, g.guardianship_id""")  # nosec B608 # constants
_NAME = sql.SQL("select name from operational.person where person_id = %(person)s and deleted_at is null")


async def add(work: Work, *, name: str, birth_date: date, sex: str) -> UUID:
    """A new person with a profile, as whom the work goes on."""
    person = uuid4()
    await work.run(_PERSON, person=person, name=name)
    await work.run(_PROFILE, person=person, birth_date=birth_date, sex=sex)
    await work.serve(person)
    return person


async def added(work: Work, request: Once | None) -> UUID | None:
    """The guardianship that this request of the caller's has led to already: see `done_before`."""
    return await done_before(work, request, _ADDED, guardian=work.caller.principal.person_id)


async def begin(
    work: Work,
    dependent: UUID,
    relationship: str,
    *,
    agreed: bool = False,
    basis: str | None = None,
    ends_on: date | None = None,
    request: Once | None = None,
) -> tuple[UUID, int]:
    """Make the caller a guardian from today on, in the dependent's context; its id and the age at which it ends.

    One that an adult dependent agreed to ends at no age, one on a legal basis on its day.

    Raises:
        NotThere: the dependent went with the last guardian meanwhile.
        Refused: they are one already, or were one until today, or the role was taken from them.
    """
    guardian, principal = work.caller.principal.person_id, work.caller.principal.principal_id
    if not await hold(work, dependent):
        raise NotThere("no such thing")
    conflict = Refused("a guardian already", place="body", rule="guardian_already")
    if await is_guardian(work, dependent, guardian):
        raise conflict
    await work.run(_EMPTY_PROFILE, person=dependent)
    values: dict[str, Any] = {"relationship": relationship, "agreed": agreed, "basis": basis, "ends_on": ends_on}
    values |= {"key": request and request.key, "request": request and request.request}
    (row,) = await work.run(_BEGIN, conflict=conflict, guardian=guardian, dependent=dependent, **values)
    # Who took the role away gives it back.
    if not await work.run(_ROLE, principal=principal):
        raise Refused("may be nobody's guardian", place="body", rule="role_revoked")
    return row["guardianship_id"], row["majority_age"]


async def hold(work: Work, dependent: UUID) -> bool:
    """Have whoever becomes or ceases to be the guardian of somebody wait until this work is done; False if deleted."""
    return bool(await work.run(_HOLD, dependent=dependent))


async def is_guardian(work: Work, dependent: UUID, guardian: UUID | None) -> bool:
    """Whether somebody is a guardian of the dependent today, in whose context the work is."""
    return bool(await work.run(_IS_GUARDIAN, dependent=dependent, guardian=guardian))


async def find(work: Work, action: Action, dependent: UUID | None, *, own: bool) -> UUID:
    """The caller or a dependent of today.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    found = await work.find(_found(action, own), me=work.caller.principal.person_id, dependent=dependent)
    person: UUID = found["person_id"]
    return person


async def is_of_age(work: Work, person: UUID) -> bool:
    """Whether a person, in whose context the work is, is known to be of age."""
    (row,) = await work.run(_OF_AGE, person=person)
    return bool(row["of_age"])


async def check_of_age(work: Work, person: UUID) -> None:
    """See that a person, in whose context the work is, is known to be of age: others agree to nobody, and end nothing.

    Raises:
        Refused: not of age, or of no known birth date.
    """
    if not await is_of_age(work, person):
        raise Refused("not known to be of age", rule="not_of_age", place="profile.birth_date")


async def check_inviting(work: Work, person: UUID, *, own: bool) -> None:
    """See that an adult alone invites guardians of themselves, and guardians only further ones of a minor.

    Raises:
        Refused: not known to be of age, or, where a guardian invites, known to be.
    """
    if own:
        await check_of_age(work, person)
    elif await is_of_age(work, person):
        raise Refused("of age", rule="of_age", place="path.dependent")


async def end(work: Work, guardianship: UUID | None, dependent: UUID, reason: DeletionReason) -> dict[str, Any]:
    """End a guardianship of a dependent, in whose context the work is, from today on.

    Raises:
        NotThere: no such guardianship of today.
    """
    by = work.caller.principal.person_id or work.caller.principal.principal_id
    await work.run(_HOLD, dependent=dependent)
    rows = await work.run(_END, guardianship=guardianship, dependent=dependent, by=by, reason=reason.value)
    if not rows:
        raise NotThere("no such thing")
    return rows[0]


async def let_go(work: Work, dependent: UUID, reason: DeletionReason) -> bool:
    """Mark a dependent as deleted whom nobody cares for any more, if no clinic knows them; whether it was done.

    Raises:
        Refused: a clinic's patient would be left without anybody.
    """
    (state,) = await work.run(_CARED_FOR, dependent=dependent)
    if state["cared_for"]:
        return False
    await work.run(_DELETE, person=dependent, by=work.caller.principal.person_id, reason=reason.value)
    # Afterwards: whoever brought a registration back meanwhile was waited for.
    if await work.run(_REGISTERED, dependent=dependent):
        raise Refused("a patient of a clinic needs a guardian", place="path.dependent", rule="last_guardian")
    return True


async def is_on_their_own(work: Work, person: UUID, clinic_id: int) -> bool:
    """Whether somebody, in whose context the work is, is known to be of age, with no account and no guardian of today.

    And was never a patient of another clinic, which this one has no say over. To act on it, `hold` them first.
    """
    (state,) = await work.run(_CARED_FOR, dependent=person)
    if state["cared_for"] or await work.run(_ELSEWHERE, person=person, clinic=clinic_id):
        return False
    return await is_of_age(work, person)


async def own_guardians(grant: Grant) -> list[dict[str, Any]]:
    """The caller's guardians of today."""
    return await grant.read(_OWN_GUARDIANS, sql.SQL("name, id"), me=grant.caller.principal.person_id)


async def co_guardians(work: Work, dependent: UUID) -> list[dict[str, Any]]:
    """The other guardians of a dependent, in whose context the work is, for the account holder; nobody's contacts.

    Guardians come and go one after the other meanwhile.

    Raises:
        NotThere: the caller does not hold the account.
    """
    await work.run(_HOLD, dependent=dependent)
    standing = await work.run(_STANDING, dependent=dependent)
    if not standing or standing[0]["guardian_id"] != work.caller.principal.person_id:
        raise NotThere("no such thing")
    return await _named(work, standing[1:])


async def guardians(work: Work, clinic_id: int, patient: UUID | None) -> list[dict[str, Any]]:
    """The guardians of a clinic's patient by name, recorded as a disclosure of the patient.

    Raises:
        NotThere: no such patient of the clinic.
    """
    return await guardians_of(work, await person_of_patient(work, clinic_id, patient))


async def person_of_patient(work: Work, clinic_id: int, patient: UUID | None) -> UUID:
    """The person who is a clinic's patient, as whom the work goes on; recorded as a disclosure of the patient.

    Raises:
        NotThere: no such patient of the clinic.
    """
    rows = await work.run(_PATIENT, patient=patient, clinic_id=clinic_id)
    if not rows:
        raise NotThere("no such thing")
    await work.record(rows[0]["patient_id"])
    person: UUID = rows[0]["person_id"]
    await work.serve(person)
    return person


async def guardians_of(work: Work, dependent: UUID) -> list[dict[str, Any]]:
    """The guardians of somebody, in whose context the work is, by name."""
    return await _named(work, await work.run(_GUARDIANS, dependent=dependent))


async def _named(work: Work, guardians: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Guardians with their names, each of which shows in that person's own context alone."""
    found = []
    for row in guardians:
        await work.serve(row["guardian_id"])
        found += [{**row, **named} for named in await work.run(_NAME, person=row["guardian_id"])]
    return found


@cache
def _found(action: Action, own: bool) -> str:
    return statement(action, _FOUND, own=own)
