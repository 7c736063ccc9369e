"""Two clinics with rows in every table, and who may sign in: what the tests of access start from.

Canary Finch is a patient of both clinics and shares the profile with north alone; Canary Wren is
north's, and shares it with nobody; Canary Heron is south's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from fastapi.testclient import TestClient

from api import accounts
from api.app import create_app
from infra.database import Server, connect_admin
from policies.classification import Field
from policies.words import Role

PASSWORD = "a long enough password"
FINCH, WREN, HERON = "Canary Finch", "Canary Wren", "Canary Heron"
BIRTH = "1931-05-17"
PROFILE_FIELDS = [Field.BIRTH_DATE, Field.SEX, Field.INSURANCE_TYPE]


@dataclass
class World:
    """What was put there."""

    server: Server
    clinic_ids: dict[str, int] = field(default_factory=dict)
    people: dict[str, UUID] = field(default_factory=dict)
    patients: dict[tuple[str, str], UUID] = field(default_factory=dict)
    segments: dict[tuple[str, str], UUID] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def look(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read as the administrator, past every wall."""
        with connect_admin(self.server) as admin:
            return admin.execute(query, list(values)).fetchall()  # type: ignore[arg-type]

    def change(self, query: str, *values: Any) -> None:
        """Write as the administrator."""
        with connect_admin(self.server) as admin:
            admin.execute(query, list(values))  # type: ignore[arg-type]


def build(server: Server) -> World:
    """Fill both clinics, and make the accounts and keys."""
    world = World(server)
    with connect_admin(server) as admin:
        world.clinic_ids = dict(admin.execute("select slug, clinic_id from operational.clinic").fetchall())
        for name in (FINCH, WREN, HERON):
            world.people[name] = _person(admin, name)
        for clinic, names in (("north", (FINCH, WREN)), ("south", (FINCH, HERON))):
            for name in names:
                world.patients[clinic, name] = _register(admin, world.clinic_ids[clinic], world.people[name])
            _records(admin, world, clinic)
            _mart(admin, world, clinic, names)
    _accounts(world)
    return world


@contextmanager
def client(server: Server) -> Iterator[TestClient]:
    """The running application; cookies are kept, redirects are not followed."""
    with TestClient(create_app(server), follow_redirects=False, raise_server_exceptions=False) as running:
        yield running


def sign_in(running: TestClient, login: str) -> dict[str, str]:
    """Headers of a login's token."""
    answer = running.post("/v1/token", data={"username": login, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _person(admin: psycopg.Connection, name: str) -> UUID:
    person = uuid4()
    admin.execute("insert into operational.person (person_id, name) values (%s, %s)", [person, name])
    admin.execute(
        "insert into operational.profile (person_id, birth_date, sex, insurance_type) values (%s, %s, 'female', 'x')",
        [person, BIRTH],
    )
    return person


def _register(admin: psycopg.Connection, clinic_id: int, person: UUID) -> UUID:
    patient = uuid4()
    admin.execute(
        "insert into operational.registration (clinic_id, patient_id, person_id, registered_on)"
        " values (%s, %s, %s, '2020-01-01')",
        [clinic_id, patient, person],
    )
    return patient


def _records(admin: psycopg.Connection, world: World, clinic: str) -> None:
    """A row in every clinical table, consent, outbox and quarantine of a clinic."""
    clinic_id, person = world.clinic_ids[clinic], world.people[FINCH]
    patient, form, plan, batch = world.patients[clinic, FINCH], uuid4(), uuid4(), uuid4()
    for query, values in (
        ("appointment (clinic_id, patient_id, status, booked_on, starts_on) values (%s, %s, 'booked', %s, %s)",
         [clinic_id, patient, "2026-01-01", "2026-01-02"]),
        ("form_template (clinic_id, template, template_version, title, questions) values (%s, 'intake', 1, 'I', '[]')",
         [clinic_id]),
        ("form (clinic_id, form_id, patient_id, template, status, assigned_on) values (%s, %s, %s, 'i', 'pending', %s)",
         [clinic_id, form, patient, "2026-01-01"]),
        ("form_answer (clinic_id, patient_id, form_id, template, question, answered_at, body)"
         " values (%s, %s, %s, 'i', 'q', %s, 'Canary answer')", [clinic_id, patient, form, "2026-01-01"]),
        ("treatment_plan (clinic_id, plan_id, patient_id, title, starts_on) values (%s, %s, %s, 'P', %s)",
         [clinic_id, plan, patient, "2026-01-01"]),
        ("adherence (clinic_id, plan_id, day, patient_id, prescribed, done) values (%s, %s, %s, %s, 2, 1)",
         [clinic_id, plan, "2026-01-02", patient]),
        ("consent_text (clinic_id, purpose, text_version, body, sha256)"
         " values (%s, 'profile_sharing', 'v1', 'text', sha256('text'))", [clinic_id]),
        ("consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)"
         " values (%s, %s, 'profile_sharing', 'signed', 'v1', %s, 'paper', '2025-01-01')",
         [clinic_id, person, person]),
        ("profile_tombstone (clinic_id, patient_id, revoked_at, cleared_at) values (%s, %s, '2024-01-01', '2025-01-01')",
         [clinic_id, patient]),
        ("import_batch (batch_id, source, file) values (%s, 's', 'f')", [batch]),
        ("quarantine (quarantine_id, batch_id, clinic_id, source, entity, row_key, file, line, reason, content)"
         " values (gen_random_uuid(), %s, %s, 's', 'e', %s, 'f', 1, 'r', 'x')", [batch, clinic_id, clinic.encode()]),
    ):  # fmt: skip
        admin.execute(f"insert into operational.{query}", values)


def _mart(admin: psycopg.Connection, world: World, clinic: str, names: tuple[str, ...]) -> None:
    """What the pipeline would have put into the clinic's schema: Finch shares with north alone."""
    admin.execute(f"set search_path = clinic_{clinic}")
    for name in names:
        shared = clinic == "north" and name == FINCH
        admin.execute(
            "insert into raw_patients (patient_id, version, name, registered_on, profile_shared, birth_date, sex)"
            " values (%s, 1, %s, '2020-01-01', %s, %s, %s)",
            [world.patients[clinic, name], name, shared, BIRTH if shared else None, "female" if shared else None],
        )
    for slug, dependent in (("everybody", False), ("elders", True), ("empty", False)):
        world.segments[clinic, slug] = _segment(admin, world, clinic, slug, dependent, names)
    admin.execute("reset search_path")
    admin.execute("insert into pipeline.mart_state (clinic, as_of, fingerprint) values (%s, '2026-03-04', 'x')", [clinic])


def _segment(
    admin: psycopg.Connection, world: World, clinic: str, slug: str, dependent: bool, names: tuple[str, ...]
) -> UUID:
    segment = uuid4()
    admin.execute(
        "insert into segment (segment_id, slug, name, profile_dependent, created_at)"
        " values (%s, %s, initcap(%s), %s, '2026-01-01')",
        [segment, slug, slug, dependent],
    )
    admin.execute(
        "insert into segment_version (segment_id, version, rule, created_at) values (%s, 1, %s, '2026-01-01')",
        [segment, json.dumps({})],
    )
    for name in names if slug != "empty" else ():
        admin.execute(
            "insert into segment_member (segment_id, patient_id, entered_at, version, entered_by)"
            " values (%s, %s, '2026-01-01', 1, 'data')",
            [segment, world.patients[clinic, name]],
        )
        for dimension, bucket in (("age", "80+"), ("attendance", "0")):
            admin.execute(
                "insert into segment_report (segment_id, dimension, bucket, patients) values (%s, %s, %s, 1)"
                " on conflict (segment_id, dimension, bucket) do update set patients = segment_report.patients + 1",
                [segment, dimension, bucket],
            )
    return segment


def _accounts(world: World) -> None:
    for login, role, clinic in (
        ("manager.north", Role.CLINIC_MANAGER, "north"),
        ("manager.south", Role.CLINIC_MANAGER, "south"),
        ("staff.north", Role.CLINIC_STAFF, "north"),
        ("auditor.north", Role.CLINIC_AUDITOR, "north"),
        ("auditor", Role.PLATFORM_AUDITOR, None),
        ("admin", Role.PLATFORM_ADMIN, None),
    ):
        accounts.add_user(world.server, login, login, role, clinic, PASSWORD)
    for clinic in ("north", "south"):
        world.keys[clinic] = accounts.add_api_key(world.server, f"robot.{clinic}", clinic)
        world.keys[f"{clinic}.profile"] = accounts.add_api_key(
            world.server, f"reader.{clinic}", clinic, fields=[Field.NAME, *PROFILE_FIELDS]
        )
    world.keys["north.elders"] = accounts.add_api_key(world.server, "elders.north", "north", segments=["elders"])
