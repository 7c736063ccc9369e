"""People and their accounts, as a proven contact changes them. Each statement sees one person and one clinic."""

import base64
import secrets
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api import sealing
from api.gateway import Work
from infra.encryption.blind_index import digests
from infra.encryption.codec import Place
from infra.encryption.columns import ACCOUNT_CONTACT
from infra.encryption.contacts import OF_ACCOUNT, SHARED, canonical
from infra.encryption.data_keys import fresh_key
from infra.encryption.field_codec import FieldCodec
from infra.errors import Refused
from policies.guardianship import of_age_on
from policies.words import Role

_CONTACT_ROW = sql.SQL("""
insert into operational.account_contact (person_id) values (%(person)s) on conflict (person_id) do nothing""")
_LOCK_CONTACT = sql.SQL("""
select phone, email, email_verified_at is not null as email_verified, phone_verified_at is not null as phone_verified
from operational.account_contact where person_id = %(person)s for no key update""")
# A contact that is written is not proven yet.
_WRITE_CONTACT = sql.SQL("""
update operational.account_contact set {channel} = %(sealed)s, {verified} = null, {shared} = false
where person_id = %(person)s""")
_VERIFY_CONTACT = sql.SQL("""
update operational.account_contact
set {channel} = %(sealed)s, {verified} = statement_timestamp(), {shared} = %(shared)s
where person_id = %(person)s""")
_EMPTY_CONTACT = sql.SQL("""
update operational.account_contact set phone = null, email = null where person_id = %(person)s""")
_FORGET_DIGEST = sql.SQL("""
delete from operational.blind_index where person_id = %(person)s and field = any(%(fields)s)""")
# `blind_index.LOOKUP`, and whose account it is.
_ACCOUNT_OF = sql.SQL("""
select distinct p.person_id
from operational.blind_index as i
inner join operational.principal as p on p.person_id = i.person_id and p.disabled_at is null
where i.field = %(field)s
    and (i.key_version, i.digest) in (select * from unnest(%(versions)s::int[], %(digests)s::bytea[]))""")
_PROVISIONAL = sql.SQL("""
select p.person_id from operational.person as p
where p.person_id = %(person)s and p.deleted_at is null and p.verified_at is null
    and not exists (select from operational.principal as a where a.person_id = p.person_id)
for no key update of p""")
_SETTLED = sql.SQL("""
update operational.person set verified_at = statement_timestamp()
where person_id = %(person)s and verified_at is null""")
_NEW_PERSON = sql.SQL("insert into operational.person (person_id, name) values (%(person)s, %(name)s)")
# A provisional person, with whatever is theirs: nobody has proven yet that the contacts are.
_NEWCOMER = sql.SQL("""
with someone as (insert into operational.person (person_id, name) values (%(person)s, %(name)s)),
empty as (insert into operational.profile (person_id) values (%(person)s)),
key as (
    insert into operational.data_key (data_key_id, person_id, wrapped, kek_id, kek_version)
    values (%(data_key_id)s, %(person)s, %(wrapped)s, %(kek_id)s, %(kek_version)s)
),
reached as (
    insert into operational.account_contact (person_id, email, phone) values (%(person)s, %(email)s, %(phone)s)
)
insert into operational.registration (clinic_id, patient_id, person_id, registered_on)
values (%(clinic)s, %(patient)s, %(person)s, %(today)s)""")
_PROFILE = sql.SQL("""
insert into operational.profile (person_id) values (%(person)s) on conflict (person_id) do nothing""")
_RETIRE_PERSON = sql.SQL("""
update operational.person
set deleted_at = statement_timestamp(), deleted_by = %(by)s, delete_reason = %(reason)s
where person_id = %(person)s and not exists (
    select from operational.registration as r where r.person_id = %(person)s and r.deleted_at is null
) and not exists (
    select from operational.principal as a where a.person_id = %(person)s
) and not exists (
    select from operational.guardianship as g where g.dependent_id = %(person)s
)""")
_NEW_ACCOUNT = sql.SQL("""
insert into operational.principal (kind, login, display_name, person_id)
values ('human', %(login)s, %(login)s, %(person)s) on conflict (person_id) do nothing""")
_ACCOUNT = sql.SQL("""
select principal_id, password_hash is null as without_password from operational.principal
where person_id = %(person)s""")
# A role that was taken away does not come back by itself.
_ROLE = sql.SQL("""
insert into operational.principal_role (principal_id, role)
select principal_id, %(role)s from operational.principal where person_id = %(person)s
on conflict (principal_id, role, clinic_id) do nothing""")
_GUARD = sql.SQL("""
insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)
values (%(guardian)s, %(dependent)s, %(relationship)s, (statement_timestamp() at time zone 'UTC')::date)
returning majority_age""")
# A birth date that is known stays; what people say is newer than any file's assertion.
_SAY_BORN = sql.SQL("""
update operational.profile set birth_date = %(birth_date)s, asserted_on = 'infinity', asserted_by = null
where person_id = %(person)s and birth_date is null""")
_GUARDIANSHIP = sql.SQL("""
select dependent_id, starts_on, ends_on, majority_age, agreed, (statement_timestamp() at time zone 'UTC')::date as today
from operational.guardianship where guardianship_id = %(guardianship)s and guardian_id = %(guardian)s""")
_BORN = sql.SQL("select birth_date from operational.profile where person_id = %(person)s")
_THEIR_REGISTRATION = sql.SQL("""
select patient_id from operational.registration
where clinic_id = %(clinic)s and person_id = %(person)s for no key update""")
_FRESH_REGISTRATION = sql.SQL("""
select patient_id from operational.registration
where clinic_id = %(clinic)s and person_id = %(person)s and deleted_at is null for no key update""")
_RELINK = sql.SQL("""
update operational.registration set person_id = %(to)s where clinic_id = %(clinic)s and patient_id = %(patient)s""")
_CASE = sql.SQL("""
insert into operational.merge_case (clinic_id, kept_patient_id, other_patient_id)
values (%(clinic)s, %(kept)s, %(other)s) on conflict (clinic_id, kept_patient_id, other_patient_id) do nothing""")
_LINK = sql.SQL("""
insert into operational.password_link (token_hash, principal_id, expires_at)
values (%(hash)s, %(principal)s, statement_timestamp() + make_interval(hours => %(hours)s))""")


async def register_newcomer(
    work: Work, codec: FieldCodec, person: UUID, name: str, contacts: Mapping[str, str | None], **registration: Any
) -> None:
    """A new person as a patient, with contacts that are not proven yet; the work serves them already.

    `contacts` are in the form of `contacts.canonical`, or None; `registration` is `clinic`, `patient` and `today`.
    """
    key = fresh_key(codec.provider)
    places = {channel: Place(ACCOUNT_CONTACT.place, channel, str(person)) for channel in contacts}
    sealed: dict[str, Any] = {
        channel: codec.seal(key, places[channel], contact.encode()) if contact else None
        for channel, contact in contacts.items()
    }
    work.later(_NEWCOMER, person=person, name=name, **sealed, **vars(key), **registration)


async def store_contacts(work: Work, codec: FieldCodec, person: UUID, contacts: Mapping[str, str | None]) -> None:
    """Keep contacts of the person whom the work serves, not proven yet: nobody is found by them.

    Raises:
        InvalidInput: no phone number or email; names the field.
    """
    await work.run(_CONTACT_ROW, person=person)
    await work.run(_LOCK_CONTACT, person=person)
    for channel, contact in contacts.items():
        if contact:
            await _write(work, codec, _WRITE_CONTACT, person, channel, canonical(channel, contact))
            await work.run(_FORGET_DIGEST, person=person, fields=[OF_ACCOUNT + channel, SHARED + channel])


async def own_contact(work: Work, codec: FieldCodec, person: UUID, channel: str) -> str | None:
    """A contact of the person whom the work serves."""
    rows = await work.run(_LOCK_CONTACT, person=person)
    if not rows or rows[0][channel] is None:
        return None
    keys = await sealing.person_keys(work, codec, person)
    return codec.open(keys, Place(ACCOUNT_CONTACT.place, channel, str(person)), rows[0][channel]).decode()


async def proven_email(work: Work, codec: FieldCodec, person: UUID) -> str | None:
    """The email that the person whom the work serves has proven."""
    rows = await work.run(_LOCK_CONTACT, person=person)
    return await own_contact(work, codec, person, "email") if rows and rows[0]["email_verified"] else None


async def verify_contact(
    work: Work, codec: FieldCodec, person: UUID, channel: str, contact: str, *, shared: bool
) -> None:
    """Keep a proven contact of the person whom the work serves; who has it first signs in by it."""
    await work.run(_CONTACT_ROW, person=person)
    await work.run(_LOCK_CONTACT, person=person)
    await _write(work, codec, _VERIFY_CONTACT, person, channel, contact, shared=shared)
    found_by, other = (SHARED, OF_ACCOUNT) if shared else (OF_ACCOUNT, SHARED)
    is_found = channel == "email" or not shared
    forgotten = [other] if is_found else [found_by, other]
    await work.run(_FORGET_DIGEST, person=person, fields=[kind + channel for kind in forgotten])
    if is_found:
        await sealing.index_contact(work, codec, person, found_by + channel, contact)


async def account_of(work: Work, codec: FieldCodec, channel: str, contact: str) -> UUID | None:
    """The person whose account has verified this contact, first of those who share it."""
    found = await _accounts_by(work, codec, OF_ACCOUNT + channel, contact)
    return found[0] if len(found) == 1 else None


async def accounts_by_email(work: Work, codec: FieldCodec, email: str) -> list[UUID]:
    """Everybody whose account has verified this email, who share it too; in one order, in which they are held."""
    found = [await _accounts_by(work, codec, kind + "email", email) for kind in (OF_ACCOUNT, SHARED)]
    return sorted(set().union(*found))


async def is_provisional(work: Work, person: UUID) -> bool:
    """Whether the person whom the work serves is nobody's account yet, and held as that."""
    return bool(await work.run(_PROVISIONAL, person=person))


async def is_registered(work: Work, clinic_id: int, person: UUID) -> bool:
    """Whether the person whom the work serves is a patient of its clinic, and not deleted; held as that."""
    return bool(await work.run(_FRESH_REGISTRATION, clinic=clinic_id, person=person))


async def open_account(work: Work, person: UUID, *roles: Role) -> None:
    """Make the person whom the work serves an account's, with a login that says nothing of them, and these roles.

    A role that was taken away stays so.
    """
    login = "p-" + base64.b32encode(secrets.token_bytes(7)).decode().lower()[:10]
    await work.run(_NEW_ACCOUNT, login=login, person=person)
    await work.run(_SETTLED, person=person)
    await work.run(_PROFILE, person=person)
    for role in roles:
        await work.run(_ROLE, role=role.value, person=person)


async def account_without_password(work: Work, person: UUID) -> UUID | None:
    """The person's account, if it has no password yet."""
    rows = await work.run(_ACCOUNT, person=person)
    return rows[0]["principal_id"] if rows and rows[0]["without_password"] else None


async def store_link(work: Work, principal_id: UUID, token_hash: bytes, hours: int) -> None:
    """Keep a link that sets the account's password."""
    await work.run(_LINK, hash=token_hash, principal=principal_id, hours=hours)


async def new_person(work: Work, name: str, clinic_id: int) -> UUID:
    """A new person, whom the work serves from now on."""
    person = uuid4()
    await work.serve(person, clinic_id)
    await work.run(_NEW_PERSON, person=person, name=name)
    await work.run(_PROFILE, person=person)
    return person


async def guard(work: Work, guardian: UUID, dependent: UUID, relationship: str, born: date) -> date:
    """Make one person the guardian of another, whom the work serves, from today on; the day that they come of age.

    `born` counts where no birth date is known. That day may have been: then nobody but the dependent may agree.
    """
    await work.run(_PROFILE, person=dependent)
    await work.run(_SAY_BORN, person=dependent, birth_date=born)
    await work.run(_SETTLED, person=dependent)
    await work.run(_EMPTY_CONTACT, person=dependent)
    (begun,) = await work.run(_GUARD, guardian=guardian, dependent=dependent, relationship=relationship)
    return of_age_on(await birth_date(work, dependent), begun["majority_age"])


async def guarded(work: Work, guardian: UUID, guardianship: UUID) -> dict[str, Any] | None:
    """A guardianship of the guardian whom the work serves: the dependent, from when and until when, and today."""
    rows = await work.run(_GUARDIANSHIP, guardian=guardian, guardianship=guardianship)
    return rows[0] if rows else None


async def birth_date(work: Work, person: UUID) -> Any:
    """When the person whom the work serves was born, if that is known."""
    rows = await work.run(_BORN, person=person)
    return rows[0]["birth_date"] if rows else None


async def relink(work: Work, clinic_id: int, provisional: UUID, person: UUID) -> bool:
    """Give a provisional person's registration to a person, or, if they have one, leave both to the clinic's staff.

    The patient's id stays as it was. False if the person had a registration: a case is open then.

    Raises:
        Refused: a registration of theirs came to be meanwhile.
    """
    fresh = await work.run(_FRESH_REGISTRATION, clinic=clinic_id, person=provisional)
    theirs = await work.run(_THEIR_REGISTRATION, clinic=clinic_id, person=person)
    conflict = Refused("registered meanwhile", place="verification", rule="try_again")
    for row in fresh:
        if theirs:
            await work.run(_CASE, clinic=clinic_id, kept=theirs[0]["patient_id"], other=row["patient_id"])
        else:
            await work.run(_RELINK, clinic=clinic_id, patient=row["patient_id"], to=person, conflict=conflict)
    return not theirs


async def retire(work: Work, person: UUID, reason: str, by: UUID) -> None:
    """Mark the person whom the work serves as deleted, unless a registration of theirs is left.

    `by` is a principal, or, where nobody has signed in, the person who has proven to be the other one.
    """
    await work.run(_RETIRE_PERSON, person=person, reason=reason, by=by)


async def _accounts_by(work: Work, codec: FieldCodec, field: str, contact: str) -> list[UUID]:
    made = digests(codec, await sealing.index_keys(work, codec, field), field, contact)
    found = await work.run(_ACCOUNT_OF, field=field, versions=list(made), digests=list(made.values()))
    return [row["person_id"] for row in found]


async def _write(
    work: Work, codec: FieldCodec, statement: sql.SQL, person: UUID, channel: str, contact: str, **values: Any
) -> None:
    newest, *_ = await sealing.person_keys(work, codec, person)
    sealed = codec.seal(newest, Place(ACCOUNT_CONTACT.place, channel, str(person)), contact.encode())
    names = {"channel": channel, "verified": f"{channel}_verified_at", "shared": f"{channel}_shared"}
    query = statement.format(**{name: sql.Identifier(column) for name, column in names.items()})
    await work.run(query, person=person, sealed=sealed, **values)
