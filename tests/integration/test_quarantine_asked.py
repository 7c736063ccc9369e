"""What admins asked for of the quarantine is tried by live workers, once each, whatever fails or is killed."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from structlog.testing import capture_logs
from test_importing import MAPPING, PATIENTS, VISITS
from test_quarantine import keys, retry

from infra.database import Server, connect_admin
from infra.encryption.keyring import FileKeyring, WrappedKey
from infra.errors import KeysUnavailable
from infra.settings import Mode
from orchestration.importing import asked, waiting
from orchestration.importing.again import Trying, try_file
from orchestration.importing.run import Report
from orchestration.importing.session import SourceBusy
from orchestration.importing.waiting import Chosen, Kept
from tests.integration.gate import hanging
from tests.integration.importing import bring, facts
from tests.integration.test_crash import kill_at_gate
from tests.integration.test_sealer import wait_until

ASK = "update operational.quarantine set retry_asked_at = now() where file = 'visits.csv' and line = any(%s)"
OUTCOME = """
select line, resolved_at is not null, tried_at is not null, retry_asked_at is null, trouble
from operational.quarantine where file = 'visits.csv' order by line"""
WAITS_STILL = (False, False, False, None)
CAME_IN = (True, True, True, None)
VISITS_BEFORE_PATIENTS = "".join(VISITS.splitlines(keepends=True)[line] for line in (0, 1, 3, 7))


@pytest.fixture(autouse=True)
def early(server: Server, tmp_path: Path) -> Path:
    """Visits that came before their patients, one of a patient who never came; of north and of south."""
    (tmp_path / "patients.csv").write_text(PATIENTS.format(canary="+493023125042"))
    (tmp_path / "visits.csv").write_text(VISITS_BEFORE_PATIENTS)
    bring(server, MAPPING, tmp_path / "visits.csv")
    bring(server, MAPPING, tmp_path / "patients.csv")
    return tmp_path


def outcome(admin: psycopg.Connection) -> dict[int, tuple[Any, ...]]:
    """By line: closed, tried, not asked for any more, and why it could not be tried."""
    return {line: tuple(rest) for line, *rest in admin.execute(OUTCOME).fetchall()}


def brought(admin: psycopg.Connection) -> list[tuple[Any, ...]]:
    return [tuple(row[:3]) for row in facts(admin, ["appointment"])["appointment"]]


def two_files(admin: psycopg.Connection) -> None:
    """Have line 2 be of a file that came in later, which is tried first."""
    admin.execute(
        "update operational.quarantine set created_at = now() + interval '1 hour'"
        " where file = 'visits.csv' and line = 2"
    )


def apart(admin: psycopg.Connection, lines: list[int], **changed: object) -> None:
    """Have these lines be of a batch of their own, whose mapping differs."""
    mapping = json.dumps(MAPPING.model_dump(mode="json") | changed)
    admin.execute(
        "insert into operational.import_batch (batch_id, source, file, kind, mapping, header)"
        " select %s, source, file, kind, %s, header from operational.import_batch where file = 'visits.csv' limit 1",
        [other := uuid4(), mapping],
    )
    admin.execute(
        "update operational.quarantine set batch_id = %s where file = 'visits.csv' and line = any(%s)", [other, lines]
    )


@contextmanager
def importing(server: Server, source: str) -> Iterator[None]:
    """Another import of a source is under way."""
    with connect_admin(server) as other:
        other.execute("select pg_advisory_lock(hashtextextended('cloister.import.' || %s, 0))", [source])
        yield


@contextmanager
def following(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Thread]:
    """A live worker's thread that tries what is asked for, until this ends."""
    monkeypatch.setattr(asked, "EVERY", 0.05)
    ended = threading.Event()
    thread = threading.Thread(target=asked.follow, args=[server, ended.is_set])
    thread.start()
    try:
        yield thread
    finally:
        ended.set()
        thread.join()


def try_asked(server: Server) -> list[Report]:
    return asked.try_asked(server, Trying(keys(server), Mode.DEMO))


@pytest.mark.check(42)
def test_two_at_once_try_what_was_asked_for_once(server: Server, admin: psycopg.Connection) -> None:
    admin.execute(ASK, [[2, 3]])
    waiting_for_it = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with ThreadPoolExecutor(2) as both:
        with importing(server, "hospital"):
            tries = [both.submit(retry, server, asked=True) for _ in range(2)]
            # Both have seen what is asked for, and wait for another import of the source.
            wait_until(lambda: admin.execute(waiting_for_it).fetchone() == (2,))
        read = [report.read for each in tries for report in each.result()]
    assert sorted(read) == [0, 2], "each row was tried by one of them alone"
    # South's was not asked for; line 3 is refused still, with its reason.
    assert outcome(admin) == {2: CAME_IN, 3: (False, True, True, None), 4: (False, False, True, None)}
    assert brought(admin) == [("north", "1", "v1")]


@pytest.mark.check(42)
def test_a_worker_that_looked_before_another_tried_finds_nothing_to_try(
    server: Server, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.execute(ASK, [[2, 3]])
    seen = waiting.kept(server, Chosen(asked=True))
    assert [report.read for report in try_asked(server)] == [2]
    monkeypatch.setattr(asked, "kept", lambda *_: seen)
    assert [(report.read, report.batch_id) for report in try_asked(server)] == [(0, None)]


@pytest.mark.check(42)
def test_a_source_that_is_being_imported_holds_up_no_other(
    server: Server, admin: psycopg.Connection, early: Path
) -> None:
    two_files(admin)
    bring(server, MAPPING.model_copy(update={"source": "spa"}), early / "visits.csv")
    admin.execute(ASK, [[2, 3, 4]])
    still = "select source, count(retry_asked_at) from operational.quarantine where file = 'visits.csv' group by 1"
    with importing(server, "hospital"):
        assert [report.read for report in try_asked(server)] == [3]
        assert dict(admin.execute(still).fetchall()) == {"hospital": 3, "spa": 0}
    assert sum(report.read for report in try_asked(server)) == 3
    assert dict(admin.execute(still).fetchall()) == {"hospital": 0, "spa": 0}


def test_a_source_that_was_busy_waits_for_the_next_look_with_all_its_files(
    server: Server, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a file would be tried before another that it needs."""
    two_files(admin)
    admin.execute(ASK, [[2, 4]])
    tried: list[list[UUID]] = []

    def busy(_: Server, file: Kept, *__: Any, **___: Any) -> Report:
        tried.append(file.entries)
        raise SourceBusy("free again by the next file")

    with monkeypatch.context() as patched:
        patched.setattr(asked, "try_file", busy)
        assert try_asked(server) == [] and len(tried) == 1
    assert sum(report.read for report in try_asked(server)) == 2


@pytest.mark.check(42)
def test_a_worker_that_is_killed_leaves_what_was_asked_for_to_the_next(
    server: Server, admin: psycopg.Connection
) -> None:
    admin.execute(ASK, [[2]])
    with hanging(admin, "operational", "appointment", "new.source_id = 'v1'"):
        kill_at_gate(admin, asked.follow, server)
    assert outcome(admin)[2][2] is False
    (done,) = try_asked(server)
    assert (done.read, done.refused) == (1, 0) and outcome(admin)[2][0] is True
    assert brought(admin) == [("north", "1", "v1")]


@pytest.mark.check(42)
def test_what_cannot_even_be_tried_says_why_and_holds_up_nothing_else(
    server: Server, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart(admin, [3], source="other")
    admin.execute(ASK, [[2, 3, 4]])
    assert [done.refused for done in try_asked(server)] == [0]
    why = "the rows of visits.csv are of source 'hospital'"
    assert outcome(admin) == {2: CAME_IN, 3: (False, True, True, why), 4: CAME_IN}
    assert try_asked(server) == [], "it waits to be asked for again"

    def broken(*_: object, **__: object) -> Report:
        raise ValueError("Canary Finch")

    with monkeypatch.context() as patched:
        patched.setattr(asked, "try_file", broken)
        admin.execute(ASK, [[3]])
        assert try_asked(server) == []
    assert outcome(admin)[3] == (False, True, True, "the import failed")
    admin.execute("update operational.import_batch set kind = null")
    admin.execute(ASK, [[3]])
    assert try_asked(server) == []
    assert outcome(admin)[3] == (False, True, True, "rows of visits.csv cannot be tried again by themselves")


class Silent(FileKeyring):
    """A key service that does not answer."""

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        raise KeysUnavailable("the key service does not answer")


@pytest.mark.check(42)
def test_while_the_key_service_is_silent_all_stays_asked_for(server: Server, admin: psycopg.Connection) -> None:
    two_files(admin)
    admin.execute(ASK, [[2, 4]])
    with pytest.raises(KeysUnavailable):
        asked.try_asked(server, Trying(Silent(server.secrets_folder / "keyring.json"), Mode.DEMO))
    assert (outcome(admin)[2], outcome(admin)[4]) == (WAITS_STILL, WAITS_STILL)
    try_asked(server)
    assert (outcome(admin)[2], outcome(admin)[4]) == (CAME_IN, CAME_IN)


@pytest.mark.check(42)
def test_a_file_that_the_database_does_not_take_stays_asked_for_and_holds_up_no_other(
    server: Server, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_files(admin)
    admin.execute(ASK, [[2, 4]])
    first, second = waiting.kept(server, Chosen(asked=True))
    tried: list[list[UUID]] = []

    def too_large(at: Server, file: Kept, *how: Any, **named: Any) -> Report:
        tried.append(file.entries)
        if file.entries == first.entries:
            raise psycopg.errors.ProgramLimitExceeded
        return try_file(at, file, *how, **named)

    monkeypatch.setattr(asked, "try_file", too_large)
    with pytest.raises(psycopg.errors.ProgramLimitExceeded):
        try_asked(server)
    assert tried == [first.entries, second.entries]
    assert (outcome(admin)[2], outcome(admin)[4]) == (WAITS_STILL, CAME_IN)


@pytest.mark.check(42)
def test_a_worker_goes_on_after_whatever_fails_and_tells_its_kind_alone(
    server: Server, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OSError("Canary Finch"), ValueError("Canary Finch")])

    def unlucky(at: Server, chosen: Chosen) -> list[Kept]:
        for failure in failures:
            raise failure
        return waiting.kept(at, chosen)

    monkeypatch.setattr(asked, "kept", unlucky)
    admin.execute(ASK, [[2]])
    with capture_logs() as lines, following(server, monkeypatch) as worker:
        wait_until(lambda: outcome(admin)[2] == CAME_IN or not worker.is_alive())
        assert outcome(admin)[2] == CAME_IN
        admin.execute(ASK, [[4]])
        wait_until(lambda: outcome(admin)[4] == CAME_IN)
    (line,) = lines
    assert line["error"] == "OSError" and "Canary" not in str(lines)
