"""The embedded server: private, restartable, and clear about what is in its way."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from infra.database import Server, connect, connect_admin
from infra.errors import DatabaseUnavailable, Misconfigured
from infra.postgres import embedded as module
from infra.postgres.embedded import Embedded
from infra.roles import Login


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    folder.chmod(0o711)
    yield folder
    Embedded(folder).down()
    shutil.rmtree(folder)


def test_up_twice_starts_once_and_data_survives_a_restart(home: Path) -> None:
    server = Embedded(home)
    with ThreadPoolExecutor(2) as pool:
        started = list(pool.map(lambda _: Embedded(home).up(), range(2)))
    assert sorted(started) == [False, True]
    at = _server(home)
    with connect_admin(at) as admin:
        admin.execute("create table kept as select 1 as one")
    assert server.down()
    assert not server.down()
    assert server.up()
    with connect_admin(at) as admin:
        assert admin.execute("select one from kept").fetchone() == (1,)


def test_a_stale_pid_file_is_no_obstacle(home: Path) -> None:
    server = Embedded(home)
    server.up()
    server.down()
    # A number that another process has taken since: PostgreSQL alone would refuse to start.
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    assert not server.running()
    assert server.up()


def test_killed_it_comes_back_with_what_was_committed(home: Path) -> None:
    server = Embedded(home)
    server.up()
    with connect_admin(_server(home)) as admin:
        admin.execute("create table kept as select 1 as one")
    pid = int((server.data / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, 9)
    while server.running():
        pass
    assert server.up()
    with connect_admin(_server(home)) as admin:
        assert admin.execute("select one from kept").fetchone() == (1,)


def test_it_listens_on_no_network_address_and_trusts_nobody(home: Path) -> None:
    server = Embedded(home)
    server.up()
    with connect_admin(_server(home)) as admin:
        assert admin.execute("show listen_addresses").fetchone() == ("",)
        methods = {row[0] for row in admin.execute("select auth_method from pg_hba_file_rules")}
        assert methods == {"peer", "scram-sha-256", "reject"}
        admin.execute("create role guest login")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host=str(server.sockets), dbname="postgres", user="guest")
    assert server.sockets.stat().st_mode & 0o077 == 0


def test_a_wrong_password_is_refused(template: Server) -> None:
    parameters = {**template.parameters(Login.SERVICE), "password": "wrong"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**parameters)  # type: ignore[arg-type]


def test_a_full_disk_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=1024))
    with pytest.raises(DatabaseUnavailable, match="is full"):
        Embedded(home).up()


def test_a_taken_folder_is_named_and_left_alone(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "letters.txt").write_text("mine")
    with pytest.raises(Misconfigured, match="is taken"):
        Embedded(home).up()
    assert (home / "postgres" / "letters.txt").read_text() == "mine"


def test_data_of_another_version_is_named(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Misconfigured, match="holds data of PostgreSQL 16"):
        Embedded(home).up()


def test_a_home_too_deep_for_a_socket_gets_a_short_private_one(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    assert len(str(module.socket_folder(deep))) < module.LONGEST_SOCKET_FOLDER


def test_secrets_that_others_can_read_are_refused(template: Server) -> None:
    path = template.secrets_folder / "someone"
    path.write_text("secret")
    path.chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        module_read(path)


def module_read(path: Path) -> str:
    from infra.database import read_secret

    return read_secret(path)


def test_a_login_without_a_database_gets_a_hint(home: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        connect(Login.SERVICE, at=_server(home))
    assert "cloister up" in caught.value.hint


def _server(home: Path) -> Server:
    from infra.settings import Settings

    found = Server.of(Settings(home=home))
    return Server({**found.admin, "dbname": "postgres"}, found.roles, found.secrets_folder)


def test_a_link_left_in_the_data_folder_is_not_followed_with_our_rights(home: Path) -> None:
    server = Embedded(home)
    if not server.account.switch:
        pytest.skip("only root has rights to lose")
    server.up()
    server.down()
    target = home / "precious"
    target.write_text("ours")
    target.chmod(0o600)
    ident = server.data / "pg_ident.conf"
    ident.unlink()
    ident.symlink_to(target)
    with pytest.raises(Misconfigured, match="cannot be written"):
        server.up()
    assert target.read_text() == "ours"
    assert target.stat().st_uid == os.getuid()
    ident.unlink()


def test_a_killed_initdb_leaves_no_ruin(home: Path) -> None:
    server = Embedded(home)
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18\n")
    (home / "postgres.new" / "postmaster.pid").write_text("-4711\n")
    assert server.up()
