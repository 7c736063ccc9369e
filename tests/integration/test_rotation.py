"""Rotation while others read and write: nothing is lost, nobody is not found, old keys end at zero rows."""

from threading import Event, Thread
from uuid import UUID

import psycopg
import pytest

from infra.database import Server, connect
from infra.encryption.codec import Place, Undecryptable
from infra.encryption.columns import PROFILE
from infra.encryption.data_keys import purpose_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation import people, workers
from infra.encryption.rotation.book import Kind
from infra.encryption.rotation.status import open_rotations
from infra.roles import Login
from tests.integration.sealed_people import (
    add_person,
    codec_of,
    number,
    quarantine,
    read_phone,
    turn,
    who_has,
    write_phone,
)

KEYS = [Kind.DATA, Kind.INDEX]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0)


def keys_of(admin: psycopg.Connection, person: UUID) -> list[tuple[int, bool]]:
    return admin.execute(
        "select key_version, retired_at is null from operational.data_key where person_id = %s order by 1", [person]
    ).fetchall()


def refused_row(admin: psycopg.Connection, codec: FieldCodec, batch: UUID) -> bytes:
    row = admin.execute(
        "select quarantine_id, content from operational.quarantine where batch_id = %s", [batch]
    ).fetchone()
    assert row
    with admin.transaction():
        keys = purpose_keys(admin, codec.provider, "quarantine")
    return codec.open(keys, Place("operational.quarantine", "content", str(row[0])), row[1])


def test_everything_stands_under_new_keys_and_the_old_ones_are_retired(
    server: Server, admin: psycopg.Connection, importer: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    batch = quarantine(importer, codec, b"a row")
    before = {row[0]: row[1] for row in admin.execute("select person_id, phone from operational.profile")}
    assert [outcome.left for outcome in turn(server, *Kind)] == [0, 0, 0]
    after = {row[0]: row[1] for row in admin.execute("select person_id, phone from operational.profile")}
    assert all(before[person][1:17] != after[person][1:17] for person in known)
    for person, phone in known.items():
        assert keys_of(admin, person) == [(1, False), (2, True)]
        assert read_phone(admin, codec, person) == phone
        assert who_has(importer, codec, phone) == [person]
    assert refused_row(admin, codec, batch) == b"a row"
    assert admin.execute("select distinct key_version from operational.blind_index").fetchall() == [(2,)]
    wrapped = admin.execute("select distinct kek_version from operational.data_key").fetchall()
    assert wrapped == [codec.provider.current()[1:]]


def test_a_row_moved_by_a_rotation_is_no_change(
    server: Server, admin: psycopg.Connection, known: dict[UUID, str]
) -> None:
    look = "select (select count(*) from operational.outbox), sum(version), max(changed_at) from operational.profile"
    before = admin.execute(look).fetchone()
    turn(server, *Kind)
    assert admin.execute(look).fetchone() == before


@pytest.mark.check(36)
def test_a_ciphertext_of_another_row_or_column_is_nobodys_phone(
    admin: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    first, second = list(known)[:2]
    admin.execute(
        "update operational.profile set phone = (select phone from operational.profile where person_id = %s)"
        " where person_id = %s",
        [first, second],
    )
    with pytest.raises(Undecryptable):
        read_phone(admin, codec, second)
    # Even with the key beside it.
    admin.execute("update operational.data_key set person_id = %s, key_version = 9 where person_id = %s",
                  [second, first])  # fmt: skip
    with pytest.raises(Undecryptable):
        read_phone(admin, codec, second)
    third = list(known)[2]
    admin.execute("update operational.profile set phone = emergency_contacts where person_id = %s", [third])
    with pytest.raises(Undecryptable):
        read_phone(admin, codec, third)


@pytest.mark.check(37)
def test_writers_and_readers_beside_a_rotation_lose_nothing(
    server: Server, importer: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    """They go on while it turns everything ten times."""
    stop, last, failures = Event(), dict(known), []
    settled = add_person(importer, codec, number(999))

    def write() -> None:
        own = codec_of(server)
        with connect(Login.IMPORTER, at=server, autocommit=True) as connection:
            count = 0
            while not stop.is_set():
                person, count = list(known)[count % len(known)], count + 1
                with connection.transaction():
                    write_phone(connection, own, person, number(1000 + count))
                last[person] = number(1000 + count)

    def read() -> None:
        own = codec_of(server)
        with connect(Login.IMPORTER, at=server, autocommit=True) as connection:
            while not stop.is_set():
                try:
                    found = read_phone(connection, own, settled), who_has(connection, own, number(999))
                    [read_phone(connection, own, person) for person in known]
                except Exception as error:
                    failures.append(repr(error))
                    return
                if found != (number(999), [settled]):
                    failures.append("not found")

    threads = [Thread(target=write), Thread(target=read), Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert [outcome.left for outcome in turn(server, *Kind)] == [0, 0, 0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert last != known, "nobody wrote"
    for person, phone in last.items():
        assert read_phone(importer, codec, person) == phone
        assert who_has(importer, codec, phone) == [person]
        assert phone == known[person] or who_has(importer, codec, known[person]) == []


@pytest.mark.check(37)
@pytest.mark.usefixtures("impatient")
def test_a_row_that_a_writer_holds_waits_for_the_next_run(
    server: Server, admin: psycopg.Connection, importer: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    person = next(iter(known))
    with connect(Login.IMPORTER, at=server) as writer:
        write_phone(writer, codec, person, number(77))
        outcomes = turn(server, *KEYS)
        assert [outcome.left for outcome in outcomes] == [1, 1]
        assert set(open_rotations(admin)) == {"data", "index"}
        assert keys_of(admin, person) == [(1, True)]
        assert read_phone(admin, codec, person) == known[person]
    writer.close()
    assert read_phone(admin, codec, person) == number(77)
    assert [outcome.left for outcome in turn(server, *KEYS)] == [0, 0]
    assert open_rotations(admin) == {}
    assert keys_of(admin, person) == [(1, False), (2, True)]
    assert read_phone(admin, codec, person) == number(77)
    assert (who_has(importer, codec, number(77)), who_has(importer, codec, known[person])) == ([person], [])
    others = [keys_of(admin, other) for other in list(known)[1:]]
    assert others == [[(1, False), (2, True)]] * 4, "the second run went on, and turned nobody twice"


@pytest.mark.check(37)
@pytest.mark.usefixtures("impatient")
def test_a_purposes_key_is_not_retired_under_a_writer(
    server: Server, admin: psycopg.Connection, importer: psycopg.Connection, codec: FieldCodec
) -> None:
    first = quarantine(importer, codec, b"first")
    with connect(Login.IMPORTER, at=server) as writer:
        late = quarantine(writer, codec, b"late")
        assert [outcome.left for outcome in turn(server, Kind.DATA)] == [1]
        writer.commit()
    assert (refused_row(admin, codec, first), refused_row(admin, codec, late)) == (b"first", b"late")
    assert [outcome.left for outcome in turn(server, Kind.DATA)] == [0]
    assert (refused_row(admin, codec, first), refused_row(admin, codec, late)) == (b"first", b"late")


def test_who_wrote_since_it_was_read_keeps_what_they_wrote(
    server: Server, admin: psycopg.Connection, importer: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    person = next(iter(known))
    (version,) = admin.execute("select version from operational.profile where person_id = %s", [person]).fetchall()[0]
    write_phone(importer, codec, person, number(88))
    clear: people.Clear = (version, (b"stale", None, None, None, None))
    with connect(Login.ROTATOR, at=server) as rotator:
        keys = people.store_keys(rotator, codec.provider, [(person, 2)])
        people.write(rotator, codec, PROFILE, {person: clear}, keys)
    assert read_phone(admin, codec, person) == number(88)


def test_a_field_that_does_not_open_keeps_its_key_and_holds_nobody_up(
    server: Server, admin: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    broken, *sound = known
    admin.execute(
        "update operational.profile set phone = set_byte(phone, 40, get_byte(phone, 40) # 1) where person_id = %s",
        [broken],
    )
    assert [outcome.left for outcome in turn(server, *KEYS)] == [1, 1]
    assert keys_of(admin, broken) == [(1, True)]
    assert [keys_of(admin, person) for person in sound] == [[(1, False), (2, True)]] * 4


def test_contacts_without_an_index_get_one(
    server: Server, admin: psycopg.Connection, importer: psycopg.Connection, codec: FieldCodec, known: dict[UUID, str]
) -> None:
    admin.execute("delete from operational.blind_index")
    turn(server, Kind.INDEX)
    assert all(who_has(importer, codec, phone) == [person] for person, phone in known.items())
