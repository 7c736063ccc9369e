"""Two clinics with rows in every table, and who may sign in: what the tests of access start from.

Canary Finch is a patient of both clinics and shares the profile with north alone; Canary Wren is
north's, and shares it with nobody; Canary Heron is south's. Dr. North treats Finch and Wren at north,
Dr. South Finch and Heron at south. Canary Chick is a child, no clinic's, and Finch's dependent.
"""

import asyncio
import json
import logging as std_logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import structlog
import uvicorn
from fastapi import FastAPI
from psycopg import sql
from psycopg.types.json import Jsonb

from api import account_care, accounts, system_keys
from api.app import create_app
from api.identity.second_factor import Secret
from api.limits import Rates
from infra import log
from infra.database import Server, connect, connect_admin
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys, purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.provider import key_provider
from infra.exports.archive import pack
from infra.roles import Login
from infra.settings import settings
from policies.classification import Field, ProfileField
from policies.opening_hours import WEEKDAYS
from policies.patient_export import BUNDLE, JWS, MANIFEST
from policies.words import Purpose, Role
from tests.utc import today

# What a deletion sets.
DELETED = "deleted_at = now(), deleted_by = gen_random_uuid(), delete_reason = 'asked'"
PASSWORD = "a long enough password"
TOTP = Secret("CANARYCANARYCANARYCANARYCANARY22")
# Who is asked for a code as well.
WITH_CODE = ("auditor.north", "auditor", "admin", "admin.too")
UNLIMITED = Rates(principal=0, address=0, sign_ins=0)
# Hours of both clinics, so that no test hangs on the day of the week: on the half hours of their clocks.
ALWAYS = dict.fromkeys(WEEKDAYS, "00:00-23:59")
HALF_AN_HOUR = timedelta(minutes=30)
FINCH, WREN, HERON, CHICK = "Canary Finch", "Canary Wren", "Canary Heron", "Canary Chick"
BIRTH = "1931-05-17"
PHONE = "+4930901820"
CONTACTS = {
    "phone": PHONE,
    "email": "canary@example.org",
    "address": "Canary Street 1",
    "policy_number": "CANARY-1",
    "emergency_contacts": "Canary Aunt +4930901821",
}
NEWS = {"subject": "Opening times", "text": "We open at eight from May on."}
# Members are put there by hand, whatever their rules say.
RULES: dict[str, dict[str, Any]] = {
    "everybody": {"measure": "registration.days", "op": ">=", "value": 0},
    "elders": {"measure": "age", "op": ">", "value": 65},
    "empty": {"measure": "registration.days", "op": "<", "value": 0},
}
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
    # Doubtful registrations: of Finch and the clinic's other patient.
    cases: dict[str, UUID] = field(default_factory=dict)
    # One to come at each clinic, of Finch's, by video.
    appointments: dict[str, UUID] = field(default_factory=dict)
    guardianship: UUID = field(default_factory=uuid4)
    # Of Finch at each clinic: the id of a form, plan, exercise and appointment.
    items: dict[tuple[str, str], UUID] = field(default_factory=dict)
    # One of each clinic, which tells of every segment, and a delivery of its that is dead.
    webhooks: dict[str, UUID] = field(default_factory=dict)
    deliveries: dict[str, UUID] = field(default_factory=dict)
    # To everybody at each clinic, and sent long ago.
    campaigns: dict[str, UUID] = field(default_factory=dict)
    # Of a specialist at north whom no test signs in as: what is done to it hurts nobody.
    account: UUID = field(default_factory=uuid4)
    # Of nobody, until a test opens one.
    impersonation: str = ""
    # What lies under addresses that begin so, by parameter: nothing, until a world is furnished for a walk over them.
    things: dict[str, dict[str, object]] = field(default_factory=dict)

    def copied(self, server: Server) -> "World":
        """The same on a copy of the database."""
        return replace(deepcopy(self), server=server)

    def look(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read as the administrator, past every wall."""
        with connect_admin(self.server) as admin:
            return admin.execute(query, list(values)).fetchall()  # type: ignore[arg-type]

    def change(self, query: str, *values: Any) -> None:
        """Write as the administrator."""
        with connect_admin(self.server) as admin:
            admin.execute(query, list(values))  # type: ignore[arg-type]

    def consent(self, clinic: str, name: str, kind: str = "signed", **other: Any) -> None:
        """Sign or revoke, now unless told otherwise."""
        event = {
            "purpose": "profile_sharing",
            "text_version": "v1",
            "channel": "paper",
            "occurred_at": datetime.now(UTC),
        }
        person = {"person_id": self.people[name], "signer_id": self.people[name]}
        with connect_admin(self.server) as admin:
            clinic_id = self.clinic_ids[clinic]
            insert(admin, "consent_event", {"clinic_id": clinic_id, **person, "kind": kind, **event, **other})

    def mart_shows_until(self, ends: str) -> None:
        """Have north's mart hold that shared profiles end so, and none of them withdrawn because one ended before."""
        self.change("alter table clinic_north.raw_patients disable trigger lapsed")
        self.change(f"update clinic_north.raw_patients set profile_until = {ends} where profile_shared")
        self.change("alter table clinic_north.raw_patients enable trigger lapsed")

    def under(self, path: str) -> dict[str, object]:
        """What lies under a path of the application, by parameter: the first beginning that fits says."""
        return next((found for start, found in self.things.items() if path.startswith(start)), {})

    def register_chick(self, clinic: str = "north") -> None:
        """Make the child a patient of a clinic."""
        with connect_admin(self.server) as admin:
            self.patients[clinic, CHICK] = _register(admin, self.clinic_ids[clinic], self.people[CHICK])

    def newcomer(self, clinic: str) -> UUID:
        """One more patient of a clinic, without any consent; the id of the person."""
        with connect_admin(self.server) as admin:
            person = _person(admin, "Canary Crane")
            _register(admin, self.clinic_ids[clinic], person)
            return person


@contextmanager
def logging() -> Iterator[None]:
    """Logs go to standard error as they do when serving, and back to what they were."""
    root = std_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    log.configure()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def build(server: Server) -> World:
    """Fill both clinics, and make the accounts and keys."""
    world = World(server)
    with connect_admin(server) as admin:
        world.clinic_ids = dict(admin.execute("select slug, clinic_id from operational.clinic").fetchall())
        for name in (FINCH, WREN, HERON):
            world.people[name] = _person(admin, name)
        world.people[CHICK] = _person(admin, CHICK, birth_date=str(today() - timedelta(days=3000)))
        insert(
            admin,
            "guardianship",
            {
                "guardianship_id": world.guardianship,
                "guardian_id": world.people[FINCH],
                "dependent_id": world.people[CHICK],
                "relationship": "parent",
                "starts_on": "2020-01-01",
            },
        )
        for clinic, names in (("north", (FINCH, WREN)), ("south", (FINCH, HERON))):
            for name in names:
                world.patients[clinic, name] = _register(admin, world.clinic_ids[clinic], world.people[name])
            _records(admin, world, clinic)
            _mart(admin, world, clinic, names)
            add_webhook(admin, world, clinic)
            for name in names:
                _visit(admin, world, clinic, name)
    _contacts(world)
    _accounts(world)
    _campaigns(world)
    return world


def in_days(days: int) -> datetime:
    """A full hour so many days from now."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=days)


def listening() -> socket.socket:
    """A socket that already takes connections, so that no test waits for a server to start."""
    return socket.create_server(("127.0.0.1", 0))


class Running(uvicorn.Server):
    """Stops at once: its own waits are for ticks, and for whoever is still answered."""

    async def main_loop(self) -> None:
        self.loop, self.asked = asyncio.get_running_loop(), asyncio.Event()
        if not await self.on_tick(0):
            await self.asked.wait()

    def stop(self) -> None:
        self.should_exit = True
        if hasattr(self, "asked"):
            self.loop.call_soon_threadsafe(self.asked.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for each in self.servers:
            each.close()
        await self.lifespan.shutdown()


class Api(httpx.Client):
    """Speaks to a running application; keeps cookies, follows no redirect."""

    app: FastAPI
    server: Server


@contextmanager
def client(server: Server, rates: Rates = UNLIMITED) -> Iterator[Api]:
    """The application on a port of its own, as it is served."""
    app = create_app(server, rates)
    with listening() as own:
        running = Running(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [own]}, daemon=True)
        thread.start()
        try:
            # Nothing is verified, so that no client reads all certificates of the system.
            with Api(base_url=f"http://127.0.0.1:{own.getsockname()[1]}", timeout=30, verify=False) as api:
                api.app, api.server = app, server
                yield api
        finally:
            running.stop()
            thread.join()


def sign_in(api: Api, login: str) -> dict[str, str]:
    """Headers of a login's token."""
    code = fresh_code(api.server, login) if login in WITH_CODE else ""
    answer = api.post("/v1/token", data={"username": login, "password": PASSWORD, "code": code})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def fresh_code(server: Server, login: str) -> str:
    """A login's code of now, which no test before has used up."""
    with connect_admin(server) as admin:
        admin.execute("update operational.principal set totp_last_step = null where login = %s", [login])
    return TOTP.code()


def _person(admin: psycopg.Connection, name: str, birth_date: str = BIRTH) -> UUID:
    person = uuid4()
    admin.execute("insert into operational.person (person_id, name) values (%s, %s)", [person, name])
    admin.execute(
        "insert into operational.profile (person_id, birth_date, sex, insurance_type) values (%s, %s, 'female', 'x')",
        [person, birth_date],
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
    patient = {"clinic_id": world.clinic_ids[clinic], "patient_id": world.patients[clinic, FINCH]}
    clinic_only, day = {"clinic_id": patient["clinic_id"]}, "2026-01-01"
    form, plan, batch, person = uuid4(), uuid4(), uuid4(), world.people[FINCH]
    world.cases[clinic] = uuid4()
    other = world.patients[clinic, WREN if clinic == "north" else HERON]
    doubtful = {"kept_patient_id": patient["patient_id"], "other_patient_id": other}
    visit = {"status": "booked", "booked_on": day, "starts_on": day, "specialist": f"Dr. {clinic.title()}"}
    exercise = uuid4()
    world.items |= {(clinic, "form"): form, (clinic, "plan"): plan, (clinic, "exercise"): exercise}
    # Finch shares the profile with north; at south only messages were agreed to.
    purpose = "profile_sharing" if clinic == "north" else "communications"
    event = uuid4()
    signed = {"event_id": event, "person_id": person, "signer_id": person, "purpose": purpose, "text_version": "v1"}
    propagated = {"consent_event_id": event, "kind": "expired", "done_at": day}
    for each in ("profile_sharing", "communications"):
        text = {**clinic_only, "purpose": each, "text_version": "v1", "body": "t", "sha256": bytes(32)}
        insert(admin, "consent_text", text)
    answer = {"template": "i", "question": "q", "answered_at": day, "body": "Canary answer"}
    row = {"file": "f", "source": "s", "batch_id": batch}
    sealed = _sealed(world, form, {"q": "Canary answer"})
    ticked = {"times": 1, "done_by": person}
    exercised = {"name": "Canary bridge", "times": 2, "weekdays": [1], "starts_on": day, "ends_on": "2026-12-31"}
    rejected = {"entity": "e", "row_key": clinic.encode(), "line": 1, "reason": "r", "content": b"x"}
    for table, values in {
        "appointment": {**patient, **visit},
        "form_template": {**clinic_only, "template": "i", "template_version": 1, "title": "I", "questions": "[]"},
        "form": {**patient, "form_id": form, "template": "i", "status": "pending", "assigned_on": day},
        "form_sealed": {**clinic_only, "form_id": form, "content": sealed},
        "form_answer": {**patient, "form_id": form, **answer},
        "treatment_plan": {**patient, "plan_id": plan, "title": "P", "starts_on": day},
        "exercise": {**patient, "plan_id": plan, "exercise_id": exercise, **exercised},
        "exercise_done": {**patient, "plan_id": plan, "exercise_id": exercise, "day": day, **ticked},
        "adherence": {**patient, "plan_id": plan, "day": day, "prescribed": 2, "done": 1},
        "consent_event": {**clinic_only, **signed, "kind": "signed", "channel": "paper", "occurred_at": day},
        "consent_propagation": {**patient, **propagated},
        "profile_tombstone": {**patient, "revoked_at": "2024-01-01", "cleared_at": "2025-01-01"},
        "sharing_limit": {**patient, "source": "consent", "starts_at": day},
        "merge_case": {**clinic_only, "case_id": world.cases[clinic], **doubtful},
        "import_batch": row,
        "message": {**patient, "message_id": uuid4(), "person_id": person, "kind": "code", "content": b"x",
                    "next_try_at": "2999-01-01"},
        "brought_record": {**patient, **_brought(world, clinic), "made_at": day, "brought_by": person},
        "quarantine": {**clinic_only, **row, "quarantine_id": uuid4(), **rejected},
    }.items():  # fmt: skip
        insert(admin, table, values)
    _bookings(admin, world, clinic)


def _bookings(admin: psycopg.Connection, world: World, clinic: str) -> None:
    """What a clinic offers, and an appointment of Finch's in a week, by video, with all that belongs to it."""
    patient = {"clinic_id": world.clinic_ids[clinic], "patient_id": world.patients[clinic, FINCH]}
    clinic_only, name, appointment = {"clinic_id": patient["clinic_id"]}, f"Dr. {clinic.title()}", uuid4()
    start = in_days(7)
    offered = {"minutes": 30, "templates": ["i"], "specialists": [name], "is_open": True}
    system, one = uuid4(), {**clinic_only, "appointment_id": appointment}
    admin.execute(
        "insert into operational.principal (principal_id, kind, login, display_name) values (%s, 'system', %s, 'S')",
        [system, f"seed.{clinic}"],
    )
    world.appointments[clinic] = appointment
    booked = {"specialist": name, "status": "booked", "booked_on": "2026-01-01", "starts_on": start.date()}
    times = {"starts_at": start, "ends_at": start + HALF_AN_HOUR}
    digests = {"key_digest": "0" * 64, "request_digest": "0" * 64}
    for table, values in (
        ("service", {**clinic_only, "service": "visit", "name": "Visit", "modality": "in_person", **offered}),
        ("service", {**clinic_only, "service": "call", "name": "Call", "modality": "video", **offered}),
        (
            "service",
            {**clinic_only, "service": "shut", "name": "Shut", "modality": "video", **offered, "is_open": False},
        ),
        ("specialist", {**clinic_only, "name": name, "is_active": True}),
        ("specialist", {**clinic_only, "name": f"{name} Junior", "is_active": True}),
        ("booking_setting", {**clinic_only, "templates": ["i"], "days_ahead": 366, "hours": Jsonb(ALWAYS)}),
        ("appointment", {**patient, **one, "service": "call", "modality": "video", **booked, **times}),
        ("appointment_event", {**one, "step": "book", "to_status": "booked", "role": "clinic_staff"}),
        ("video_room", {**one, "room": f"{clinic}-canary-room-of-a-visit-by-video"}),
        ("patient_source", {**patient, "source": "staff", "source_id": "canary"}),
        ("booking_request", {**one, "principal_id": system, **digests}),
    ):
        insert(admin, table, values)


def _sealed(world: World, form: UUID, answers: dict[str, Any]) -> bytes:
    """Answers to a form as the API would keep them."""
    return seal(world, "forms", Place("operational.form_sealed", "content", str(form)), answers)


def _brought(world: World, clinic: str) -> dict[str, Any]:
    """A record that the patient brought of a clinic elsewhere."""
    own = world.items[clinic, "handover"] = uuid4()
    archive = pack({MANIFEST: b"{}", JWS: b"", BUNDLE: b'{"resourceType": "Bundle", "title": "Canary record"}'})
    sealed = seal(world, "brought", Place("operational.brought_record", "content", str(own)), archive)
    origin = {"issuer": "cloister/elsewhere/exports", "origin": "Elsewhere", "digest": bytes(32), "channel": "patient"}
    return {"brought_id": own, "content": sealed, **origin}


def seal(world: World, purpose: str, place: Place, content: dict[str, Any] | bytes) -> bytes:
    codec = FieldCodec(key_provider(settings(), world.server.secrets_folder))
    with connect(Login.SERVICE, at=world.server) as connection:
        newest, *_ = purpose_keys(connection, codec.provider, purpose)
    return codec.seal(newest, place, content if isinstance(content, bytes) else json.dumps(content).encode())


def _campaigns(world: World) -> None:
    """A message to everybody that Finch got at each clinic, and wanted no more of, before they signed for messages."""
    for clinic in ("north", "south"):
        patient = {"clinic_id": world.clinic_ids[clinic], "patient_id": world.patients[clinic, FINCH]}
        campaign = world.campaigns[clinic] = uuid4()
        with connect_admin(world.server) as admin:
            manager = "select principal_id from operational.principal where login = %s"
            ((by,),) = admin.execute(manager, [f"manager.{clinic}"]).fetchall()
            insert(admin, "campaign", {
                "clinic_id": patient["clinic_id"], "campaign_id": campaign, "started_by": by,
                "segment_id": world.segments[clinic, "everybody"], "key_digest": "0" * 64, "request_digest": "0" * 64,
                "content": seal(world, "message", Place("operational.campaign", "content", str(campaign)), NEWS),
            })  # fmt: skip
            insert(admin, "message", {
                **patient, "message_id": uuid4(), "person_id": world.people[FINCH], "kind": "campaign",
                "about_id": campaign, "state": "sent", "sent_at": datetime.now(UTC),
            })  # fmt: skip
            insert(admin, "message_refusal", {**patient, "refused_at": "2020-01-01"})


def add_webhook(admin: psycopg.Connection, world: World, clinic: str) -> None:
    """A webhook that leads nowhere, and a delivery of Finch's entering that was given up."""
    webhook, delivery = uuid4(), uuid4()
    world.webhooks[clinic], world.deliveries[clinic] = webhook, delivery
    codec = FieldCodec(key_provider(settings(), world.server.secrets_folder))
    with connect(Login.SERVICE, at=world.server) as connection:
        newest, *_ = purpose_keys(connection, codec.provider, "webhook")
    secret = codec.seal(newest, Place("operational.webhook_endpoint", "secret", str(webhook)), b"whsec_Q2FuYXJ5")
    one = {"clinic_id": world.clinic_ids[clinic], "endpoint_id": webhook}
    followed = {"followed_run": 1, "followed_segment": UUID(int=0), "followed_patient": UUID(int=0)}
    leads = {"url": "https://nowhere.invalid/hook", "kinds": ["entered", "left"], "secret": secret}
    told = {"run": 1, "segment_id": world.segments[clinic, "everybody"], "patient_id": world.patients[clinic, FINCH]}
    ended = {"state": "dead", "ended_at": datetime.now(UTC), "failure": "unreachable"}
    off = {"disabled_at": datetime.now(UTC), "disabled_by": "failures"}
    insert(admin, "webhook_endpoint", {**one, **leads, **followed, **off, "created_by": uuid4()})
    insert(admin, "webhook_delivery", {**one, "delivery_id": delivery, "kind": "entered", **told, **ended})


def _visit(admin: psycopg.Connection, world: World, clinic: str, name: str) -> None:
    """An appointment of a patient with the clinic's specialist."""
    patient = {"clinic_id": world.clinic_ids[clinic], "patient_id": world.patients[clinic, name]}
    day = {"booked_on": "2026-01-01", "starts_on": "2026-01-02"}
    insert(admin, "appointment", {**patient, **day, "specialist": f"Dr. {clinic.title()}", "status": "fulfilled"})


def _contacts(world: World) -> None:
    """Everybody's contacts, encrypted as an import would."""
    codec = FieldCodec(key_provider(settings(), world.server.secrets_folder))
    with connect(Login.SERVICE, at=world.server) as connection:
        keys = people_keys(connection, codec.provider, list(world.people.values()))
    for person, (newest, *_) in keys.items():
        sealed = [
            codec.seal(newest, Place("operational.profile", name, str(person)), value.encode())
            for name, value in CONTACTS.items()
        ]
        columns = ", ".join(f"{name} = %s" for name in CONTACTS)
        world.change(f"update operational.profile set {columns} where person_id = %s", *sealed, person)


def insert(admin: psycopg.Connection, table: str, values: dict[str, Any]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, values))
    places = sql.SQL(", ").join(map(sql.Placeholder, values))
    query = sql.SQL("insert into operational.{} ({}) values ({})").format(sql.Identifier(table), columns, places)
    admin.execute(query, values)


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
    admin.execute(
        "insert into pipeline.mart_state (clinic, as_of, fingerprint, built_from)"
        " values (%s, '2026-03-04', 'x', now())",
        [clinic],
    )


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
        "insert into segment_version (segment_id, version, rule, profile_dependent, created_at)"
        " values (%s, 1, %s, %s, '2026-01-01')",
        [segment, json.dumps(RULES[slug]), dependent],
    )
    for name in names if slug != "empty" else ():
        admin.execute(
            "insert into segment_member (segment_id, patient_id, entered_at, entered_run, version, entered_by,"
            " fires_in) values (%s, %s, '2026-01-01', 1, 1, 'data', false)",
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
        ("admin.too", Role.PLATFORM_ADMIN, None),
        ("specialist.north", Role.SPECIALIST, "north"),
        ("specialist.south", Role.SPECIALIST, "south"),
        ("other.north", Role.SPECIALIST, "north"),
    ):
        world.account = accounts.add_user(world.server, login, login, role, clinic, PASSWORD)
    for login in WITH_CODE:
        account_care.enrol(world.server, login, TOTP)
    for clinic in ("north", "south"):
        accounts.link_specialist(world.server, f"specialist.{clinic}", clinic, f"Dr. {clinic.title()}")
    for login, name, roles in (
        ("finch", FINCH, [Role.PATIENT, Role.GUARDIAN]),
        ("wren", WREN, [Role.PATIENT]),
        ("heron", HERON, [Role.PATIENT, Role.GUARDIAN]),
        ("roleless", None, []),
    ):
        _own_account(world, login, name, roles)
    for clinic in ("north", "south"):
        world.keys[clinic] = system_keys.add_api_key(world.server, f"robot.{clinic}", clinic)
        world.keys[f"{clinic}.profile"] = system_keys.add_api_key(
            world.server, f"reader.{clinic}", clinic, fields=[Field.NAME, *PROFILE_FIELDS]
        )
        world.keys[f"{clinic}.bookings"] = system_keys.add_api_key(
            world.server, f"booker.{clinic}", clinic, fields=[system_keys.BOOKINGS]
        )
        world.keys[f"{clinic}.contact"] = system_keys.add_api_key(
            world.server, f"caller.{clinic}", clinic, fields=list(ProfileField), purpose=Purpose.CARE
        )
    world.keys["north.messages"] = system_keys.add_api_key(
        world.server,
        "messages.north",
        "north",
        fields=[ProfileField.NAME, ProfileField.PHONE],
        purpose=Purpose.COMMUNICATIONS,
    )
    world.keys["north.elders"] = system_keys.add_api_key(world.server, "elders.north", "north", segments=["elders"])


def _own_account(world: World, login: str, name: str | None, roles: list[Role]) -> None:
    """An account of a person, which no operator makes; its password is everybody's."""
    world.change(
        "insert into operational.principal (kind, login, display_name, person_id, password_hash)"
        " select 'human', %s, %s, %s, password_hash from operational.principal where login = 'manager.north'",
        login, login, world.people[name] if name else None,
    )  # fmt: skip
    for role in roles:
        world.change(
            "insert into operational.principal_role (principal_id, role)"
            " select principal_id, %s from operational.principal where login = %s",
            role.value, login,
        )  # fmt: skip
