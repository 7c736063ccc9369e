"""A real PostgreSQL for every test: one server a run, a database cloned from a template a test.

Tests connect as the role under test; the administrator's connection is for fixtures and for
looking at what no role may see. Two clinics, north and south, are always there.
"""

import json
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import access_world
import hypothesis
import psycopg
import pytest
from access_world import World
from psycopg import sql
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from infra.database import Server, connect_admin
from infra.encryption.provider import ensure_keyring
from infra.postgres.embedded import Embedded
from infra.provisioner import Clinic, add_clinics, set_up
from infra.role_setup import grant_database
from infra.settings import Settings, settings
from orchestration import dbt_run
from tests.dbt_forks import Forks

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
MEMORY, ROOM = Path("/dev/shm"), 8 * 2**30  # nothing of it is shared: the folder is made for the run
CLINICS = [
    Clinic("north", "North", "Europe/Berlin", "DE"),
    Clinic("south", "South", "America/Sao_Paulo", "BR"),
]

# A shell has what it starts in the background ignore SIGINT. Dagster treats SIGTERM as that is treated, and whatever a
# test starts would then ignore both.
signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("default", max_examples=200, deadline=None)
hypothesis.settings.register_profile("deep", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "check(n): proves that line of the checklist of failures to survive")
    config.pluginmanager.register(Checks(), "checks")
    # Ten accounts a world, and a sign-in a test: cheap ones. What a real one costs is tested in a process of its own.
    PasswordHash.recommended = lambda: PasswordHash((Argon2Hasher(1, 8, 1),))  # type: ignore[method-assign]
    dbt_run.subprocess = Forks()  # type: ignore[assignment]
    # Rows of fixtures have days of 2026, which feeds tell of in whatever year this runs.
    os.environ["CLOISTER_FEED_RETENTION_DAYS"] = "36500"


class Checks:
    """Writes build/checks.json: line of the checklist to its tests and their outcomes, over all processes."""

    def __init__(self) -> None:
        self.found: dict[int, list[dict[str, str]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        # Properties travel with a report from the process that ran the test to the one that writes.
        report = yield
        report.user_properties += [("check", marker.args[0]) for marker in item.iter_markers("check")]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or (report.when == "setup" and not report.passed):
            for name, line in report.user_properties:
                if name == "check":
                    self.found.setdefault(line, []).append({"test": report.nodeid, "outcome": report.outcome})

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.found and not hasattr(session.config, "workerinput"):
            (ROOT / "build").mkdir(exist_ok=True)
            (ROOT / "build" / "checks.json").write_text(json.dumps(dict(sorted(self.found.items())), indent=1))


@pytest.fixture(scope="session")
def template() -> Iterator[Server]:
    """A server with the platform and two clinics in its template database."""
    # Not pytest's own folder: it removes the folders of runs before, one of which may still go on.
    home = Path(tempfile.mkdtemp(prefix="cloister-test-", dir=_in_memory()))
    home.chmod(0o711)  # as root, the server runs as an unprivileged user
    embedded = Embedded(home)
    embedded.up()
    chosen = Settings(home=home, role_prefix=f"t{secrets.token_hex(2)}")
    server = replace(Server.of(chosen), admin={**Server.of(chosen).admin, "dbname": f"template_{chosen.role_prefix}"})
    with connect_admin(server, dbname="postgres") as admin:
        # Tests kill processes, never the machine.
        admin.execute("alter system set fsync = off")
        # Roles sign in some ten thousand times.
        admin.execute("alter system set scram_iterations = 1")
        admin.execute("select pg_reload_conf()")
    set_up(server)
    ensure_keyring(chosen, server)
    add_clinics(server, CLINICS, requested_by="tests")
    yield server
    embedded.down()
    shutil.rmtree(home)


@pytest.fixture
def server(template: Server) -> Iterator[Server]:
    """A fresh clone of the template, for one test."""
    with _cloned(template) as clone:
        yield clone


@pytest.fixture(scope="module")
def module_server(template: Server) -> Iterator[Server]:
    """A fresh clone of the template that the tests of one module share."""
    with _cloned(template) as clone:
        yield clone


@pytest.fixture(scope="session")
def furnished(template: Server) -> Iterator[World]:
    """The world that all others are copies of: a copy is made in a tenth of the time."""
    with _cloned(template) as clone:
        yield access_world.build(clone)


@pytest.fixture(scope="module")
def world(furnished: World) -> Iterator[World]:
    """Two clinics with rows and accounts, which the tests of one module share."""
    with _cloned(furnished.server) as clone:
        yield furnished.copied(clone)


@pytest.fixture
def fresh(furnished: World) -> Iterator[World]:
    """A world of its own, for a test that changes what others would find."""
    with _cloned(furnished.server) as clone:
        yield furnished.copied(clone)


@pytest.fixture
def admin(server: Server) -> Iterator[psycopg.Connection]:
    """The administrator on the test's database; for arranging and looking, never for what is tested."""
    with connect_admin(server) as connection:
        yield connection


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings.cache_clear()
    yield
    settings.cache_clear()


def _in_memory() -> Path | None:
    """Where files are made in memory, if there is room: a database is some 1,200 of them, and each test has its own."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


@contextmanager
def _cloned(template: Server) -> Iterator[Server]:
    clone = replace(template, admin={**template.admin, "dbname": f"test_{secrets.token_hex(6)}"})
    with connect_admin(template, dbname="postgres") as admin:
        admin.execute(
            # By files, where none waits for a disk: a fourth faster than by way of the log.
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(clone.admin["dbname"]), sql.Identifier(template.admin["dbname"])
            )
        )
    with connect_admin(clone) as admin:
        grant_database(admin, clone)
    yield clone
    with connect_admin(clone, dbname="postgres") as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(clone.admin["dbname"])))


@pytest.fixture(scope="session")
def data() -> Path:
    """Real input made by others; it is never part of the project."""
    if not DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{DATA} is missing")
        pytest.skip(f"needs the public data sets under {DATA}")
    return DATA
