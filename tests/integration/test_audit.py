"""Every access is recorded with whom it disclosed, and what cannot be recorded is not answered."""

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import access_world
import httpx
import psycopg
import pytest
from access_world import FINCH, WREN, Api, World
from psycopg import sql

from api.database import make_pool
from api.directory import Directory
from api.gateway import Access, Caller, Gateway
from api.identity.principals import Principal
from api.segments import repository
from infra.database import Server, connect_admin
from infra.errors import NotRecorded, NotThere
from policies.access.decide import load
from policies.access.model import Resource
from policies.classification import Field
from policies.words import AccountAction, Action, Role
from tests.integration.test_sealer import wait_until

MEMBERS = "/v1/clinics/north/segments/everybody/members"
NEWEST = (
    "select action, decision, resource_type, resource_id, clinic_id, patients, categories, policies, role, event_id"
    " from audit.access_event order by occurred_at desc, event_id limit 1"
)


@pytest.fixture
def fresh_world(server: Server) -> World:
    """For tests that count every event, or break something."""
    return access_world.build(server)


@pytest.fixture
def fresh_api(fresh_world: World) -> Iterator[Api]:
    with access_world.client(fresh_world.server) as running:
        yield running


def events(world: World, action: str) -> int:
    return int(world.look("select count(*) from audit.access_event where action = %s", action)[0][0])


@pytest.mark.check(21)
def test_a_read_names_every_patient_it_disclosed(world: World, api: Api) -> None:
    api.get(MEMBERS, headers=access_world.sign_in(api, "manager.north"))
    *event, event_id = world.look(NEWEST)[0]
    assert event == [
        "member.list", "permit", "segment", "everybody", world.clinic_ids["north"], 2,
        ["identifier", "membership", "name"], ["manager-reads-members-by-name"], "clinic_manager",
    ]  # fmt: skip
    disclosed = world.look("select patient_id, clinic_id from audit.disclosure where event_id = %s", event_id)
    assert set(disclosed) == {(world.patients["north", name], world.clinic_ids["north"]) for name in (FINCH, WREN)}


@pytest.mark.check(21)
def test_a_page_discloses_only_its_own_patients(fresh_world: World, fresh_api: Api) -> None:
    world, api = fresh_world, fresh_api
    found = api.get(MEMBERS, headers=access_world.sign_in(api, "manager.north"), params={"limit": 1}).json()
    disclosed = world.look("select patient_id::text from audit.disclosure")
    assert disclosed == [(found["members"][0]["patient_id"],)]


@pytest.mark.check(21)
@pytest.mark.parametrize(
    ("path", "event"),
    [
        ("/v1/clinics", ("clinic.list", "permit", "platform", None)),
        ("/v1/clinics/north/segments", ("segment.list", "permit", "clinic", "north")),
        ("/v1/clinics/north/segments/empty", ("segment.read", "permit", "segment", "empty")),
        ("/v1/clinics/north/segments/empty/members", ("member.list", "permit", "segment", "empty")),
        ("/v1/clinics/north/segments/canary-finch/members", ("member.list", "permit", "segment", None)),
        ("/v1/clinics/south/segments/everybody/members", ("member.list", "deny", "segment", None)),
        ("/v1/clinics/canary/segments", ("segment.list", "deny", "clinic", None)),
        ("/v1/audit/events", ("audit.search", "deny", "platform", None)),
    ],
)
def test_searches_denials_and_zero_hits_are_one_event_each(
    world: World, api: Api, path: str, event: tuple[str, ...]
) -> None:
    headers = access_world.sign_in(api, "manager.north")
    before = world.look("select count(*) from audit.access_event")[0][0]
    api.get(path, headers=headers)
    assert world.look(NEWEST)[0][:4] == event
    assert world.look(NEWEST)[0][5] == 0
    assert world.look("select count(*) from audit.access_event")[0][0] == before + 1


@pytest.mark.check(22)
@pytest.mark.parametrize("table", ["access_event", "disclosure"])
def test_what_cannot_be_recorded_is_not_answered(fresh_world: World, fresh_api: Api, table: str) -> None:
    world, api = fresh_world, fresh_api
    headers = access_world.sign_in(api, "manager.north")
    assert api.get(MEMBERS, headers=headers).status_code == 200
    roles = ", ".join(row[0] for row in world.look(
        "select distinct grantee::text from information_schema.role_table_grants where table_name = %s"
        " and privilege_type = 'INSERT' and not grantee ~ '_owner$'", table))  # fmt: skip
    world.change(f"revoke insert on audit.{table} from {roles}")
    answer = api.get(MEMBERS, headers=headers)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:cloister:problem:not-recorded"
    assert "members" not in answer.text and FINCH not in answer.text
    assert events(world, "member.list") == 1
    assert world.look("select count(*) from audit.disclosure") == [(2,)]


@pytest.mark.check(22)
def test_a_denial_that_cannot_be_recorded_is_no_answer_either(fresh_world: World, fresh_api: Api) -> None:
    world, api = fresh_world, fresh_api
    headers = access_world.sign_in(api, "manager.north")
    world.change(f"revoke insert on audit.access_event from {world.server.roles.prefix}_service")
    assert api.get("/v1/clinics/south/segments", headers=headers).status_code == 503


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
# Who asks, for what, which event that is, and how many patients it names.
ASKED = {
    "members": ("manager.north", "GET", MEMBERS, {}, "member.list", 2),
    "pull": ("manager.north", "GET", MEMBERS, PULL, "member.list", 2),
    "profile": ("specialist.north", "GET", "/v1/clinics/north/patients/{}/profile", {}, "profile.read", 1),
    "revoke": ("finch", "POST", "/v1/me/consents/revoke", {}, "consent.revoke", 1),
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
                pass_fds=[listening.fileno()], cwd=Path(__file__).parent.parent.parent, stderr=subprocess.DEVNULL,
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
    fresh_world: World, fresh_api: Api, when: str, recorded: int, what: str
) -> None:
    victim = Victim(fresh_world, fresh_api, when, what)
    with victim.running():
        victim.ask()
    assert victim.received == ""
    victim.assert_recorded(recorded)


@pytest.mark.check(23)
@pytest.mark.parametrize("what", ["members", "profile", "revoke"])
def test_killed_in_the_commit_it_is_recorded_whole_and_not_answered(
    fresh_world: World, fresh_api: Api, what: str
) -> None:
    """Whoever is killed does not learn of the commit, which the database brings to its end."""
    victim = Victim(fresh_world, fresh_api, "never", what)
    fresh_world.change(SLOW_COMMIT)
    with connect_admin(fresh_world.server) as holding, victim.running() as process, ThreadPoolExecutor(1) as beside:
        holding.execute("select pg_advisory_lock(77)")
        asking = beside.submit(victim.ask)
        wait_until(lambda: fresh_world.look(WAITING) == [(1,)])
        victim.assert_recorded(0)
        process.kill()
        asking.result(60)
        holding.execute("select pg_advisory_unlock(77)")
        wait_until(lambda: events(fresh_world, victim.action) == 1)
    assert victim.received == ""
    victim.assert_recorded(1)


@pytest.mark.check(23)
def test_killed_after_the_second_part_of_a_pull_whoever_was_shown_is_recorded(
    fresh_world: World, fresh_api: Api
) -> None:
    victim = Victim(fresh_world, fresh_api, "second part", "pull")
    with victim.running():
        victim.ask()
    shown = {str(patient) for patient in fresh_world.patients.values() if str(patient) in victim.received}
    recorded = fresh_world.look(
        "select d.patient_id::text from audit.access_event as e inner join audit.disclosed as d using (event_id)"
        " where e.action = 'member.list'"
    )
    assert shown == {patient for (patient,) in recorded} and len(shown) == 2
    assert events(fresh_world, "member.list") >= 2


@pytest.mark.check(28)
def test_an_auditors_search_is_an_event(fresh_api: Api) -> None:
    api = fresh_api
    headers = access_world.sign_in(api, "auditor")
    first = api.get("/v1/audit/events", headers=headers).json()["events"]
    assert "audit.search" not in {event["action"] for event in first}
    second = api.get("/v1/audit/events", headers=headers).json()["events"]
    assert (second[0]["action"], second[0]["principal"]) == ("audit.search", "auditor")


def test_auditors_filter_and_page_through_the_log(fresh_world: World, fresh_api: Api) -> None:
    world, api = fresh_world, fresh_api
    manager, auditor = access_world.sign_in(api, "manager.north"), access_world.sign_in(api, "auditor")
    for path in (MEMBERS, "/v1/clinics/north/segments", "/v1/clinics/south/segments"):
        api.get(path, headers=manager)

    def search(**query: str) -> list[str]:
        found = api.get("/v1/audit/events", headers=auditor, params=query).json()["events"]
        return [event["action"] for event in found]

    finch = str(world.patients["north", FINCH])
    assert search(patient=finch) == search(action="member.list") == ["member.list"]
    assert search(decision="deny") == ["segment.list"]
    assert search(clinic="south", decision="permit", action="segment.list") == []
    pages, cursor = [], None
    while True:
        query = {"limit": "2", "until": "2999-01-01T00:00:00Z", **({"cursor": cursor} if cursor else {})}
        page = api.get("/v1/audit/events", headers=auditor, params=query).json()
        pages += [event["event_id"] for event in page["events"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(pages) == len(set(pages)) >= 12


@pytest.mark.parametrize(
    "path", ["/v1/clinics/north/segments/everybody/members", "/v1/audit/events"], ids=["members", "log"]
)
def test_a_bad_cursor_is_a_denied_read(world: World, api: Api, path: str) -> None:
    login = "auditor.north" if "audit" in path else "manager.north"
    answer = api.get(path, headers=access_world.sign_in(api, login), params={"cursor": "made-up"})
    assert answer.status_code == 404
    action, decision, _, resource_id, clinic_id, patients, _, policies, *_ = world.look(NEWEST)[0]
    expected = ("audit.search", "north") if "audit" in path else ("member.list", "everybody")
    assert (action, resource_id) == expected
    assert (decision, clinic_id, patients, policies) == ("deny", world.clinic_ids["north"], 0, [])


@pytest.mark.parametrize("token", ["nonsense", "clk_000000000000_x", "a.b.c"])
def test_a_bad_credential_is_an_event_without_the_credential(world: World, api: Api, token: str) -> None:
    before = events(world, AccountAction.CREDENTIAL_CHECK)
    assert api.get("/v1/clinics", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert api.get("/v1/clinics").status_code == 401
    assert world.look(NEWEST)[0][:5] == ("credential.check", "deny", "session", None, None)
    assert events(world, AccountAction.CREDENTIAL_CHECK) == before + 1


def test_a_session_cookie_that_is_none_is_an_event(fresh_world: World, fresh_api: Api) -> None:
    fresh_api.cookies.set("cloister_session", "made up")
    assert fresh_api.get("/clinics").status_code == 401
    assert fresh_world.look(NEWEST)[0][:2] == ("credential.check", "deny")


@pytest.mark.check(50)
def test_a_clinics_auditor_sees_that_clinics_events_alone(api: Api) -> None:
    for login, clinic in (("manager.north", "north"), ("manager.south", "south")):
        api.get(f"/v1/clinics/{clinic}/segments", headers=access_world.sign_in(api, login))
    headers = access_world.sign_in(api, "auditor.north")
    events = api.get("/v1/audit/events", headers=headers).json()["events"]
    assert {event["clinic"] for event in events} == {"north"}
    assert api.get("/v1/audit/events", headers=headers, params={"clinic": "south"}).status_code == 404


@pytest.mark.check(29)
def test_canary_values_reach_no_log_and_no_error(
    world: World, api: Api, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = access_world.sign_in(api, "manager.north")

    async def broken(*_args: object) -> None:
        raise RuntimeError(f"{FINCH} +49 30 901820")

    async def refused(*_args: object) -> None:
        raise psycopg.errors.UniqueViolation(f"DETAIL: Key (name)=({FINCH}) exists")

    with access_world.logging():
        answers = [
            api.get(f"/v1/clinics/north/segments/{FINCH}", headers=headers),
            api.get(MEMBERS, headers=headers, params={"limit": FINCH}),
            api.get("/v1/audit/events", headers=headers, params={"patient": FINCH, "action": FINCH}),
            api.post("/v1/token", data={"username": FINCH, "password": FINCH}),
        ]
        for failure in (broken, refused):
            monkeypatch.setattr(repository, "members", failure)
            answers.append(api.get(MEMBERS, headers=headers))
    assert [answer.status_code for answer in answers] == [404, 422, 422, 401, 500, 503]
    written = capfd.readouterr()
    # The last line may still be on its way: it is written after the answer.
    assert written.err.count('"event": "request"') >= len(answers) - 1, "the log was not captured"
    assert '"request failed"' in written.err and '"access not recorded"' in written.err
    for text in (written.out, written.err, *(answer.text for answer in answers)):
        assert "Canary" not in text and "901820" not in text
    assert world.look("select 1 from audit.access_event as e where e::text ilike '%%canary%%'") == []


FAILING = "select patient_id from raw_patients where 1 / (version - version) > 0"
SLEEPING = "select patient_id from raw_patients, pg_sleep({})"


@pytest.mark.check(3)
def test_a_pooled_connection_is_clean_after_an_error_a_cancel_and_a_timeout(world: World) -> None:
    async def abuse() -> list[tuple[str, str, str]]:
        pool = make_pool(world.server, timeout_ms=300, size=1)
        async with pool:
            gateway = Gateway(pool, world.server.roles, load(), Directory(pool))
            states = [await _state(pool)]
            for query in (FAILING, SLEEPING.format(5)):
                with pytest.raises(NotRecorded):
                    await _disclose(gateway, query)
                states.append(await _state(pool))
            for reading in (_disclose(gateway, SLEEPING.format(0.25)), _profile(gateway, SLEEPING_PERSON)):
                task = asyncio.create_task(reading)
                await asyncio.sleep(0.1)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                states.append(await _state(pool))
            for statement in (FAILING_PERSON, SLEEPING_PERSON):
                with pytest.raises(NotRecorded):
                    await _profile(gateway, statement)
                states.append(await _state(pool))
            with pytest.raises(NotThere):
                await _profile(gateway, "select 1 where false")
            return [*states, await _state(pool)]

    states = asyncio.run(abuse())
    assert len(states) == 8
    assert set(states) == {(f"{world.server.roles.prefix}_service", '"$user", public', "")}


FAILING_PERSON = "select 1 / (clinic_id - clinic_id) from operational.registration"
SLEEPING_PERSON = "select pg_sleep(5) from operational.registration"


async def _profile(gateway: Gateway, statement: str) -> None:
    principal = Principal(uuid4(), "human", "s", "S", frozenset({(Role.SPECIALIST, "north")}), "test")
    access = Access(Action.PROFILE_READ, Resource("north", patient=True), frozenset({Field.NAME.value}))
    await (await gateway.person(Caller(principal, uuid4()), access)).disclose(statement)


async def _state(pool: object) -> tuple[str, str, str]:
    async with pool.connection() as connection:  # type: ignore[attr-defined]
        found = await connection.execute(
            "select current_user::text as who, current_setting('search_path') as path,"
            " concat(current_setting('cloister.clinic_id', true), current_setting('cloister.person_id', true),"
            " current_setting('cloister.audit_scope', true)) as clinic"
        )
        row = await found.fetchone()
        return row["who"], row["path"], row["clinic"]


async def _disclose(gateway: Gateway, query: str) -> None:
    principal = Principal(uuid4(), "human", "m", "M", frozenset({(Role.CLINIC_MANAGER, "north")}), "test")
    access = Access(Action.MEMBER_LIST, Resource("north", "everybody"), frozenset({Field.NAME.value}))
    async with gateway.open(Caller(principal, uuid4()), access) as grant:
        await grant.disclose(sql.SQL(query), sql.SQL("1"))
