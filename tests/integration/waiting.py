"""Waiting until a connection waits for another, so that what happens meanwhile happens in between."""

import threading

from access_world import World


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
