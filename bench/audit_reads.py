"""What the record costs a read: the same reads through the same gateway, with and without it, in turns."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

from psycopg import sql

from bench.access_reads import LOGIN, Ward, ward
from bench.harness import Bench, Figure, benchmark

SECONDS = 1.0
ROUNDS = 12
READERS = 16
LISTED = 100
_LIST = sql.SQL("""
select r.patient_id, p.name
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id
where r.clinic_id = %(event__clinic_id)s and r.patient_id >= %(low)s
order by r.patient_id limit %(listed)s""")
Read = Callable[[UUID], Awaitable[object]]


@benchmark("audit.recorded")
def recorded_reads(bench: Bench) -> Iterator[Figure]:
    """Recorded reads a second against the same unrecorded: one patient's profile, a list of 100 patients."""
    found = ward(bench)
    for name, goal, speeds in asyncio.run(_measured(found)):
        ours, bare = (median(column) for column in zip(*speeds, strict=True))
        # Of each round: from one to the next the machine's own speed changes more than the two differ.
        ratio = median(recorded / alone for recorded, alone in speeds)
        yield Figure(f"audit.recorded_{name}", ours, "reads/s", bare, ratio, goal, ratio >= goal)


async def _measured(found: Ward) -> list[tuple[str, float, list[tuple[float, float]]]]:
    async with _reading(found) as (one, hundred):
        return [
            ("one", 0.7, [await _pair(one, found.patients) for _ in range(ROUNDS + 1)][1:]),
            ("hundred", 0.5, [await _pair(hundred, found.patients) for _ in range(ROUNDS + 1)][1:]),
        ]


async def _pair(read: Callable[[bool], Read], patients: list[UUID]) -> tuple[float, float]:
    ours = await _per_second(read(True), patients)
    with patch("api.grants.recorded", _unrecorded):
        return ours, await _per_second(read(False), patients)


async def _per_second(read: Read, patients: list[UUID]) -> float:
    until, subjects, done = time.perf_counter() + SECONDS, cycle(patients), 0

    async def reader() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await read(next(subjects))
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(reader() for _ in range(READERS)))
    return done / (time.perf_counter() - began)


@asynccontextmanager
async def _reading(found: Ward) -> AsyncIterator[tuple[Callable[[bool], Read], Callable[[bool], Read]]]:
    """The two reads, each recorded or not."""
    # Late: the other benchmarks need no API.
    from api.gateway import Access, Caller
    from api.profiles import repository
    from api.services import Services
    from policies.access.model import Resource
    from policies.classification import ProfileField
    from policies.words import Action, Role

    serving = Services.build(found.at)
    async with serving.pool:
        principal = await serving.account(LOGIN)
        assert principal is not None and (Role.SPECIALIST, found.clinic) in principal.roles
        fields = tuple(ProfileField)
        one = Access(Action.PROFILE_READ, Resource(found.clinic, patient=True), frozenset(fields))
        listed = Access(Action.AGENDA_READ, Resource(found.clinic))
        text = repository._statement(Action.PROFILE_READ, fields)
        bare = re.sub(r", event as \(.*\) (?=select \* from ruled where decision = 'permit'$)", " ", text)
        assert "insert" in text and "insert" not in bare

        def profile(is_recorded: bool) -> Read:
            async def read(patient: UUID) -> object:
                grant = await serving.gateway.person(Caller(principal, uuid4()), one)
                return await grant.disclose(text if is_recorded else bare, patient=patient)

            return read

        def patients(_is_recorded: bool) -> Read:
            async def read(low: UUID) -> object:
                async with serving.gateway.open(Caller(principal, uuid4()), listed) as grant:
                    return await grant.disclose(_LIST, sql.SQL("patient_id"), low=low, listed=LISTED)

            return read

        yield profile, patients


def _unrecorded(query: sql.Composable, order: sql.Composable, **_: Any) -> sql.Composed:
    return sql.SQL("with found as materialized ({}) select * from found order by {}").format(query, order)
