"""A booking or a code's answer whose process is killed at every step: repeated, it makes one of everything."""

import json
import signal
import sys
from collections.abc import Iterator
from itertools import count
from subprocess import DEVNULL, PIPE, Popen
from typing import Any
from uuid import uuid4

import pytest
from access_world import Api, World
from booking import ONE_NEW, WHOLE, added, as_key, ask, at, counts, newcomer, post, sign_in

from tests.conftest import ROOT
from tests.integration import provisional
from tests.integration.booking_killed import FINISHED
from tests.integration.provisional import Mailbox, mailbox

FEWEST_STEPS = 10
# No time is booked twice.
HOURS = count(1)
BOOKINGS = "/v1/clinics/north/bookings"
# The account, its message of welcome, and the link that sets the password.
ONE_ACCOUNT = {"accounts": 1, "messages": 1, "links": 1}
# Of who is known, registered and told already.
ONE_OF_ONES_OWN = dict.fromkeys(WHOLE, 0) | dict.fromkeys(
    ("forms", "appointments", "history", "rooms", "requests", "messages"), 1
)

__all__ = ["mailbox"]


@pytest.fixture
def booking() -> Iterator[Popen[str]]:
    command = [sys.executable, "-m", "tests.integration.booking_killed"]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        yield process
        process.kill()


@pytest.mark.check(39)
@pytest.mark.parametrize("login", ["north.bookings", "staff.north", "finch"], ids=["key", "staff", "patient"])
def test_killed_at_every_step_and_repeated_a_booking_is_one(
    world: World, api: Api, booking: Popen[str], login: str
) -> None:
    who = as_key(world) if login in world.keys else sign_in(api, login)
    made = ONE_OF_ONES_OWN if login == "finch" else ONE_NEW
    outcomes, happened = [], list[dict[str, int]]()
    for step in range(1, 100):
        patient: dict[str, Any] = {} if login == "finch" else {"patient": newcomer(source_id=f"killed {step}")}
        asked = ask(service="call", starts_at=at(next(HOURS)), **patient)
        before, key = counts(world), str(uuid4())
        outcomes.append(_ask_and_die(booking, world, BOOKINGS, asked, step, 201, who, key))
        if outcomes[-1] == FINISHED:
            break
        happened.append(added(world, before))
        answer = post(api, who, asked, key=key)
        assert answer.status_code == 201, (step, answer.text)
        assert added(world, before) == made, step
    _all_or_nothing(outcomes, happened, made)


@pytest.mark.check(39)
@pytest.mark.check(40)
def test_killed_at_every_step_and_repeated_a_code_makes_one_account(
    world: World, api: Api, booking: Popen[str], mailbox: Mailbox
) -> None:
    outcomes, steps, nothing = [], list[dict[str, int]](), dict.fromkeys(counts(world), 0)
    for step in range(1, 100):
        booked = provisional.book(world, "north", f"{uuid4()}@example.org")
        before, code = counts(world), mailbox.code(booked.verification)
        path = f"/v1/verifications/{booked.verification}"
        outcomes.append(_ask_and_die(booking, world, path, {"code": code}, step, 200, {}))
        if outcomes[-1] == FINISHED:
            break
        happened = added(world, before)
        steps.append(happened)
        # Where only the answer was lost, the code is used up.
        answer = provisional.answer(api, booked, code)
        assert answer.status_code == (200 if happened == nothing else 422), (step, answer.text)
        assert added(world, before) == nothing | ONE_ACCOUNT, step
    _all_or_nothing(outcomes, steps, nothing | ONE_ACCOUNT)


def _all_or_nothing(outcomes: list[int], happened: list[dict[str, int]], made: dict[str, int]) -> None:
    """Killed at each step until it was through: nothing was made, then everything, where the answer alone was lost."""
    assert outcomes[-1] == FINISHED and set(outcomes[:-1]) == {-signal.SIGKILL} and len(outcomes) > FEWEST_STEPS
    nothing = dict.fromkeys(made, 0)
    lost = happened.index(made)
    assert lost and happened == [nothing] * lost + [made] * (len(happened) - lost)


def _ask_and_die(
    booking: Popen[str],
    world: World,
    path: str,
    asked: dict[str, object],
    step: int,
    done: int,
    who: dict[str, str],
    key: str = "none",
) -> int:
    server = world.server
    given = {
        "admin": server.admin,
        "prefix": server.roles.prefix,
        "secrets": str(server.secrets_folder),
        "headers": {**who, "Idempotency-Key": key},
        "path": path,
        "done": done,
        "asked": asked,
        "fatal": step,
    }
    assert booking.stdin and booking.stdout
    print(json.dumps(given), file=booking.stdin, flush=True)
    return int(booking.stdout.readline())
