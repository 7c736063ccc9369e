"""Work of the gateway: all that it does and its event, or none of it and a denial."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from access_world import CHICK, FINCH, HERON, World
from psycopg import sql

from api.asking import Caller
from api.database import make_pool
from api.directory import Directory
from api.gateway import Access, Gateway, Work
from api.identity.principals import Principal
from api.me import repository
from infra.database import connect_admin
from infra.errors import CloisterError, InvalidInput, NotRecorded, NotThere, Refused
from infra.roles import Login
from policies.access.decide import load
from policies.access.model import DEPENDENT, Resource
from policies.classification import ProfileField
from policies.words import Action, Role

FIELDS = (ProfileField.NAME,)
RENAME = sql.SQL("update operational.person set name = 'Canary Finch II' where person_id = %(person)s")
NAME = sql.SQL("select name from operational.person")
NAMELESS = sql.SQL("update operational.person set name = '' where person_id = %(person)s")
WHERE = sql.SQL(
    "select current_user::text as role, nullif(current_setting('cloister.person_id'), '')::uuid as person,"
    " nullif(current_setting('cloister.actor_id'), '')::uuid as actor"
)
Block = Callable[[Work], Awaitable[Any]]


def run(world: World, access: Access, block: Block, person: str = FINCH) -> Any:
    """What a block answers that a patient and guardian works in."""

    async def working() -> Any:
        pool = make_pool(world.server, timeout_ms=5000)
        roles = frozenset({(Role.PATIENT, None), (Role.GUARDIAN, None)})
        principal = Principal(uuid4(), "human", "x", "x", roles, "s", person_id=world.people[person])
        async with pool:
            gateway = Gateway(pool, world.server.roles, load(), Directory(pool))
            async with gateway.work(Caller(principal, uuid4()), access) as work:
                return await block(work)

    return asyncio.run(working())


def own(person: UUID) -> Access:
    return Access(Action.PERSON_READ, Resource(person=str(person)), frozenset(FIELDS))


DEPENDENTS = Access(Action.PERSON_READ, Resource(person=DEPENDENT), frozenset(FIELDS))


async def find(work: Work, dependent: UUID | None = None) -> dict[str, Any]:
    me = work.caller.principal.person_id
    return await work.find(repository._profile(dependent is None, FIELDS), me=me, dependent=dependent)


def newest(world: World) -> tuple[Any, ...]:
    return world.look(
        "select action, decision, policies from audit.access_event order by occurred_at desc, event_id limit 1"
    )[0]


def name(world: World) -> str:
    return str(world.look("select name from operational.person where person_id = %s", world.people[FINCH])[0][0])


def test_what_was_found_is_recorded_and_the_rest_is_done_for_them_alone(world: World) -> None:
    async def block(work: Work) -> Any:
        found = await find(work, world.guardianship)
        return found, (await work.run(WHERE))[0], await work.run(NAME)

    found, where, names = run(world, DEPENDENTS, block)
    assert found["name"] == CHICK
    service = world.server.roles.of(Login.SERVICE)
    assert where == {"role": service, "person": world.people[CHICK], "actor": world.people[FINCH]}
    assert names == [{"name": CHICK}]
    assert newest(world) == ("person.read", "permit", ["guardian-reads-dependents-data"])


@pytest.mark.parametrize(
    "error", [InvalidInput("x", place="y"), Refused("x"), NotThere("x")], ids=lambda e: type(e).__name__
)
def test_an_error_undoes_everything_and_is_recorded_as_a_denial(world: World, error: Exception) -> None:
    async def block(work: Work) -> None:
        await find(work)
        await work.run(RENAME, person=world.people[FINCH])
        raise error

    with pytest.raises(type(error)):
        run(world, own(world.people[FINCH]), block)
    assert name(world) == FINCH
    assert newest(world) == ("person.read", "deny", [])


def test_without_an_error_it_is_done(world: World) -> None:
    async def block(work: Work) -> None:
        await find(work)
        await work.run(RENAME, person=world.people[FINCH])

    run(world, own(world.people[FINCH]), block)
    assert name(world) == "Canary Finch II"
    world.change("update operational.person set name = %s where person_id = %s", FINCH, world.people[FINCH])


def test_nobody_found_is_denied_and_recorded(world: World) -> None:
    async def block(work: Work) -> None:
        await find(work, uuid4())

    with pytest.raises(NotThere):
        run(world, DEPENDENTS, block)
    assert newest(world)[:2] == ("person.read", "deny")


def test_what_nobody_recorded_is_not_done(world: World) -> None:
    async def block(work: Work) -> None:
        await work.serve(world.people[FINCH])
        await work.run(RENAME, person=world.people[FINCH])

    with pytest.raises(NotRecorded):
        run(world, own(world.people[FINCH]), block)
    assert name(world) == FINCH


def test_nobody_elses_person_can_be_changed(world: World) -> None:
    """Whoever is found is the only one in reach, whatever the statement says."""

    async def block(work: Work) -> None:
        await find(work)
        await work.run(RENAME, person=world.people[HERON])

    run(world, own(world.people[FINCH]), block)
    assert world.look("select name from operational.person where person_id = %s", world.people[HERON]) == [(HERON,)]


def test_a_constraint_speaks_as_the_conflict_it_is(world: World) -> None:
    async def block(work: Work) -> None:
        await find(work)
        await work.run(NAMELESS, conflict=Refused("no name", place="name"), person=world.people[FINCH])

    with pytest.raises(Refused) as refused:
        run(world, own(world.people[FINCH]), block)
    assert refused.value.place == "name"
    assert newest(world)[1] == "deny"


def test_who_takes_the_rows_of_what_was_sent_gets_them(world: World) -> None:
    taken: list[dict[str, Any]] = []

    async def block(work: Work) -> None:
        await find(work)
        work.later(NAME, taken.extend)
        await work.send()
        await work.send()
        await work.run(WHERE)

    run(world, own(world.people[FINCH]), block)
    assert taken == [{"name": FINCH}]


def nameless(world: World, **conflict: CloisterError) -> Block:
    """What begins with a change that a constraint refuses, on its way."""

    async def block(work: Work) -> None:
        await find(work)
        work.later(NAMELESS, conflict=conflict, person=world.people[FINCH])
        await work.send()

    return block


def test_what_was_sent_speaks_as_the_conflict_it_is_at_the_commit(world: World) -> None:
    begun = nameless(world, person_name_check=Refused("no name", place="name"))
    with pytest.raises(Refused) as refused:
        run(world, own(world.people[FINCH]), begun)
    assert refused.value.place == "name"
    assert name(world) == FINCH


def test_what_was_sent_is_not_taken_for_the_conflict_of_what_is_read(world: World) -> None:
    async def block(work: Work) -> None:
        await nameless(world)(work)
        await work.run(NAME, conflict=Refused("something else"))

    with pytest.raises(NotRecorded):
        run(world, own(world.people[FINCH]), block)
    assert name(world) == FINCH


def test_what_was_sent_and_refused_goes_with_an_error_of_the_block(world: World) -> None:
    async def block(work: Work) -> None:
        await nameless(world)(work)
        raise InvalidInput("x", place="y")

    with pytest.raises(InvalidInput):
        run(world, own(world.people[FINCH]), block)
    assert name(world) == FINCH
    assert newest(world) == ("person.read", "deny", [])


def test_what_was_sent_and_waits_for_somebody_else_ends_with_its_request(world: World) -> None:
    async def block(work: Work) -> None:
        await find(work)
        work.later(RENAME, person=world.people[FINCH])
        await work.send()
        async with asyncio.timeout(0.3):
            await work.run(NAME)

    with connect_admin(world.server) as other, other.transaction():
        other.execute("select from operational.person where person_id = %s for update", [world.people[FINCH]])
        with pytest.raises(TimeoutError):
            run(world, own(world.people[FINCH]), block)
    world.change("update operational.person set name = name where person_id = %s", world.people[FINCH])
    assert name(world) == FINCH
