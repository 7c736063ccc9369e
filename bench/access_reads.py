"""What it costs that a read of a profile is decided, consented, recorded and decrypted."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.access_load import ask, get
from bench.harness import Bench, Figure, at_most, benchmark
from infra.database import Server, connect, connect_admin
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.provider import key_provider
from infra.roles import Login
from infra.settings import settings
from policies.access.decide import load
from policies.access.model import Facts, Request, Resource, Subject
from policies.access.states import in_states
from policies.classification import ProfileField, is_contact
from policies.words import Action, ConsentPurpose, Purpose, Role

PATIENTS = 2_000
CONNECTIONS = 16
SECONDS = 4.0
ROUNDS = 4
PAIRS = 1_000
DECISIONS = 2_000
LOGIN, NAME = "bench.specialist", "Dr. Bench"
PROFILE, SELECT, SELECT_AUTHENTICATED = "/v1/clinics/{}/patients/{}/profile", "/v1/bare/{1}", "/v1/authenticated/{1}"


@benchmark("access.profile_read")
def profile_reads(bench: Bench) -> Iterator[Figure]:
    """Profiles a second; baseline: bare SELECTs a second on the same pool, in turns with them.

    `profile_read` against the same route with the same credentials to verify; `profile_read_anonymous`
    against one that does not even ask who calls. Both figures are medians of rounds.
    """
    found = ward(bench)
    with serving(found) as port:
        rounds = [
            [_per_second(port, found, path) for path in (PROFILE, SELECT_AUTHENTICATED, SELECT)]
            for _ in range(ROUNDS + 1)
        ][1:]  # the first one warms up
    ours, authenticated, anonymous = (median(column) for column in zip(*rounds, strict=True))
    yield _share("access.profile_read", ours, authenticated)
    yield _share("access.profile_read_anonymous", ours, anonymous)


@benchmark("access.not_there_ratio")
def not_there(bench: Bench) -> Iterator[Figure]:
    """Medians of the seconds for an id that exists, but is not the caller's, against one that is made up.

    The worse of both directions, over pairs one after the other: ids of another clinic, and of this
    clinic's patients of other specialists.
    """
    found = ward(bench)
    with serving(found) as port:
        for name, ids in (("foreign", found.foreign), ("others", found.others)):
            times, statuses = ask(port, _pairs(found, ids), connections=1)
            if statuses != {b"404"}:
                raise AssertionError(f"answered {statuses}")
            there, made_up = median(times[PAIRS // 5 :: 2]), median(times[PAIRS // 5 + 1 :: 2])
            ratio = max(there / made_up, made_up / there)
            yield at_most("access.not_there_ratio" + ("" if name == "foreign" else f"_{name}"), ratio, "x", 1.2)


@benchmark("access.decision_us")
def decisions(_bench: Bench) -> Iterator[Figure]:
    """Microseconds of the slowest decision for who asked before, no ruling remembered, of the eight states of a patient
    whom one treats or not, who shares the profile or not, may be written to or not; at the own clinic and at another.

    Baseline: all states of the own clinic's, remembered.
    """
    subject = Subject(str(uuid4()), frozenset({(Role.SPECIALIST, "north"), (Role.SPECIALIST, "south")}))
    facts = Facts(treated=True, consents=frozenset({ConsentPurpose.PROFILE_SHARING}))
    resource, fields = Resource("north", patient=True), frozenset(ProfileField)
    asked = Request(subject, Action.PROFILE_READ, resource, Purpose.CARE, fields, facts)
    policies = load()
    elsewhere = replace(asked, resource=Resource("elsewhere", patient=True))
    anew = max(_microseconds(partial(policies.decide, one)) for each in (asked, elsewhere) for one in in_states(each))
    yield at_most("access.decision_us", anew, "us", 250, baseline=_microseconds(lambda: policies.in_every_state(asked)))


def _share(name: str, value: float, baseline: float) -> Figure:
    ratio = value / baseline
    return Figure(name, value, "requests/s", baseline, ratio, 0.6, ratio >= 0.6)


def _microseconds(once: Callable[[], object]) -> float:
    for _ in range(100):
        once()
    began = time.perf_counter()
    for _ in range(DECISIONS):
        once()
    return (time.perf_counter() - began) / DECISIONS * 1e6


def _pairs(found: "Ward", ids: list[UUID]) -> list[bytes]:
    """An id that is there and one that is not, in turns; with a tenth more to warm up."""
    chosen = islice(cycle(ids), PAIRS + PAIRS // 10)
    return [get(PROFILE.format(found.clinic, each), found.token) for there in chosen for each in (there, uuid4())]


@dataclass(frozen=True)
class Ward:
    """The patients that the benchmark's specialist treats, all with a shared profile and every contact.

    `foreign` are another clinic's patients, `others` this clinic's that the specialist does not treat.
    """

    at: Server
    clinic: str
    clinic_id: int
    patients: list[UUID]
    foreign: list[UUID]
    others: list[UUID]
    token: str


def ward(bench: Bench) -> Ward:
    """A specialist and a token for the first clinic of the scale set."""
    # Late: the other benchmarks need no API.
    from api.accounts import add_user, find_principal, link_specialist
    from api.identity.issuer import open_issuer

    at, clinic = bench.data(), bench.scale.slugs[0]
    add_user(at, LOGIN, LOGIN, Role.SPECIALIST, clinic, uuid4().hex)
    link_specialist(at, LOGIN, clinic, NAME)
    principal_id, since = find_principal(at, LOGIN)
    token = open_issuer(at).issue(principal_id, since=since)
    with connect_admin(at) as admin:
        clinic_id = _one(admin, "select clinic_id from operational.clinic where slug = %s", clinic)[0]
        shared = admin.execute(_SHARED, [clinic_id, PATIENTS]).fetchall()
        patients, people = ([row[column] for row in shared] for column in (0, 1))
        _treat(admin, clinic_id, patients)
        _seal(admin, at, people)
        others = _one(admin, _OTHERS, clinic_id, NAME)
        foreign = _one(admin, _FOREIGN, clinic_id)
    return Ward(at, clinic, clinic_id, patients, foreign, others, token)


_SHARED = """
select r.patient_id, r.person_id
from operational.registration as r
inner join operational.consent as c on c.clinic_id = r.clinic_id and c.person_id = r.person_id
where
    r.clinic_id = %s and c.purpose = 'profile_sharing' and c.state = 'signed'
    and exists (
        select from operational.appointment as a
        where a.clinic_id = r.clinic_id and a.patient_id = r.patient_id and a.status <> 'cancelled'
    )
order by r.patient_id
limit %s"""
_OTHERS = """
select r.patient_id from operational.registration as r
where r.clinic_id = %s and not exists (
    select from operational.appointment as a
    where a.clinic_id = r.clinic_id and a.patient_id = r.patient_id and a.specialist = %s
)
order by r.patient_id limit 1000"""
_FOREIGN = "select patient_id from operational.registration where clinic_id <> %s order by patient_id limit 1000"


def _one(admin: psycopg.Connection, query: str, *values: object) -> list[Any]:
    """The first column of all rows."""
    return [row[0] for row in admin.execute(query, list(values)).fetchall()]


def _treat(admin: psycopg.Connection, clinic_id: int, patients: list[UUID]) -> None:
    """Their appointments name the specialist; without triggers, as the whole set was written."""
    admin.execute("set session_replication_role = replica")
    admin.execute(
        "update operational.appointment set specialist = %s where clinic_id = %s and patient_id = any(%s)"
        " and specialist is null",
        [NAME, clinic_id, patients],
    )


def _seal(admin: psycopg.Connection, at: Server, people: list[UUID]) -> None:
    """Every contact of these people, encrypted."""
    with connect(Login.SERVICE, at=at) as connection:
        codec = FieldCodec(key_provider(settings(), at.secrets_folder))
        keys = people_keys(connection, codec.provider, people)
    contacts = [field.value for field in ProfileField if is_contact(field)]
    sealed = [
        [
            *(codec.seal(newest, Place("operational.profile", name, str(person)), b"+4930901820") for name in contacts),
            person,
        ]
        for person, (newest, *_) in keys.items()
    ]
    columns = ", ".join(f"{name} = %s" for name in contacts)
    admin.cursor().executemany(f"update operational.profile set {columns} where person_id = %s", sealed)
    admin.execute("vacuum analyze operational.profile, operational.appointment, operational.data_key")


@contextmanager
def serving(found: Ward) -> Iterator[int]:
    """The application in a process of its own; its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        given = {
            "admin": found.at.admin,
            "prefix": found.at.roles.prefix,
            "secrets": str(found.at.secrets_folder),
            "clinic_id": found.clinic_id,
            "fd": listening.fileno(),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.access_serve", json.dumps(given)],
            pass_fds=[listening.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            process.wait()


def _per_second(port: int, found: Ward, path: str) -> float:
    """Answers a second, all of them good."""
    requests = [get(path.format(found.clinic, patient), found.token) for patient in found.patients]
    times, statuses = ask(port, cycle(requests), CONNECTIONS, time.perf_counter() + SECONDS)
    if statuses != {b"200"}:
        raise AssertionError(f"{path} answered {statuses}")
    return len(times) / SECONDS
