"""The live worker's process: killed at any point, two at once, a database that goes away, a clinic that is locked."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from access_world import World
from operational_rows import Rows

from infra.beside import beside
from infra.database import Server, connect, connect_admin
from infra.encryption.codec import Place
from infra.encryption.data_keys import purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.provider import key_provider
from infra.errors import DatabaseUnavailable
from infra.live_health import health
from infra.postgres.embedded import Embedded
from infra.roles import Login
from infra.settings import settings
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from orchestration.live import worker
from orchestration.live.share import Share
from tests.integration.hooking import Endpoint, endpoint, send
from tests.integration.live_twins import RULES, TWINS, bring, evaluate, load, save
from tests.integration.test_sealer import forked, wait_until
from tests.utc import today

# The worker's midnight brings members to the present day.
PATIENTS = 20
KILLS = 52
# One that depends on profiles, and one that does not.
FOLLOWED = ("old", "attended")
WEBHOOK = """
insert into operational.webhook_endpoint (clinic_id, endpoint_id, url, segments, kinds, secret, followed_run,
    followed_segment, followed_patient, created_by)
select clinic_id, %(webhook)s, %(url)s,
    (select array_agg(segment_id) from clinic_north.segment where slug = any(%(slugs)s)),
    '{entered,left,forget}', %(secret)s, 0, %(segment)s, %(patient)s, gen_random_uuid()
from operational.clinic where slug = 'north'
"""
FIRING = """
select 'segment.' || kind, segment_id::text, patient_id::text from clinic_north.segment_change
inner join clinic_north.segment using (segment_id) where fires and slug = any(%s)
"""


@pytest.fixture
def patients(server: Server, admin: psycopg.Connection) -> dict[str, list[UUID]]:
    """Two clinics with patients who have one visit each, evaluated."""
    rows, found = Rows(admin), {}
    admin.execute("update operational.clinic set time_zone = 'UTC'")
    save(server, RULES)
    for clinic in TWINS:
        found[clinic] = [rows.patient(clinic) for _ in range(PATIENTS)]
        for patient in found[clinic]:
            rows.appointment(clinic, patient, today(), "cancelled")
        bring(server, clinic, today())
    return found


class Load:
    """Patients' visits that are attended or cancelled all the time, and a reader who follows the feed meanwhile.

    If it is of `people` as well, they sign and revoke, and their profiles are edited.
    """

    def __init__(self, at: Server, patients: dict[str, list[UUID]], writers: int = 2, *, people: bool = False) -> None:
        self._at, self._patients, self.people = at, patients, people
        self._stopped = threading.Event()
        self.changes = [0] * writers
        self.followed: dict[str, list[tuple[Any, ...]]] = {clinic: [] for clinic in patients}
        work: list[Callable[[], None]] = [lambda number=number: self._write(number) for number in range(writers)]  # type: ignore[misc]
        self._threads = [threading.Thread(target=target) for target in [*work, self._follow]]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def follow(self, admin: psycopg.Connection) -> None:
        """Read on in every clinic's feed, from where it was left."""
        for clinic, read in self.followed.items():
            after = read[-1][:3] if read else (0, UUID(int=0), UUID(int=0))
            read += admin.execute(
                f"select run, segment_id, patient_id, kind from clinic_{clinic}.segment_change"
                " where (run, segment_id, patient_id) > (%s, %s, %s) order by 1, 2, 3",
                after,
            ).fetchall()

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        while not self._stopped.is_set():
            # Whoever writes while the server is away tries again.
            with suppress(psycopg.OperationalError, DatabaseUnavailable), connect_admin(self._at) as admin:
                while not self._stopped.is_set():
                    clinic = chance.choice(TWINS)
                    admin.execute(
                        "update operational.appointment set status = %s where patient_id = any(%s)",
                        [chance.choice(["fulfilled", "cancelled"]), chance.sample(self._patients[clinic], 3)],
                    )
                    if self.people:
                        self._sign_or_edit(admin, chance, clinic, self._patients[clinic][number::2])
                    self.changes[number] += 1

    def _sign_or_edit(self, admin: psycopg.Connection, chance: random.Random, clinic: str, own: list[UUID]) -> None:
        """One of these patients, who are this writer's alone: so their events have an order."""
        rows, patient = Rows(admin), chance.choice(own)
        if chance.random() < 0.5:
            rows.consent(clinic, rows.person_of(patient), chance.choice(["signed", "revoked"]))
        else:
            admin.execute(
                "update operational.profile set birth_date = %s where person_id = %s",
                [today() - timedelta(days=chance.choice([5_000, 30_000])), rows.person_of(patient)],
            )

    def _follow(self) -> None:
        while not self._stopped.is_set():
            with suppress(Exception), connect_admin(self._at) as admin:
                while not self._stopped.is_set():
                    self.follow(admin)
                    time.sleep(0.01)


def settled(at: Server, loaded: Load) -> None:
    """Whatever waited is dealt with: members are those of a full recompute, and each event is in the feed once."""
    for clinic in TWINS:
        bring(at, clinic, today())
        assert load(at, clinic) == 0
        assert evaluate(at, clinic, today()) == (0, 0)
    with connect_admin(at) as admin:
        assert admin.execute("select count(*) from operational.outbox").fetchone() == (0,)
        loaded.follow(admin)
        for clinic, followed in loaded.followed.items():
            # Who withdraws and is still a member is forgotten and enters in one run.
            whole = admin.execute(
                f"select run, segment_id, patient_id, kind from clinic_{clinic}.segment_change"
                " order by run, segment_id, patient_id, kind = 'forget' desc"
            ).fetchall()
            # Of those that depend on profiles a revocation takes out what was read before.
            stays = {row[0] for row in admin.execute(
                f"select segment_id from clinic_{clinic}.segment where not (%s and profile_dependent)", [loaded.people]
            )}  # fmt: skip
            assert len(stays) >= 5
            assert [row for row in followed if row[1] in stays] == [row for row in whole if row[1] in stays]
            last: dict[Any, str] = {}
            for _, segment, patient, kind in whole:
                before = last.get((segment, patient), "left")
                assert before != kind and (before, kind) != ("forget", "left")
                last[segment, patient] = kind
            inside = {key for key, kind in last.items() if kind == "entered"}
            members = admin.execute(
                f"select segment_id, patient_id from clinic_{clinic}.segment_member where left_at is null"
            ).fetchall()
            assert inside == set(members)
            assert admin.execute(f"select count(*) from clinic_{clinic}.dead_change").fetchone() == (0,)


@contextmanager
def working(at: Server) -> Iterator[None]:
    """A worker in a thread of this process."""
    stopped = threading.Event()
    thread = threading.Thread(target=worker.run, args=(at, stopped.is_set))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def sent(at: Server, to: Endpoint) -> list[tuple[str, str, str]]:
    """What a webhook of north that follows some segments from the first run on is sent: kind, segment and patient."""
    first = {"segment": UUID(int=0), "patient": UUID(int=0)}
    webhook = uuid4()
    codec = FieldCodec(key_provider(settings(), at.secrets_folder))
    with connect(Login.SERVICE, at=at) as connection:
        newest, *_ = purpose_keys(connection, codec.provider, "webhook")
    secret = codec.seal(newest, Place("operational.webhook_endpoint", "secret", str(webhook)), b"whsec_Q2FuYXJ5")
    with connect_admin(at) as admin:
        admin.execute(WEBHOOK, {"webhook": webhook, "url": to.url, "secret": secret, "slugs": list(FOLLOWED), **first})
    while send(World(at), to):
        pass
    return [(post.said["type"], post.said["data"]["segment_id"], post.said["data"]["patient_id"]) for post in to.came]


def waiting(admin: psycopg.Connection, clinic: str | None = None) -> bool:
    found = admin.execute(
        "select exists (select from operational.outbox inner join operational.clinic using (clinic_id)"
        " where slug = coalesce(%s, slug))",
        [clinic],
    ).fetchone()
    return found == (True,)


def last_run(admin: psycopg.Connection, clinic: str = "north") -> int:
    return int(admin.execute(f"select run from clinic_{clinic}.segment_clock").fetchone()[0])  # type: ignore[index]


@pytest.mark.check(47)
def test_killed_again_and_again_under_load_and_two_at_once_nothing_is_lost_or_double(
    server: Server, patients: dict[str, list[UUID]], admin: psycopg.Connection, tmp_path: Path
) -> None:
    chance = random.Random()
    with Load(server, patients, people=True) as loaded:
        for clinic in TWINS * (KILLS // 4):
            enough = last_run(admin, clinic) + chance.randint(0, 4)
            workers = [forked(lambda: worker.run(server)) for _ in range(2)]
            for child in workers:
                while last_run(admin, clinic) < enough:
                    time.sleep(0.005)
                time.sleep(chance.uniform(0.0, 0.03))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        loaded.stop()
        assert min(loaded.changes) > 20
        settled(server, loaded)
    for clinic in TWINS:
        assert sum(kind == "left" for *_, kind in loaded.followed[clinic]) > 5
        forgotten = admin.execute(f"select count(*) from clinic_{clinic}.segment_forget").fetchone()
        assert forgotten and forgotten[0] > 5
    with endpoint(tmp_path) as to:
        told = sent(server, to)
    feed = admin.execute(FIRING, [list(FOLLOWED)]).fetchall()
    assert sorted(told) == sorted(feed) and len({post.delivery for post in to.came}) == len(feed) > 20


@pytest.mark.check(47)
def test_it_goes_on_by_itself_when_the_database_was_restarted_under_load(
    server: Server, patients: dict[str, list[UUID]], admin: psycopg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    admin.close()
    embedded = Embedded(server.secrets_folder.parent)
    with working(server), Load(server, patients) as loaded:
        time.sleep(0.5)
        embedded.down()
        embedded.up()
        with connect_admin(server) as looking:
            before = last_run(looking)
            wait_until(lambda: last_run(looking) > before + 2)
            loaded.stop()
            wait_until(lambda: not waiting(looking))
    settled(server, loaded)
    assert "Zyxcanary" not in "".join(capfd.readouterr())


@pytest.mark.check(42)
def test_ingest_and_live_side_by_side_end_in_the_same(server: Server, patients: dict[str, list[UUID]]) -> None:
    with working(server), Load(server, patients) as loaded:
        for _ in range(2):
            for clinic in TWINS:
                for asset in Asset:
                    ingest(server, clinic, asset, UUID(int=random.getrandbits(128)))
                evaluate(server, clinic, today())
        loaded.stop()
    settled(server, loaded)


def test_a_clinic_that_somebody_writes_holds_up_no_other(
    server: Server, patients: dict[str, list[UUID]], admin: psycopg.Connection
) -> None:
    rows = Rows(admin)
    with working(server):
        wait_until(lambda: health(server).workers == 1)
        with connect_admin(server) as writing, writing.transaction():
            writing.execute("select operational.lock_clinic('north')")
            for _ in range(3):
                for clinic in TWINS:
                    rows.appointment(clinic, patients[clinic][0], today())
                wait_until(lambda: not waiting(admin, "south"))
            assert waiting(admin, "north")
            assert health(server).clinics["north"].waiting >= 3
        wait_until(lambda: not waiting(admin, "north"))
    assert health(server).workers == 0


def test_a_saved_rule_and_a_load_wake_the_worker_that_is_started_beside(
    server: Server, patients: dict[str, list[UUID]], admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By looking at the queues it would find neither."""
    monkeypatch.setenv("CLOISTER_HOME", str(server.secrets_folder.parent))
    monkeypatch.setenv("CLOISTER_ROLE_PREFIX", server.roles.prefix)
    url = f"postgresql://{server.admin['user']}@/{server.admin['dbname']}?host={server.admin['host']}"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CLOISTER_MODE", "demo")

    def members(segment: str) -> int:
        query = (
            "select count(*) from clinic_north.segment_member inner join clinic_north.segment using (segment_id)"
            " where slug = %s and left_at is null"
        )
        return int(admin.execute(query, [segment]).fetchone()[0])  # type: ignore[index]

    with beside("live"):
        wait_until(lambda: health(server).workers == 1)
        save(server, {"everybody": "registration.days >= 0"}, ("north",))
        wait_until(lambda: members("everybody") == PATIENTS)
        with admin.transaction():
            admin.execute("set local session_replication_role = replica")  # a change that no outbox row tells of
            admin.execute("update operational.appointment set status = 'fulfilled', version = version + 1")
        load(server, "north")
        wait_until(lambda: members("attended") == PATIENTS)


def test_what_another_worker_leaves_is_taken_over(
    server: Server, patients: dict[str, list[UUID]], admin: psycopg.Connection
) -> None:
    """One that holds a place and does nothing: its clinics wait for two looks, and no longer."""
    with connect_admin(server) as idle:
        share = Share(idle)
        with working(server):
            wait_until(lambda: health(server).workers == 2)
            for clinic in TWINS:
                Rows(admin).appointment(clinic, patients[clinic][0], today())
            wait_until(lambda: not waiting(admin))
        share.refresh()
        assert all(share.mine(clinic) for clinic in TWINS)
