"""Passes over the rows of a rotation: batch after batch, on several connections at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from infra.database import Server, connect
from infra.roles import Login

Progress = Callable[[int], None]
BATCH = 1000
# One computes while the server works for the other.
WORKERS = 2
# How often rows that a writer holds are tried again, a second apart.
PATIENCE = 30


@dataclass(frozen=True)
class Batch:
    """What one batch did: the last row it looked at, how many it turned, how many did not open."""

    last: Any
    done: int
    broken: int = 0


# A batch takes a connection and the row that it begins after, and gives None where there are no more.
Step = Callable[[psycopg.Connection, Any], Batch | None]


def run_passes(at: Server, step: Step, settle: Callable[[], int], progress: Progress) -> int:
    """Pass over all rows until none is left, or those that are left stay locked or broken; return how many.

    `settle` retires what nothing stands under any more, and counts what is left.
    """
    tries = 0
    while True:
        done, broken = _pass(at, step, progress)
        left = settle()
        tries = 0 if done else tries + 1
        if left <= broken or tries > PATIENCE:
            return left
        if not done:
            time.sleep(1)


def _pass(at: Server, step: Step, progress: Progress) -> tuple[int, int]:
    """One pass of all workers; rows turned, and rows that do not open."""

    def work(_: int) -> tuple[int, int]:
        done, broken, last = 0, 0, None
        with connect(Login.ROTATOR, at=at, autocommit=True) as connection:
            while batch := step(connection, last):
                done, broken, last = done + batch.done, broken + batch.broken, batch.last
                progress(batch.done)
        return done, broken

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(work, range(WORKERS)))
    # Each worker meets the broken rows, which stay.
    return sum(done for done, _ in found), max(broken for _, broken in found)
