"""`cloister keys` as an operator runs it: killed half-way, gone on with, and after a keyring was lost."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from bench.access_rotation import fill
from infra.database import Server, connect
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from infra.encryption.provider import ensure_keyring
from infra.errors import Misconfigured
from infra.roles import Login
from infra.settings import Settings
from tests.integration.gate import hanging, waiting
from tests.integration.sealed_people import add_person, codec_of, number, read_phone, who_has

ROOT = Path(__file__).parents[2]
PEOPLE = 2_500  # three batches, on two workers
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def own(server: Server, tmp_path: Path) -> Server:
    """The test's database with a secrets folder of its own: its keyring is nobody else's."""
    shutil.copytree(server.secrets_folder, tmp_path / "secrets")
    return replace(server, secrets_folder=tmp_path / "secrets")


@pytest.fixture
def cloister(own: Server) -> Run:
    """Start `cloister` on the test's own database."""
    environment = {
        **os.environ,
        "CLOISTER_HOME": str(own.secrets_folder.parent),
        "CLOISTER_MODE": "demo",
        "CLOISTER_ROLE_PREFIX": own.roles.prefix,
        "DATABASE_URL": f"postgresql://{own.admin['user']}@/{own.admin['dbname']}?host={own.admin['host']}",
    }

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "infra.cli", *arguments],
            env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


@pytest.fixture
def reader(own: Server) -> Iterator[psycopg.Connection]:
    with connect(Login.IMPORTER, at=own, autocommit=True) as connection:
        yield connection


@pytest.fixture
def people(own: Server) -> dict[UUID, str]:
    return fill(own, codec_of(own), PEOPLE)


def said(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def kill_half_way(admin: psycopg.Connection, process: "subprocess.Popen[str]", turned: str) -> None:
    """Wait until one batch stands and another hangs, then kill."""
    try:
        while not (waiting(admin) and admin.execute(turned).fetchone() == (True,)):  # type: ignore[call-overload]
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL


def check_all(reader: psycopg.Connection, codec: FieldCodec, people: dict[UUID, str]) -> None:
    for person, phone in people.items():
        assert read_phone(reader, codec, person) == phone
        assert who_has(reader, codec, phone) == [person]


def versions(admin: psycopg.Connection) -> list[tuple[int, bool, int]]:
    return admin.execute(
        "select key_version, retired_at is null, count(*) from operational.data_key where person_id is not null"
        " group by 1, 2 order by 1, 2"
    ).fetchall()


@pytest.mark.check(37)
def test_data_keys_killed_half_way_read_and_go_on(
    own: Server, admin: psycopg.Connection, reader: psycopg.Connection, cloister: Run, people: dict[UUID, str]
) -> None:
    codec = codec_of(own)
    late = sorted(people)[1500]
    with hanging(admin, "operational", "data_key", f"new.person_id = '{late}'"):
        turned = "select count(*) >= 1000 from operational.data_key where person_id is not null and key_version = 2"
        kill_half_way(admin, cloister("keys", "rotate", "--data"), turned)
        (_, _, done), *_ = half = versions(admin)
        assert 0 < done < PEOPLE and len(half) == 3, "some stand under the old key, some under the new"
        check_all(reader, codec, people)
        assert "open: data" in said(cloister("keys", "status"))
    assert f"data: {PEOPLE - done:,} rotated, 0 left" in said(cloister("keys", "rotate", "--data"))
    assert versions(admin) == [(1, False, PEOPLE), (2, True, PEOPLE)], "nobody was turned twice"
    check_all(reader, codec, people)
    status = said(cloister("keys", "status"))
    assert "open:" not in status
    assert f"{PEOPLE:,}  retired" in status and f"{PEOPLE:,}  live" in status


@pytest.mark.check(37)
def test_blind_indexes_killed_half_way_look_up_and_go_on(
    own: Server, admin: psycopg.Connection, reader: psycopg.Connection, cloister: Run, people: dict[UUID, str]
) -> None:
    codec = codec_of(own)
    late = sorted(people)[1500]
    both = "select key_version, count(*) from operational.blind_index group by 1 order by 1"
    with hanging(admin, "operational", "blind_index", f"new.person_id = '{late}'"):
        turned = "select count(*) >= 1000 from operational.blind_index where key_version = 2"
        kill_half_way(admin, cloister("keys", "rotate", "--index"), turned)
        half = dict(admin.execute(both).fetchall())
        assert half[1] == 2 * PEOPLE and 0 < half[2] < 2 * PEOPLE
        check_all(reader, codec, people)
    said(cloister("keys", "rotate", "--index"))
    assert admin.execute(both).fetchall() == [(2, 2 * PEOPLE)]
    check_all(reader, codec, people)
    retired = admin.execute(
        "select key_version, retired_at is not null from operational.data_key where purpose = 'index.phone' order by 1"
    ).fetchall()
    assert retired == [(1, True), (2, False)]


@pytest.mark.check(37)
def test_key_encryption_keys_killed_half_way_unwrap_and_go_on(
    own: Server, admin: psycopg.Connection, reader: psycopg.Connection, cloister: Run, people: dict[UUID, str]
) -> None:
    codec = codec_of(own)  # of a service that runs on, and knows the old version only
    ids = admin.execute("select data_key_id from operational.data_key order by 1").fetchall()
    old = codec.provider.current()[1]
    count = "select kek_version, count(*) from operational.data_key group by 1 order by 1"
    with hanging(admin, "operational", "data_key", f"new.data_key_id = '{ids[1500][0]}'", "update"):
        turned = f"select count(*) >= 1000 from operational.data_key where kek_version > {old}"
        kill_half_way(admin, cloister("keys", "rotate", "--kek"), turned)
        assert len(admin.execute(count).fetchall()) == 2  # type: ignore[call-overload]
        check_all(reader, codec, people)
    said(cloister("keys", "rotate", "--kek"))
    assert admin.execute(count).fetchall() == [(old + 1, len(ids))], "it went on, and made no third version"  # type: ignore[call-overload]
    check_all(reader, codec_of(own), people)


def test_a_lost_keyring_is_an_error_and_never_a_new_one(own: Server, reader: psycopg.Connection, cloister: Run) -> None:
    person = add_person(reader, codec_of(own), number(1))
    keyring = own.secrets_folder / "keyring.json"
    kept = keyring.read_bytes()
    keyring.unlink()
    for command in (("migrate",), ("keys", "status"), ("keys", "rotate"), ("token", "--login", "nobody"), ("serve",)):
        process = cloister(*command)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "keyring" in err and "missing" in err, (command, err)
        assert len(err.strip().splitlines()) == 1
        assert not keyring.exists(), command
    keyring.write_bytes(kept)
    keyring.chmod(0o600)
    assert read_phone(reader, codec_of(own), person) == number(1)


def test_a_new_instance_gets_a_keyring(own: Server, admin: psycopg.Connection) -> None:
    keyring = own.secrets_folder / "keyring.json"
    keyring.unlink()
    chosen = Settings(home=own.secrets_folder.parent)
    ensure_keyring(chosen, own)
    made = keyring.read_bytes()
    ensure_keyring(chosen, own)
    assert keyring.read_bytes() == made


def test_the_keyring_of_another_instance_opens_nothing(own: Server, reader: psycopg.Connection) -> None:
    person = add_person(reader, codec_of(own), number(1))
    keyring = own.secrets_folder / "keyring.json"
    keyring.unlink()
    FileKeyring.create(keyring)
    with pytest.raises(Misconfigured, match="keyring"):
        read_phone(reader, codec_of(own), person)
