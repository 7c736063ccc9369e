"""Every access is recorded with whom it disclosed, and what cannot be recorded is not answered."""

import asyncio
from uuid import UUID, uuid4

import access_world
import psycopg
import pytest
from access_world import FINCH, WREN, Api, World
from psycopg import sql

from api.database import make_pool
from api.directory import Directory
from api.gateway import Access, Caller, Gateway
from api.identity.principals import Principal
from api.me import repository as me
from api.segments import repository
from infra.errors import NotRecorded, NotThere
from policies.access.decide import load
from policies.access.model import Resource
from policies.classification import Field, ProfileField
from policies.words import AccountAction, Action, Role

MEMBERS = "/v1/clinics/north/segments/everybody/members"
NEWEST = (
    "select action, decision, resource_type, resource_id, clinic_id, patients, categories, policies, role, event_id"
    " from audit.access_event order by occurred_at desc, event_id limit 1"
)


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
def test_a_page_discloses_only_its_own_patients(fresh: World, running: Api) -> None:
    world, api = fresh, running
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
def test_what_cannot_be_recorded_is_not_answered(fresh: World, running: Api, table: str) -> None:
    world, api = fresh, running
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
def test_a_denial_that_cannot_be_recorded_is_no_answer_either(fresh: World, running: Api) -> None:
    world, api = fresh, running
    headers = access_world.sign_in(api, "manager.north")
    world.change(f"revoke insert on audit.access_event from {world.server.roles.prefix}_service")
    assert api.get("/v1/clinics/south/segments", headers=headers).status_code == 503


@pytest.mark.check(28)
def test_an_auditors_search_is_an_event(running: Api) -> None:
    api = running
    headers = access_world.sign_in(api, "auditor")
    first = api.get("/v1/audit/events", headers=headers).json()["events"]
    assert "audit.search" not in {event["action"] for event in first}
    second = api.get("/v1/audit/events", headers=headers).json()["events"]
    assert (second[0]["action"], second[0]["principal"]) == ("audit.search", "auditor")


def test_auditors_filter_and_page_through_the_log(fresh: World, running: Api) -> None:
    world, api = fresh, running
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


def test_a_session_cookie_that_is_none_is_an_event(fresh: World, running: Api) -> None:
    running.cookies.set("cloister_session", "made up")
    assert running.get("/clinics").status_code == 401
    assert fresh.look(NEWEST)[0][:2] == ("credential.check", "deny")


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
            states.append(await _state(pool))
            task = asyncio.create_task(_work(gateway, person, 0.25))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            states.append(await _state(pool))
            with pytest.raises(NotRecorded):
                await _work(gateway, person, 5)
            return [*states, await _state(pool)]

    person, name = world.people[FINCH], "select name from operational.person where person_id = %s"
    states = asyncio.run(abuse())
    assert len(states) == 10
    assert world.look(name, person) == [(FINCH,)], "what is cut off has not happened"
    assert set(states) == {(f"{world.server.roles.prefix}_service", '"$user", public', "")}


OF_A_TRANSACTION = (
    "clinic_id", "clinic_ids", "person_id", "actor_id", "audit_scope", "log_of", "presented_code", "mailbox",
)  # fmt: skip
SETTINGS = "concat({})".format(", ".join(f"current_setting('cloister.{name}', true)" for name in OF_A_TRANSACTION))
FAILING_PERSON = "select 1 / (clinic_id - clinic_id) from operational.registration"
SLEEPING_PERSON = "select pg_sleep(5) from operational.registration"


async def _work(gateway: Gateway, person: UUID, seconds: float) -> None:
    """Write in the name of a person, who has shown a code, and then wait for so long."""
    principal = Principal(uuid4(), "human", "p", "P", frozenset({(Role.PATIENT, None)}), "test", person_id=person)
    access = Access(Action.PERSON_READ, Resource(person=str(person)), frozenset({Field.NAME.value}))
    async with gateway.work(Caller(principal, uuid4()), access) as work:
        await work.find(me._profile(True, (ProfileField.NAME,)), me=person, dependent=None)
        await work.run(sql.SQL("select set_config('cloister.presented_code', %(code)s, true)"), code="Canary code")
        await work.run(sql.SQL("update operational.person set name = 'Cut off' where person_id = %(me)s"), me=person)
        (held,) = await work.run(sql.SQL(f"select {SETTINGS} as held"))
        assert str(person) in held["held"] and "Canary code" in held["held"], "there is nothing to carry over"
        await work.run(sql.SQL("select pg_sleep(%(seconds)s)"), seconds=seconds)


async def _profile(gateway: Gateway, statement: str) -> None:
    principal = Principal(uuid4(), "human", "s", "S", frozenset({(Role.SPECIALIST, "north")}), "test")
    access = Access(Action.PROFILE_READ, Resource("north", patient=True), frozenset({Field.NAME.value}))
    await (await gateway.person(Caller(principal, uuid4()), access)).disclose(statement)


async def _state(pool: object) -> tuple[str, str, str]:
    async with pool.connection() as connection:  # type: ignore[attr-defined]
        found = await connection.execute(
            f"select current_user::text as who, current_setting('search_path') as path, {SETTINGS} as clinic"
        )
        row = await found.fetchone()
        return row["who"], row["path"], row["clinic"]


async def _disclose(gateway: Gateway, query: str) -> None:
    principal = Principal(uuid4(), "human", "m", "M", frozenset({(Role.CLINIC_MANAGER, "north")}), "test")
    access = Access(Action.MEMBER_LIST, Resource("north", "everybody"), frozenset({Field.NAME.value}))
    async with gateway.open(Caller(principal, uuid4()), access) as grant:
        await grant.disclose(sql.SQL(query), sql.SQL("1"))
