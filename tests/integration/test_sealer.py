"""The sealer's process: killed at any step, restarted under load, two at once; what it serves beside."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pytest
from psycopg import Cursor, ServerCursor, Transaction

from infra.audit_tree.streams import ACCESS, IMPERSONATION
from infra.database import Server, connect, connect_admin
from infra.roles import Login
from orchestration import sealer
from tests.conftest import ROOT
from tests.integration.sealing import add_event, add_events, assert_whole, seal_all

WRITERS = 32
SECONDS = 30.0 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 10.0
# More would take minutes.
MOST_KILLS = 60


def forked(work: Callable[[], object]) -> int:
    """Have a process of its own do it, to be killed or to kill itself; its id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def sealing_until(fatal: int, at: Server) -> None:
    """Seal, and end as by a power cut before the `fatal`th step."""
    steps = 0

    def counted(function: Any) -> Any:
        def stepping(self: Any, *given: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(self, *given, **named)

        return stepping

    for kind, name in ((Cursor, "execute"), (ServerCursor, "fetchmany"), (Transaction, "__exit__")):
        setattr(kind, name, counted(getattr(kind, name)))
    seal_all(at)


@pytest.mark.check(24)
def test_killed_before_any_step_the_next_sealer_goes_on_and_nothing_is_lost_or_double(server: Server) -> None:
    seal_all(server)
    killed = 0
    for fatal in range(1, 40):
        add_events(server, 3)
        _, status = os.waitpid(forked(lambda fatal=fatal: sealing_until(fatal, server)), 0)  # type: ignore[misc]
        if not os.WIFSIGNALED(status):
            assert status == 0
            break
        killed += 1
    assert killed >= 10
    seal_all(server)
    assert assert_whole(server) >= 3 * killed


def test_under_load_and_killed_again_and_again_every_event_is_in_the_tree_once(server: Server) -> None:
    written: list[int] = []
    begun, over = time.monotonic(), threading.Event()

    def write(number: int) -> None:
        with connect(Login.SERVICE, at=server) as connection:
            while not over.is_set():
                add_event(connection)
                # Some commit late, and some not at all.
                if number % 4 == 0:
                    time.sleep(0.02)
                if number % 8 == 7:
                    connection.rollback()
                else:
                    connection.commit()
                    written.append(number)

    writers = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(WRITERS)]
    with mock.patch.object(sealer, "EVERY", 0.02):
        for writer in writers:
            writer.start()
        for turn in range(MOST_KILLS):
            if time.monotonic() - begun > SECONDS and checkpoints(server):
                break
            sealers = [forked(lambda: sealer.run(server)) for _ in range(2)]
            # On a busy machine the first ones have sealed nothing yet.
            time.sleep(random.uniform(0.1, 1.0 + turn / 4))
            for child in sealers:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    over.set()
    for writer in writers:
        writer.join()
    seal_all(server)
    assert checkpoints(server) >= 2
    assert assert_whole(server) >= len(written) > 50


def checkpoints(server: Server) -> int:
    with connect_admin(server) as admin:
        found = admin.execute("select count(*) from audit.checkpoint where stream = 'access'").fetchone()
    return int(found[0]) if found else 0


def test_both_streams_are_sealed(server: Server, admin: psycopg.Connection) -> None:
    admin.execute(
        "insert into audit.impersonation_event (event_id, occurred_at, session_id, actor_id, subject_id, action,"
        " reason) values (gen_random_uuid(), now(), 's', gen_random_uuid(), gen_random_uuid(), 'x', 'fault')"
    )
    assert sealer.seal_once(server)["impersonation"] == 1
    assert assert_whole(server, IMPERSONATION) == 1
    assert assert_whole(server, ACCESS) >= 2


def test_the_next_months_get_their_partitions_while_it_runs(server: Server, admin: psycopg.Connection) -> None:
    newest = "select relname from pg_class where relname like 'access_event_20%' and relkind = 'r' order by 1 desc"
    before = admin.execute(newest).fetchall()
    admin.execute(f"drop table audit.{before[0][0]}")
    rounds = iter([False, False, True, True, True])
    with mock.patch.object(sealer, "EVERY", 0.0):
        sealer.run(server, lambda: next(rounds))
    assert set(before) <= set(admin.execute(newest).fetchall())


def test_it_goes_on_when_the_database_comes_back(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    calls = 0
    reached = sealer.connect

    def failing(*given: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise psycopg.OperationalError("canary: nothing of this may be logged")
        return reached(*given, **named)

    add_events(server, 2)
    with mock.patch.object(sealer, "EVERY", 0.0), mock.patch.object(sealer, "connect", failing):
        sealer.run(server, lambda: calls > 3 and bool(seal_done(server)))
    assert assert_whole(server) >= 2
    told = "".join(capfd.readouterr())
    assert told.count("the audit log is not sealed") == 1 and "canary" not in told


def seal_done(at: Server) -> int:
    with connect_admin(at) as admin:
        return admin.execute("select count(*) from audit.checkpoint").fetchone()[0]  # type: ignore[index]


def test_attached_it_ends_with_whoever_started_it(server: Server) -> None:
    starting = (
        "import os, subprocess, sys; print(subprocess.Popen([*sys.argv[1:], str(os.getpid())]).pid, flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", starting, sys.executable, "-m", "infra.cli", "seal", "--attached"]
    url = f"postgresql://{server.admin['user']}@/{server.admin['dbname']}?host={server.admin['host']}"
    home = str(server.secrets_folder.parent)
    known = {"CLOISTER_HOME": home, "CLOISTER_ROLE_PREFIX": server.roles.prefix, "DATABASE_URL": url,
             "CLOISTER_MODE": "demo"}  # fmt: skip
    add_events(server, 1)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, **known}
    ) as parent:
        child = int(parent.stdout.readline())  # type: ignore[union-attr]
        wait_until(lambda: seal_done(server) > 0)
        parent.kill()
    wait_until(lambda: not running(child))
    assert_whole(server)


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about within 30 s")
