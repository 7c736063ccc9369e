"""Killed at each point between the record and the answer: nobody is shown unrecorded, nothing is done by half."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import access_world
import httpx
import pytest
from access_world import FINCH, Api, World

from infra.database import connect_admin
from tests.conftest import ROOT
from tests.integration.test_sealer import wait_until

MEMBERS = "/v1/clinics/north/segments/everybody/members"


def events(world: World, action: str) -> int:
    return int(world.look("select count(*) from audit.access_event where action = %s", action)[0][0])


KILLED = """
import json, os, signal, sys
from pathlib import Path
import uvicorn
import api.grants, api.work
from api.app import create_app
from api.segments import pull_service
from infra.database import Server
from infra.roles import RoleNames

given = json.loads(sys.argv[1])
app = create_app(Server(given["admin"], RoleNames(given["prefix"]), Path(given["secrets"])))

def die(*_args, **_keywords):
    os.kill(os.getpid(), signal.SIGKILL)

class Killed:
    def __init__(self, inner): self.inner = inner
    async def __call__(self, scope, receive, send):
        parts = 0
        async def sending(message):
            nonlocal parts
            if scope["type"] == "http" and given["when"] == "between": die()
            await send(message)
            parts += bool(message.get("body"))
            if given["when"] == "second part" and parts == 2: die()
        await self.inner(scope, receive, sending)

if given["when"] == "before":
    api.grants.recorded = api.grants.recorded_gathering = api.grants.enter = api.work.entering = die
pull_service.MEMBERS_A_PART = 1 if given["when"] == "second part" else pull_service.MEMBERS_A_PART
uvicorn.run(Killed(app), fd=given["fd"], log_config=None)
"""
# Holds up every commit of an event until the lock is let go.
SLOW_COMMIT = """
create function audit.wait() returns trigger language plpgsql as $$
begin perform pg_advisory_xact_lock_shared(77); return null; end $$;
create constraint trigger slow after insert on audit.access_event initially deferred
    for each row execute function audit.wait();
"""
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and objid = 77 and not granted"
REVOKED = "select count(*) from operational.consent_event where kind = 'revoked'"
REVOKE = {"clinic": "north", "purpose": "profile_sharing"}
PULL = {"Accept": "application/x-ndjson"}
# Who asks, for what, which event that is, and how many patients it discloses: who revokes sees nothing.
ASKED = {
    "members": ("manager.north", "GET", MEMBERS, {}, "member.list", 2),
    "pull": ("manager.north", "GET", MEMBERS, PULL, "member.list", 2),
    "profile": ("specialist.north", "GET", "/v1/clinics/north/patients/{}/profile", {}, "profile.read", 1),
    "revoke": ("finch", "POST", "/v1/me/consents/revoke", {}, "consent.revoke", 0),
}


class Victim:
    """The service in a process of its own, which is killed, and one who asks it."""

    def __init__(self, world: World, api: Api, when: str, what: str) -> None:
        login, self.method, path, more, self.action, self.patients = ASKED[what]
        self.world, self.path = world, path.format(world.patients["north", FINCH])
        self.headers = access_world.sign_in(api, login) | more
        self.body = REVOKE if self.method == "POST" else None
        self.when, self.received = when, ""

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        server = self.world.server
        with access_world.listening() as listening:
            self.base = f"http://127.0.0.1:{listening.getsockname()[1]}"
            given = {"admin": server.admin, "prefix": server.roles.prefix, "secrets": str(server.secrets_folder),
                     "when": self.when, "fd": listening.fileno()}  # fmt: skip
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(KILLED), json.dumps(given)],
                pass_fds=[listening.fileno()], cwd=ROOT, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                yield process
                assert process.wait(30) == -9
            finally:
                process.kill()

    def ask(self) -> None:
        """Ask, and take what comes before the end."""
        with pytest.raises(httpx.RemoteProtocolError):
            self._take()

    def _take(self) -> None:
        url = self.base + self.path
        with httpx.stream(self.method, url, headers=self.headers, json=self.body, timeout=60) as answer:
            for part in answer.iter_text():
                self.received += part

    def assert_recorded(self, times: int) -> None:
        """So many events stand, each with its patients, and what was done with it."""
        assert events(self.world, self.action) == times
        assert self.world.look("select count(*) from audit.disclosed") == [(self.patients * times,)]
        assert self.world.look(REVOKED) == [(times if self.action == "consent.revoke" else 0,)]


@pytest.mark.check(23)
@pytest.mark.parametrize(("when", "recorded"), [("before", 0), ("between", 1)])
@pytest.mark.parametrize("what", ASKED)
def test_killed_around_the_record_nothing_is_answered_unrecorded(
    fresh: World, running: Api, when: str, recorded: int, what: str
) -> None:
    victim = Victim(fresh, running, when, what)
    with victim.running():
        victim.ask()
    assert victim.received == ""
    victim.assert_recorded(recorded)


@pytest.mark.check(23)
@pytest.mark.parametrize("what", ["members", "profile", "revoke"])
def test_killed_in_the_commit_it_is_recorded_whole_and_not_answered(fresh: World, running: Api, what: str) -> None:
    """Whoever is killed does not learn of the commit, which the database brings to its end."""
    victim = Victim(fresh, running, "never", what)
    fresh.change(SLOW_COMMIT)
    with connect_admin(fresh.server) as holding, victim.running() as process, ThreadPoolExecutor(1) as beside:
        holding.execute("select pg_advisory_lock(77)")
        asking = beside.submit(victim.ask)
        wait_until(lambda: fresh.look(WAITING) == [(1,)])
        victim.assert_recorded(0)
        process.kill()
        asking.result(60)
        holding.execute("select pg_advisory_unlock(77)")
        wait_until(lambda: events(fresh, victim.action) == 1)
    assert victim.received == ""
    victim.assert_recorded(1)


@pytest.mark.check(23)
def test_killed_after_the_second_part_of_a_pull_whoever_was_shown_is_recorded(fresh: World, running: Api) -> None:
    victim = Victim(fresh, running, "second part", "pull")
    with victim.running():
        victim.ask()
    shown = {str(patient) for patient in fresh.patients.values() if str(patient) in victim.received}
    recorded = fresh.look(
        "select d.patient_id::text from audit.access_event as e inner join audit.disclosed as d using (event_id)"
        " where e.action = 'member.list'"
    )
    assert shown == {patient for (patient,) in recorded} and len(shown) == 2
    assert events(fresh, "member.list") >= 2
