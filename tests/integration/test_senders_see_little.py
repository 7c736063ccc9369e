"""Those who send see what is to be sent: the courier a clinic's feed, the messenger contacts of whom it writes to."""

from collections.abc import Iterator

import psycopg
import pytest
from access_world import CHICK, FINCH, HERON, WREN, World
from psycopg import sql

from api.messages.port import Message, MessageKind
from infra.database import clinic_transaction, connect
from infra.provisioner import set_up
from infra.roles import ClinicKind, Login
from tests.integration.posting import give_email, mail_server, queue, send


@pytest.fixture
def teller(world: World) -> Iterator[psycopg.Connection]:
    """The courier, as north's teller."""
    with (
        connect(Login.COURIER, at=world.server) as connection,
        clinic_transaction(connection, world.server.roles, "north", ClinicKind.TELLER),
    ):
        yield connection


@pytest.mark.check(1)
@pytest.mark.parametrize("kind", [ClinicKind.READER, ClinicKind.BUILDER])
def test_the_courier_becomes_no_reader_and_no_builder(world: World, kind: ClinicKind) -> None:
    with connect(Login.COURIER, at=world.server) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(world.server.roles.clinic("north", kind))))


@pytest.mark.check(1)
@pytest.mark.parametrize("zone", ["clinic_north", "clinic_south", "operational", "audit"])
def test_a_teller_reads_the_feed_and_no_name_profile_or_record(
    world: World, teller: psycopg.Connection, zone: str
) -> None:
    columns = world.look(
        "select table_name::text, column_name::text from information_schema.columns where table_schema = %s", zone
    )
    read = set()
    for table, column in columns:
        try:
            with teller.transaction():
                teller.execute(sql.SQL("select {} from {}").format(sql.Identifier(column), sql.Identifier(zone, table)))
            read.add(f"{table}.{column}")
        except psycopg.errors.InsufficientPrivilege:
            pass
    tables = {name.split(".")[0] for name in read}
    if zone == "clinic_north":
        feed = {"segment_clock", "segment_member", "segment_forget", "segment_stay", "segment_change", "withdrawal"}
        assert tables == feed | {"segment", "segment_version", "raw_patients"}
        assert {name for name in read if name.startswith(("segment.", "segment_version.", "raw_patients."))} == {
            "segment.segment_id", "segment.archived_at", "segment_version.segment_id", "segment_version.version",
            "segment_version.profile_dependent", "raw_patients.patient_id", "raw_patients.profile_shared",
            "raw_patients.profile_until",
        }  # fmt: skip
    else:
        assert tables == {"operational": {"clinic_role", "sharing_limit"}}.get(zone, set())


@pytest.mark.check(1)
def test_a_teller_finds_its_own_clinics_limits_alone_and_writes_nothing(
    world: World, teller: psycopg.Connection
) -> None:
    for (clinic, _), patient in world.patients.items():
        world.change(
            "insert into operational.sharing_limit (clinic_id, patient_id, source, ends_at)"
            " values (%s, %s, 'person', now()) on conflict do nothing",
            world.clinic_ids[clinic], patient,
        )  # fmt: skip
    rows = teller.execute("select distinct clinic_id from operational.sharing_limit").fetchall()
    assert rows == [(world.clinic_ids["north"],)]
    for statement in (
        "delete from segment_member",
        "update segment_clock set run = 0",
        "insert into withdrawal values (gen_random_uuid())",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), teller.transaction():
            teller.execute(statement)


def test_an_instance_whose_courier_was_a_reader_takes_that_back(world: World) -> None:
    names = world.server.roles
    reader, courier = names.clinic("north", ClinicKind.READER), names.of(Login.COURIER)
    with connect(Login.PROVISIONER, at=world.server, autocommit=True) as provisioner:
        provisioner.execute(sql.SQL("grant {} to {} with set true").format(*map(sql.Identifier, (reader, courier))))
    assert world.look("select pg_has_role(%s, %s, 'set')", courier, reader) == [(True,)]
    set_up(world.server)
    assert world.look("select pg_has_role(%s, %s, 'set')", courier, reader) == [(False,)]


def seen(world: World, table: str) -> set[object]:
    """Whose email the messenger reads of a table."""
    with connect(Login.MESSENGER, at=world.server) as connection:
        found = connection.execute(
            sql.SQL("select person_id from operational.{} where email is not null").format(sql.Identifier(table))
        )
        return {row[0] for row in found.fetchall()}


@pytest.mark.check(36)
def test_the_messenger_reads_contacts_of_whom_something_waits_for_alone(world: World) -> None:
    world.change("update operational.message set state = 'dead' where state = 'pending'")
    for name in (FINCH, WREN, HERON):
        give_email(world, name, f"{name.split()[1]}@example.org")
    assert seen(world, "profile") == seen(world, "account_contact") == set()
    queue(world, Message(MessageKind.FORM_REQUEST, world.people[CHICK]))
    finch, chick = world.people[FINCH], world.people[CHICK]
    assert seen(world, "account_contact") == {finch}, "a guardian of whom it is for"
    assert seen(world, "profile") == {chick}
    with mail_server() as (mailman, smtp):
        send(world, smtp)
        assert seen(world, "account_contact") == {finch} and seen(world, "profile") == {finch, chick}
        send(world, smtp)
    assert [to for to, _ in mailman.came] == ["Finch@example.org"]
    assert seen(world, "profile") == seen(world, "account_contact") == set()
