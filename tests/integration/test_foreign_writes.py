"""Every write of the API that names what is another clinic's: answered as what nobody has, and nothing is written."""

import re
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import access_world
import pytest
from access_world import HERON, World
from booking import ask, at
from good_writes import Write, ask_for, keyed
from test_fail_closed import state
from test_fail_closed_writes import EVERY_DAY, TODAY
from test_fail_closed_writes import family as family
from test_fail_closed_writes import writes as writes
from things import Things

from tests.integration.records import NOT_THERE, Family

# What an address names that is no clinic's or anybody's: words, what is made under that name, who runs the platform.
OF_NOBODY = {"clinic", "kind", "day", "step", "offered", "template", "segment_template", "account", "impersonation"}
# Which south alone has.
SEGMENT = "only-south"
# What is done to something of another's, and the same to what nobody has.
Pair = tuple[Write, Write]


def things(world: World, route: str, clinic: str = "north") -> dict[str, object]:
    """What the parameters of a route stand for at a clinic."""
    made = Things(world, route, clinic)
    of_clinic = {"day": made["today"], "segment": "everybody" if clinic == "north" else SEGMENT}
    return {name: of_clinic.get(name) or made[name] for name in re.findall(r"\{(\w+)\}", route)}


def pairs(world: World, route: str, write: Write) -> Iterator[Pair]:
    """What is south's at north, by who may do that there; what is at south, by who is north's; Finch's, by Heron."""
    query = write.path.partition("?")[1:]

    def doing(named: dict[str, object], login: str = write.login) -> Write:
        path = "".join((route.removeprefix("/v1").format_map(named), *query))
        return replace(write, login=login, path=path)

    own, foreign = things(world, route), things(world, route, "south")
    nobodys = {name: str(uuid4()) for name in own if name not in OF_NOBODY}
    if "clinic" not in own:
        yield from [(doing(own, "heron"), doing(own | nobodys, "heron"))] if nobodys else []
        return
    for name, unknown in nobodys.items():
        yield doing(own | {name: foreign[name]}), doing(own | {name: unknown})
    if write.login.endswith(".north"):
        yield doing(foreign), doing(foreign | nobodys | {"clinic": "nowhere"})


def bookings(world: World) -> Iterator[Pair]:
    """For a patient of south's; and by Heron, for whom Finch is the guardian of."""
    for login, name, whose in (
        ("staff.north", "patient", {"id": str(world.patients["south", HERON])}),
        ("heron", "dependent", str(world.guardianship)),
    ):
        nobodys = {"id": str(uuid4())} if name == "patient" else str(uuid4())
        one, other = (
            Write(login, "POST", "/clinics/north/bookings", ask(starts_at=at(20), **{name: of}), keyed())
            for of in (whose, nobodys)
        )
        yield one, other


@pytest.fixture(scope="module")
def foreign(family: Family, writes: list[Write]) -> list[Pair]:
    """Of every route that writes and is a clinic's or a person's: whatever it names."""
    world = family.world
    world.change(EVERY_DAY)
    world.change(TODAY)
    segment = {"slug": SEGMENT, "name": SEGMENT, "rule": "age > 40"}
    family.done("manager.south", "POST", "/clinics/south/segments", segment)
    family.headers["heron"] = access_world.sign_in(family.api, "heron")
    found = list(bookings(world))
    for route, ways in family.api.get("/v1/openapi.json").json()["paths"].items():
        for method in ways.keys() - {"get"} if re.match(r"/v1/(me/|clinics/\{clinic\})", route) else ():
            good = good_writes(writes, method.upper(), route)
            assert good, f"no good write is known of {method} {route}"
            found += [pair for write in good for pair in pairs(world, route, write)]
    return found


def good_writes(writes: list[Write], method: str, route: str) -> list[Write]:
    """One of each who may."""
    fits = re.compile(re.sub(r"\{\w+\}", "[^/]+", route))
    found = [w for w in writes if w.method == method and fits.fullmatch(f"/v1{w.path}".partition("?")[0])]
    return list({write.login: write for write in found}.values())


@pytest.mark.check(7)
def test_what_is_anothers_is_written_to_as_what_nobody_has(family: Family, foreign: list[Pair]) -> None:
    before = state(family.world)
    answers = [(write, ask_for(family, write)) for pair in foreign for write in pair]
    told = [
        (write.login, write.method, write.path, a.text)
        for write, a in answers
        if a.status_code != 404 or a.json() != NOT_THERE
    ]
    assert told == [] and len(foreign) > 100
    assert state(family.world) == before
