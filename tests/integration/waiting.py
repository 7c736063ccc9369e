"""Waiting until a connection waits for another, so that what happens meanwhile happens in between."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from access_world import World

from infra.database import connect_admin


def until_somebody_waits(world: World, pid: int) -> None:
    """Until a connection waits for another; if none does, that is a failure."""
    waiting = "select count(*) > 0 from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    for _ in range(100):
        if world.look(waiting, pid) == [(True,)]:
            return
        threading.Event().wait(0.05)
    raise AssertionError("nobody waits")


def until_somebody_waits_for_who_waits(world: World, pid: int) -> None:
    """Until a connection waits for one that waits for this one."""
    ((first,),) = world.look("select pid from pg_stat_activity where %s = any(pg_blocking_pids(pid))", pid)
    until_somebody_waits(world, first)


@contextmanager
def held(world: World, statement: str, *values: Any) -> Iterator[int]:
    """What others wait for until this ends; of which connection."""
    with connect_admin(world.server) as admin, admin.transaction():
        admin.execute(statement, values)  # type: ignore[arg-type]
        yield admin.info.backend_pid


def until_all_wait(world: World, pid: int, count: int) -> None:
    """Until so many connections wait, for that one or for each other."""
    until_somebody_waits(world, pid)
    waiting = "select count(*) from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0"
    for _ in range(100):
        if world.look(waiting)[0][0] >= count:
            return
        threading.Event().wait(0.05)
    raise AssertionError("not all wait")
