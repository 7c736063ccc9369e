"""What it costs that a read of a profile is decided, consented, recorded and decrypted."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from uuid import UUID, uuid4

from bench.access_load import ask, get
from bench.harness import Bench, Figure, at_most, benchmark
from infra.database import Server, connect, connect_admin
from infra.encryption.codec import Place, encrypt
from infra.encryption.data_keys import keys_for_people
from infra.encryption.provider import key_provider
from infra.roles import Login
from infra.settings import settings
from policies.classification import ProfileField, is_contact

PATIENTS = 2_000
SECONDS = 8.0
ROUNDS = 3
LOGIN, NAME = "bench.specialist", "Dr. Bench"


@dataclass(frozen=True)
class Ward:
    """The patients that the benchmark's specialist treats, all with a shared profile and every contact."""

    at: Server
    clinic: str
    clinic_id: int
    patients: list[UUID]
    foreign: list[UUID]
    token: str


def ward(bench: Bench) -> Ward:
    """A specialist and a token for the first clinic of the scale set."""
    from api.accounts import add_user, find_principal, link_specialist
    from api.identity.issuer import open_issuer
    from policies.words import Role

    at, clinic = bench.data(), bench.scale.slugs[0]
    add_user(at, LOGIN, LOGIN, Role.SPECIALIST, clinic, uuid4().hex)
    link_specialist(at, LOGIN, clinic, NAME)
    with connect_admin(at) as admin:
        row = admin.execute("select clinic_id from operational.clinic where slug = %s", [clinic]).fetchone()
        clinic_id = row[0] if row else 0
        rows = admin.execute(
            "select r.patient_id, r.person_id from operational.registration as r"
            " inner join operational.consent as c on c.clinic_id = r.clinic_id and c.person_id = r.person_id"
            " where r.clinic_id = %s and c.purpose = 'profile_sharing' and c.state = 'signed'"
            " and exists (select from operational.appointment as a"
            "             where a.clinic_id = r.clinic_id and a.patient_id = r.patient_id and a.status <> 'cancelled')"
            " order by r.patient_id limit %s",
            [clinic_id, PATIENTS],
        ).fetchall()
        foreign = admin.execute(
            "select patient_id from operational.registration where clinic_id <> %s order by patient_id limit 1000",
            [clinic_id],
        ).fetchall()
    _treat(at, clinic_id, [patient for patient, _ in rows])
    _seal(at, [person for _, person in rows])
    token = open_issuer(at).issue(find_principal(at, LOGIN))
    return Ward(at, clinic, clinic_id, [patient for patient, _ in rows], [row[0] for row in foreign], token)


def _treat(at: Server, clinic_id: int, patients: list[UUID]) -> None:
    """Their appointments name the specialist; without triggers, as the whole set was written."""
    with connect_admin(at) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute(
            "update operational.appointment set specialist = %s where clinic_id = %s and patient_id = any(%s)"
            " and specialist is null",
            [NAME, clinic_id, patients],
        )


def _seal(at: Server, people: list[UUID]) -> None:
    with connect(Login.SERVICE, at=at) as connection:
        keys = keys_for_people(connection, key_provider(settings(), at.secrets_folder), people)
    contacts = [field.value for field in ProfileField if is_contact(field)]
    sealed = [
        [*(encrypt(key, Place("operational.profile", c, str(person)), b"+49 30 901820") for c in contacts), person]
        for person, key in keys.items()
    ]
    with connect_admin(at) as admin:
        admin.execute("set session_replication_role = replica")
        assigned = ", ".join(f"{name} = %s" for name in contacts)
        admin.cursor().executemany(f"update operational.profile set {assigned} where person_id = %s", sealed)
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


def per_second(port: int, found: Ward, path: str, seconds: float = SECONDS) -> float:
    """Answers a second, all of them good."""
    times, statuses = ask(port, [get(path.format(p), found.token) for p in found.patients], seconds)
    if statuses != {b"200"}:
        raise AssertionError(f"{path} answered {statuses}")
    return len(times) / seconds
