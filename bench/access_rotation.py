"""Rotation of data keys and blind indexes while a reader looks people up and opens their contacts."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from uuid import UUID, uuid4

import psycopg

from bench.harness import Bench, Figure, Timer, at_most, benchmark
from bench.scale_data import drop, in_database
from infra.database import Server, connect, connect_admin
from infra.encryption.blind_index import digests, find, write_digests
from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import PROFILE
from infra.encryption.data_keys import StoredKey, index_keys, people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from infra.encryption.provider import KEYRING
from infra.encryption.rotation.book import Kind
from infra.encryption.rotation.run import rotate
from infra.provisioner import set_up
from infra.roles import Login

DATABASE = "bench_rotation"
CHUNK = 5_000
# 300,000 people at the full scale of 500,000 patients.
SHARE = 0.6
_READ = """
select array_agg(k.data_key_id), array_agg(k.wrapped), array_agg(k.kek_id), array_agg(k.kek_version), p.phone
from operational.profile as p inner join operational.data_key as k on k.person_id = p.person_id
where p.person_id = %s and k.retired_at is null group by p.phone
"""


@benchmark("access.rotation")
def rotation(bench: Bench) -> Iterator[Figure]:
    """Seconds to rotate all of it, and what a reader beside it could not read or find meanwhile."""
    count = int(bench.scale.patients * SHARE)
    at = in_database(bench.at, DATABASE)
    drop(bench.at, DATABASE)
    set_up(at)
    codec = FieldCodec(FileKeyring(at.secrets_folder / KEYRING))
    people = fill(at, codec, count)
    with reading(at, people) as reads, (timer := Timer()).running():
        outcomes = rotate(at, codec, [Kind.DATA, Kind.INDEX], lambda _kind, _total: lambda _more: None)
    if any(outcome.left or outcome.turned < count for outcome in outcomes):
        raise RuntimeError(f"not all was rotated: {outcomes}")
    drop(bench.at, DATABASE)
    yield at_most("access.rotation_s", timer.seconds, "s", 300)
    tried, failed = reads
    yield at_most("access.rotation_failed_reads", failed, "reads", 0, baseline=tried)


class Reader:
    """Reads one person after the other, by phone number, until it is told to stop."""

    def __init__(self, at: Server, people: list[tuple[UUID, str]]) -> None:
        self.at, self.people = at, people
        self.codec = FieldCodec(FileKeyring(at.secrets_folder / KEYRING))
        self.tried = self.failed = 0

    def run(self, stop: Connection) -> None:
        with connect(Login.IMPORTER, at=self.at, autocommit=True) as connection:
            stop.send("ready")
            while not self.tried or not stop.poll():
                person, phone = self.people[self.tried % len(self.people)]
                self.tried += 1
                self.failed += not self._good(connection, person, phone)
        stop.send((self.tried, self.failed))

    def _good(self, connection: psycopg.Connection, person: UUID, phone: str) -> bool:
        found = find(connection, self.codec, "phone", phone)
        row = connection.execute(_READ, [person]).fetchone()
        if found != [person] or row is None:
            return False
        stored = [StoredKey(*key) for key in zip(*row[:4], strict=True)]
        try:
            return self.codec.open(stored, Place(PROFILE.place, "phone", str(person)), row[4]) == phone.encode()
        except Undecryptable:
            return False


def read_until_told(at: Server, people: list[tuple[UUID, str]], stop: Connection) -> None:
    """What the reader's process does."""
    Reader(at, people).run(stop)


@contextmanager
def reading(at: Server, people: dict[UUID, str]) -> Iterator[list[int]]:
    """A reader in a process of its own; when the block ends the list has its reads, and those that failed."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=read_until_told, args=(at, list(people.items()), there))
    process.start()
    there.close()  # or nothing would tell us that it died
    here.recv()
    found: list[int] = []
    try:
        yield found
    finally:
        here.send("stop")
        if here.poll(60):
            found += here.recv()
        process.join(60)


def fill(at: Server, codec: FieldCodec, count: int) -> dict[UUID, str]:
    """Make so many people with all five contacts, encrypted and indexed; returns their phone numbers."""
    people: dict[UUID, str] = {}
    with connect_admin(at) as admin:
        admin.execute("set session_replication_role = replica")
        for first in range(0, count, CHUNK):
            chunk = {uuid4(): f"+49301{number:08}" for number in range(first, min(first + CHUNK, count))}
            with admin.transaction():
                _store(admin, codec, chunk)
            people |= chunk
        admin.execute("vacuum analyze")
    return people


def _store(admin: psycopg.Connection, codec: FieldCodec, chunk: dict[UUID, str]) -> None:
    ids = list(chunk)
    admin.execute("insert into operational.person (person_id, name) select unnest(%s::uuid[]), 'Bench'", [ids])
    keys = people_keys(admin, codec.provider, ids)
    sealed, indexed = [], []
    live = {field: index_keys(admin, codec.provider, field) for field in ("phone", "email")}
    for person, phone in chunk.items():
        contacts = {"phone": phone, "email": f"{person.hex}@example.org", "address": "1 Example Street, Nowhere",
                    "policy_number": phone[-8:], "emergency_contacts": f'[{{"phone": "{phone}"}}]'}  # fmt: skip
        places = {column: Place(PROFILE.place, column, str(person)) for column in PROFILE.columns}
        sealed.append([codec.seal(keys[person][0], places[c], contacts[c].encode()) for c in PROFILE.columns])
        for field, found in live.items():
            made = digests(codec, found, field, contacts[field])
            indexed += [(person, field, version, digest) for version, digest in made.items()]
    admin.execute(
        "insert into operational.profile (person_id, phone, email, address, policy_number, emergency_contacts)"
        " select * from unnest(%s::uuid[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bytea[])",
        [ids, *(list(column) for column in zip(*sealed, strict=True))],
    )
    write_digests(admin, indexed)
