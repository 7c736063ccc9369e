"""A booking or a code's answer whose process is killed at every step: repeated, it makes one of everything."""

import json
import signal
import sys
from collections.abc import Iterator
from subprocess import DEVNULL, PIPE, Popen
from uuid import uuid4

import pytest
from access_world import Api, World
from booking import ONE_NEW, added, as_key, ask, at, counts, newcomer, post

from tests.conftest import ROOT
from tests.integration import provisional
from tests.integration.booking_killed import FINISHED
from tests.integration.provisional import Mailbox, mailbox

FEWEST_STEPS = 10
BOOKINGS = "/v1/clinics/north/bookings"
# The account, its message of welcome, and the link that sets the password.
ONE_ACCOUNT = {"accounts": 1, "messages": 1, "links": 1}

__all__ = ["mailbox"]


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
        asked = ask(service="call", starts_at=at(step), patient=newcomer(source_id=f"killed {step}"))
        before, key = counts(world), str(uuid4())
        outcomes.append(_ask_and_die(booking, world, BOOKINGS, asked, step, 201, key))
        if outcomes[-1] == FINISHED:
            break
        # All or nothing of it: nothing, or everything where only the answer was lost.
        assert added(world, before) in (dict.fromkeys(before, 0), ONE_NEW), step
        answer = post(api, as_key(world), asked, key=key)
        assert answer.status_code == 201, (step, answer.text)
        assert added(world, before) == ONE_NEW, step
    assert outcomes[-1] == FINISHED and set(outcomes[:-1]) == {-signal.SIGKILL}
    assert len(outcomes) > FEWEST_STEPS


@pytest.mark.check(39)
@pytest.mark.check(40)
def test_killed_at_every_step_and_repeated_a_code_makes_one_account(
    world: World, api: Api, booking: Popen[str], mailbox: Mailbox
) -> None:
    outcomes = []
    for step in range(1, 100):
        booked = provisional.book(world, "north", f"{uuid4()}@example.org")
        before, code = counts(world), mailbox.code(booked.verification)
        nothing = dict.fromkeys(before, 0)
        path = f"/v1/verifications/{booked.verification}"
        outcomes.append(_ask_and_die(booking, world, path, {"code": code}, step, 200))
        if outcomes[-1] == FINISHED:
            break
        happened = added(world, before)
        assert happened in (nothing, nothing | ONE_ACCOUNT), step
        # Where only the answer was lost, the code is used up.
        answer = provisional.answer(api, booked, code)
        assert answer.status_code == (200 if happened == nothing else 422), (step, answer.text)
        assert added(world, before) == nothing | ONE_ACCOUNT, step
    assert outcomes[-1] == FINISHED and set(outcomes[:-1]) == {-signal.SIGKILL}
    assert len(outcomes) > FEWEST_STEPS


def _ask_and_die(
    booking: Popen[str], world: World, path: str, asked: dict[str, object], step: int, done: int, key: str = "none"
) -> int:
    server = world.server
    given = {
        "admin": server.admin,
        "prefix": server.roles.prefix,
        "secrets": str(server.secrets_folder),
        "key": world.keys["north.bookings"],
        "path": path,
        "done": done,
        "asked": asked,
        "idempotency_key": key,
        "fatal": step,
    }
    assert booking.stdin and booking.stdout
    print(json.dumps(given), file=booking.stdin, flush=True)
    return int(booking.stdout.readline())
