"""Segments of made-up patients who can be written to, or cannot for one reason each, and messages to them."""

import json
import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from access_world import RULES, Api, World, sign_in

from api.identity.sealed import codec_of
from infra.database import connect, connect_admin
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys
from infra.roles import Login
from policies.words import ConsentPurpose

NEWS = {"subject": "Opening times", "text": "We open at eight from May on.\nAlso for {you}."}
BOTH = tuple(ConsentPurpose)


@dataclass
class Crowd:
    """A segment of north, put there by hand, and its members by name."""

    world: World
    slug: str
    patients: dict[str, UUID] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/v1/clinics/north/segments/{self.slug}"

    def add(
        self,
        name: str,
        *,
        signed: tuple[ConsentPurpose, ...] = BOTH,
        verified: bool | None = True,
        shared_email: bool = False,
        account: bool = False,
        guardian: str | None = None,
    ) -> UUID:
        """One more member, with an email of the account (verified or not; none if None) and one of the profile."""
        person, patient, key = uuid4(), uuid4(), f"{self.slug} {name}"
        self.world.people[key], self.patients[name] = person, patient
        with connect_admin(self.world.server) as admin:
            self._register(admin, person, patient, "2020-02-01" if guardian else "1950-02-01")
            if account:
                admin.execute(_ACCOUNT, [str(person), person])
            if guardian:
                admin.execute(_GUARDED, [self.world.people[guardian], person])
            for purpose in signed:
                admin.execute(_SIGNED, [self.world.clinic_ids["north"], person, purpose.value, person])
        emails = {"account_contact": f"{name}@account.example"} if verified is not None else {}
        emails |= {"profile": f"{name}@profile.example"} if shared_email else {}
        self._email(person, emails, proven=bool(verified))
        return patient

    def _register(self, admin: psycopg.Connection, person: UUID, patient: UUID, birth: str) -> None:
        admin.execute("insert into operational.person (person_id, name) values (%s, 'Canary Member')", [person])
        admin.execute("insert into operational.profile (person_id, birth_date) values (%s, %s)", [person, birth])
        admin.execute(_REGISTERED, [self.world.clinic_ids["north"], patient, person])
        admin.execute(_IN_MART, [patient])
        admin.execute(_MEMBER, [patient, self.slug])

    def _email(self, person: UUID, emails: dict[str, str], *, proven: bool) -> None:
        codec = codec_of(self.world.server)
        with connect(Login.SERVICE, at=self.world.server) as connection:
            newest = people_keys(connection, codec.provider, [person])[person][0]
        with connect_admin(self.world.server) as admin:
            for table, email in emails.items():
                sealed = codec.seal(newest, Place(f"operational.{table}", "email", str(person)), email.encode())
                admin.execute(_EMAIL[table], [person, sealed])
            if proven:
                admin.execute(_PROVEN, [person])


_REGISTERED = """
insert into operational.registration (clinic_id, patient_id, person_id, registered_on)
values (%s, %s, %s, '2020-01-01')"""
_IN_MART = """
insert into clinic_north.raw_patients (patient_id, version, name, registered_on, profile_shared)
values (%s, 1, 'Canary', '2020-01-01', true)"""
_MEMBER = """
insert into clinic_north.segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by, fires_in)
select segment_id, %s, '2026-01-01', 1, 1, 'data', false from clinic_north.segment where slug = %s"""
_ACCOUNT = """
insert into operational.principal (kind, login, display_name, person_id) values ('human', %s, 'x', %s)"""
_GUARDED = """
insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)
values (%s, %s, 'parent', '2020-03-01')"""
_SIGNED = """
insert into operational.consent_event
    (clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)
values (%s, %s, %s, 'signed', 'v1', %s, 'paper', clock_timestamp())"""
_EMAIL = {
    "account_contact": "insert into operational.account_contact (person_id, email) values (%s, %s)",
    "profile": "insert into operational.profile (person_id, email) values (%s, %s)"
    " on conflict (person_id) do update set email = excluded.email",
}
_PROVEN = "update operational.account_contact set email_verified_at = now() where person_id = %s"


def crowd(world: World, slug: str, *, profile_dependent: bool = False) -> Crowd:
    """A new segment without members."""
    world.change(
        "insert into clinic_north.segment (segment_id, slug, name, profile_dependent, created_at)"
        " values (%s, %s, initcap(%s), %s, '2026-01-01')",
        segment := uuid4(), slug, slug, profile_dependent,
    )  # fmt: skip
    world.change(
        "insert into clinic_north.segment_version (segment_id, version, rule, profile_dependent, created_at)"
        " values (%s, 1, %s, %s, '2026-01-01')",
        segment, json.dumps(RULES["everybody"]), profile_dependent,
    )  # fmt: skip
    return Crowd(world, slug)


def people(world: World, slug: str, count: int) -> Crowd:
    """A segment of so many who can all be written to."""
    found = crowd(world, slug)
    for number in range(count):
        found.add(f"{slug}-{number}")
    return found


def manager(api: Api) -> dict[str, str]:
    return sign_in(api, "manager.north")


def start(api: Api, to: Crowd, key: str = "", **said: str) -> httpx.Response:
    """Ask for a message to a segment, with a fresh key unless one is given."""
    headers = {**manager(api), "Idempotency-Key": key or str(uuid4())}
    return api.post(f"{to.path}/messages", json={**NEWS, **said}, headers=headers)


def started(api: Api, to: Crowd) -> str:
    """The id of a new message to a segment."""
    answer = start(api, to)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def progress(api: Api, to: Crowd, campaign: str) -> dict[str, Any]:
    """How far a message is; of those who are withheld only the reasons that there are."""
    answer = api.get(f"{to.path}/messages/{campaign}", headers=manager(api))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["progress"]
    return {**found, "withheld": {reason: count for reason, count in found["withheld"].items() if count}}


def link_of(mail: bytes) -> str:
    """The path of the link by which somebody wants no more."""
    found = re.search(r"https://cloister\.example(/unsubscribe/\S+)", text_of(message_from_bytes(mail)))
    assert found
    return found[1]


def text_of(mail: Mail) -> str:
    raw = mail.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return raw.decode().replace("\r\n", "\n")
