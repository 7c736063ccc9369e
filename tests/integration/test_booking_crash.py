"""A booking whose process is killed at every step: repeated, it makes one of everything."""

import json
import signal
import sys
from collections.abc import Iterator
from subprocess import DEVNULL, PIPE, Popen
from uuid import uuid4

import pytest
from access_world import Api, World
from booking import ONE_NEW, added, as_key, ask, at, counts, post, someone

from tests.conftest import ROOT
from tests.integration.booking_killed import FINISHED

FEWEST_STEPS = 10


@pytest.fixture
def booking() -> Iterator[Popen[str]]:
    command = [sys.executable, "-m", "tests.integration.booking_killed"]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        yield process
        process.kill()


@pytest.mark.check(39)
def test_killed_at_every_step_and_repeated_a_booking_is_one(world: World, api: Api, booking: Popen[str]) -> None:
    outcomes = []
    for step in range(1, 100):
        asked = ask(service="call", starts_at=at(step), patient=someone(source_id=f"killed {step}"))
        before, key = counts(world), str(uuid4())
        outcomes.append(_book_and_die(booking, world, asked, key, step))
        if outcomes[-1] == FINISHED:
            break
        # All or nothing of it: nothing, or everything where only the answer was lost.
        assert added(world, before) in (dict.fromkeys(before, 0), ONE_NEW | {"forms": 2}), step
        answer = post(api, as_key(world), asked, key=key)
        assert answer.status_code == 201, (step, answer.text)
        assert added(world, before) == ONE_NEW | {"forms": 2}, step
    assert outcomes[-1] == FINISHED and set(outcomes[:-1]) == {-signal.SIGKILL}
    assert len(outcomes) > FEWEST_STEPS


def _book_and_die(booking: Popen[str], world: World, asked: dict[str, object], key: str, step: int) -> int:
    server = world.server
    given = {
        "admin": server.admin,
        "prefix": server.roles.prefix,
        "secrets": str(server.secrets_folder),
        "key": world.keys["north.bookings"],
        "path": "/v1/clinics/north/bookings",
        "asked": asked,
        "idempotency_key": key,
        "fatal": step,
    }
    assert booking.stdin and booking.stdout
    print(json.dumps(given), file=booking.stdin, flush=True)
    return int(booking.stdout.readline())
