"""Around a rotation: one at a time, its events, its status, its progress, and what its login reaches."""

from uuid import UUID

import psycopg
import pytest

from infra.database import Server, connect
from infra.encryption.columns import PEOPLE, PURPOSES
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation import workers
from infra.encryption.rotation.book import Kind, alone
from infra.encryption.rotation.run import rotate
from infra.encryption.rotation.status import survey
from infra.errors import Refused
from infra.roles import Login
from tests.integration.sealed_people import codec_of, quarantine, turn

KEYS = [Kind.DATA, Kind.INDEX]


def test_one_rotation_runs_at_a_time(server: Server) -> None:
    with alone(server), pytest.raises(Refused, match="another rotation"):
        turn(server, Kind.KEK)


def test_each_run_is_an_event_and_so_is_its_end(
    server: Server, admin: psycopg.Connection, known: dict[UUID, str]
) -> None:
    turn(server, *Kind)
    events = admin.execute(
        "select action, resource_id, patients from audit.access_event where action like 'key.%' order by 1, 2"
    ).fetchall()
    assert events == [
        ("key.retire", "data", 5), ("key.retire", "index", 5), ("key.retire", "kek", 0),
        ("key.rotate", "data", 0), ("key.rotate", "index", 0), ("key.rotate", "kek", 0),
    ]  # fmt: skip


def test_status_counts_what_stands_under_which_version(
    server: Server, admin: psycopg.Connection, importer: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    quarantine(importer, codec, b"a row")
    turn(server, *KEYS)
    with connect(Login.ROTATOR, at=server) as rotator:
        told = {(line.what, line.version): (line.rows, line.state) for line in survey(rotator, codec.provider)}
    assert told["data key of a person", "1"] == (5, "retired")
    assert told["data key of a person", "2"] == (5, "live")
    assert told["data key of quarantine", "1"] == (0, "retired")
    assert told["data key of quarantine", "2"] == (1, "live")
    assert told["blind index of phone", "1"] == (0, "retired")
    assert told["blind index of phone", "2"] == (5, "live")


def test_every_encrypted_column_is_listed(admin: psycopg.Connection) -> None:
    """A column of bytes is a ciphertext that rotates, or one of these."""
    others = {"data_key.wrapped", "blind_index.digest", "quarantine.source_key", "quarantine.row_key",
              "consent_text.sha256", "api_key.key_hash", "session.session_hash", "recovery_code.code_hash",
              "verification.code_digest", "verification.contact_digest", "password_link.token_hash",
              "guardian_invitation.code_hash", "message.refusal_digest", "brought_record.digest"}  # fmt: skip
    found = admin.execute(
        "select c.relname || '.' || a.attname from pg_attribute as a inner join pg_class as c on c.oid = a.attrelid"
        " where c.relnamespace = 'operational'::regnamespace and c.relkind = 'r' and a.atttypid = 'bytea'::regtype"
        " and not a.attisdropped"
    ).fetchall()
    listed = {f"{of.table}.{column}" for of in (*PEOPLE, *sum(PURPOSES.values(), ())) for column in of.columns}
    assert {row[0] for row in found} == listed | others


@pytest.mark.check(4)
@pytest.mark.parametrize(
    "statement",
    [
        "select name from operational.person",
        "select birth_date from operational.profile",
        "update operational.profile set birth_date = null",
        "delete from operational.profile",
        "select source from operational.quarantine",
        "select patient_id from operational.registration",
        "update operational.data_key set created_at = now()",
        "delete from operational.data_key",
        "delete from operational.key_rotation",
        "select action from audit.access_event",
    ],
)
def test_the_rotator_reaches_nothing_else(server: Server, statement: str) -> None:
    with connect(Login.ROTATOR, at=server) as rotator, pytest.raises(psycopg.errors.InsufficientPrivilege):
        rotator.execute(statement)  # type: ignore[call-overload]


@pytest.mark.parametrize("login", [Login.SERVICE, Login.IMPORTER])
@pytest.mark.parametrize("change", ["retired_at = now()", "wrapped = ''"])
def test_a_service_changes_no_key(
    server: Server, admin: psycopg.Connection, known: dict[UUID, str], login: Login, change: str
) -> None:
    with connect(login, at=server) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"update operational.data_key set {change}")  # type: ignore[call-overload]


def test_progress_is_told_of_all_of_it(server: Server, known: dict[UUID, str]) -> None:
    told: dict[Kind, list[int]] = {}

    def announce(kind: Kind, total: int) -> workers.Progress:
        told[kind] = [total, 0]
        return lambda more: told[kind].__setitem__(1, told[kind][1] + more)

    rotate(server, codec_of(server), list(Kind), announce)
    assert told[Kind.DATA] == [5, 5] and told[Kind.INDEX] == [5, 5]
    assert told[Kind.KEK][0] == told[Kind.KEK][1] > 5
