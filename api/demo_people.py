"""Whom the personal accounts of a demo belong to: people of the sample who have something to do, and an address."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID

import psycopg

from api.accounts import clinic_id_of, give_role, store_principal
from api.identity.passwords import hasher
from infra.database import Server, connect, set_context
from infra.encryption.blind_index import digests, write_digests
from infra.encryption.codec import Place
from infra.encryption.contacts import OF_ACCOUNT
from infra.encryption.data_keys import index_keys, people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import KeyProvider
from infra.roles import Login
from policies.words import Role

# The busiest first: forms to fill, appointments to come, a plan that runs; nobody who has an account.
_PEOPLE = """
select r.person_id
from operational.registration as r
where
    r.clinic_id = %(clinic)s and r.deleted_at is null
    and not exists (select from operational.principal as p where p.person_id = r.person_id)
order by
    least((
        select count(*) from operational.form as f
        where f.clinic_id = r.clinic_id and f.patient_id = r.patient_id and f.status in ('pending', 'in_progress')
    ), 2) + 2 * least((
        select count(*) from operational.appointment as a
        where
            a.clinic_id = r.clinic_id and a.patient_id = r.patient_id and a.status = 'booked'
            and a.starts_at > statement_timestamp()
    ), 1) + (
        exists (
            select from operational.treatment_plan as t
            where
                t.clinic_id = r.clinic_id and t.patient_id = r.patient_id and t.deleted_at is null
                and coalesce(t.ends_on, current_date) >= current_date
        )
    )::int desc,
    r.patient_id"""
# Of those who have no account; one of the people whom the transaction works for.
_GUARDIAN = """
select g.guardian_id, g.dependent_id from operational.guardianship as g
where g.starts_on <= current_date and (g.ends_on is null or g.ends_on > current_date)"""
_TAKEN = "select true from operational.principal where person_id = %s"
_SPECIALIST = """
select d.name
from operational.specialist as d
where
    d.clinic_id = %(clinic)s and d.is_active
    and not exists (
        select from operational.specialist_name as s
        where s.clinic_id = d.clinic_id and s.name = d.name and s.unlinked_at is null
    )
order by
    (
        select count(*) from operational.appointment as a
        where a.clinic_id = d.clinic_id and a.specialist = d.name and a.starts_at > statement_timestamp()
    ) desc,
    d.name
limit 1"""
_PERSON = "select person_id from operational.principal where login = %s and person_id is not null"
# As if a code had proven it: nothing is sent to an account before.
_ADDRESS = """
insert into operational.account_contact as a (person_id, email, email_verified_at)
values (%s, %s, statement_timestamp())
on conflict (person_id) do update set email = excluded.email, email_verified_at = excluded.email_verified_at
where a.email is null"""
_OWN = "update operational.principal set person_id = %s where principal_id = %s"


def make_own(at: Server, clinic: str, role: Role, login: str, password: str) -> bool:
    """Give somebody of a clinic a patient's or a guardian's account; False if there is nobody left to have one."""
    with _of_clinic(at, clinic) as (connection, clinic_id):
        find = _guardians if role is Role.GUARDIAN else _patients
        person = next(find(connection, clinic_id), None)
        if person is None:
            return False
        principal = store_principal(connection, "human", login, login, hasher().hash(password))
        connection.execute(_OWN, [person, principal])
        for held in {Role.PATIENT, role}:
            give_role(connection, principal, held, None)
        return True


def give_address(at: Server, keys: KeyProvider, login: str) -> None:
    """Have a person's account be reached and found by an email of the demo's own, unless it has one."""
    email, codec = f"{login}@demo.example", FieldCodec(keys)
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(_PERSON, [login]).fetchone()
        if row is None:
            return
        person: UUID = row[0]
        set_context(connection, person_id=person)
        key = people_keys(connection, keys, [person])[person][0]
        sealed = codec.seal(key, Place("operational.account_contact", "email", str(person)), email.encode())
        if connection.execute(_ADDRESS, [person, sealed]).rowcount:
            field = f"{OF_ACCOUNT}email"
            found = digests(codec, index_keys(connection, keys, field), field, email)
            write_digests(connection, [(person, field, version, digest) for version, digest in found.items()])


def unlinked_specialist(at: Server, clinic: str) -> str | None:
    """The specialist of a clinic's records with the most to come whom no account stands for."""
    with _of_clinic(at, clinic) as (connection, clinic_id):
        row = connection.execute(_SPECIALIST, {"clinic": clinic_id}).fetchone()
    return str(row[0]) if row else None


def _patients(connection: psycopg.Connection, clinic_id: int) -> Iterator[UUID]:
    """Those who have no guardian and are none."""
    for person, family in _families(connection, clinic_id):
        if not family:
            yield person


def _guardians(connection: psycopg.Connection, clinic_id: int) -> Iterator[UUID]:
    """The guardians of a clinic's patients, who have no account themselves."""
    for person, family in _families(connection, clinic_id):
        for guardian, dependent in family:
            if dependent == person and connection.execute(_TAKEN, [guardian]).fetchone() is None:
                yield guardian


def _families(connection: psycopg.Connection, clinic_id: int) -> Iterator[tuple[UUID, list[tuple[UUID, UUID]]]]:
    """The people of a clinic, each with the guardianships that they are part of."""
    people = connection.execute(_PEOPLE, {"clinic": clinic_id}).fetchall()
    for (person,) in people:
        set_context(connection, person_id=person)
        yield person, _rows(connection, _GUARDIAN)


def _rows(connection: psycopg.Connection, query: LiteralString) -> list[tuple[UUID, UUID]]:
    return connection.execute(query).fetchall()


@contextmanager
def _of_clinic(at: Server, clinic: str) -> Iterator[tuple[psycopg.Connection, int]]:
    with connect(Login.SERVICE, at=at) as connection:
        clinic_id = clinic_id_of(connection, clinic)
        set_context(connection, clinic_id=clinic_id)
        yield connection, clinic_id
