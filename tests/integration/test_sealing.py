"""Every committed event becomes a leaf, once, however late it commits; nothing else becomes one."""

import threading
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from infra.audit_tree.seal import seal
from infra.audit_tree.status import newest_checkpoint, rotate_key
from infra.audit_tree.streams import ACCESS, IMPERSONATION, STREAMS
from infra.audit_tree.tree import TreeChanged
from infra.database import Server, connect, connect_admin
from infra.errors import Misconfigured
from infra.roles import Login
from policies.audit.note import open_checkpoint
from tests.integration.sealing import add_event, add_events, assert_whole, keys, seal_all


def test_events_become_leaves_of_a_signed_tree(server: Server) -> None:
    add_events(server, 3, patients=[uuid4(), uuid4()])
    first = seal_all(server)["access"]
    assert first == assert_whole(server) >= 3
    assert seal_all(server) == {"access": 0, "impersonation": 0}
    add_events(server, 600)
    assert seal_all(server)["access"] == 600
    add_events(server, 70)
    assert seal_all(server)["access"] == 70
    assert assert_whole(server) == first + 670


def test_a_late_commit_is_not_skipped_and_holds_nobody_up(server: Server) -> None:
    seal_all(server)
    with connect(Login.SERVICE, at=server) as late:
        add_event(late)
        add_events(server, 2)
        assert seal_all(server)["access"] == 2
        assert seal_all(server)["access"] == 0
        late.commit()
    assert seal_all(server)["access"] == 1
    assert_whole(server)


def test_a_backlog_is_sealed_in_windows_and_what_is_done_stays_done(
    server: Server, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.audit_tree.seal.WINDOW", 3)
    seal_all(server)
    with connect(Login.SERVICE, at=server) as late, connect(Login.SERVICE, at=server, autocommit=True) as service:
        add_event(late)
        for number in range(12):
            add_event(service)
            if number == 6:  # a stretch in which transactions leave no event
                for _ in range(40):
                    admin.execute("select pg_current_xact_id()")
        signed = admin.execute("select count(*) from audit.checkpoint").fetchone()
        assert seal_all(server)["access"] == 12
        late.commit()
    assert admin.execute("select count(*) from audit.checkpoint").fetchone()[0] - signed[0] >= 4  # type: ignore[index]
    assert seal_all(server) == {"access": 1, "impersonation": 0}
    assert_whole(server)


def test_what_was_rolled_back_is_no_leaf(server: Server) -> None:
    seal_all(server)
    with connect(Login.SERVICE, at=server) as connection:
        add_event(connection)
        seal_all(server)
        connection.rollback()
    assert seal_all(server)["access"] == 0
    assert_whole(server)


def test_an_event_in_a_savepoint_is_sealed(server: Server) -> None:
    seal_all(server)
    with connect(Login.SERVICE, at=server) as connection:
        with connection.transaction():
            add_event(connection)
            with connection.transaction():
                add_event(connection)
        seal_all(server)
    assert assert_whole(server)


def test_two_sealers_at_once_take_turns(server: Server) -> None:
    add_events(server, 50)
    seal_all(server)
    writing = threading.Event()
    sealed: list[int] = []

    def work() -> None:
        while not writing.is_set():
            sealed.append(seal_all(server)["access"])

    sealers = [threading.Thread(target=work) for _ in range(2)]
    for sealer in sealers:
        sealer.start()
    for _ in range(15):
        add_events(server, 4)
    writing.set()
    for sealer in sealers:
        sealer.join()
    sealed.append(seal_all(server)["access"])
    assert sum(sealed) == 60
    assert_whole(server)


def test_after_a_restore_from_a_dump_what_has_no_leaf_is_sealed(server: Server, admin: psycopg.Connection) -> None:
    add_events(server, 5)
    seal_all(server)
    # Another server's transactions have other numbers: those of the dump lie ahead of them.
    admin.execute("alter table audit.checkpoint disable trigger append_only")
    admin.execute("update audit.checkpoint set system_id = 1, read_until = '900000000:900000000:'::pg_snapshot")
    add_events(server, 2)
    assert seal_all(server)["access"] == 2
    add_events(server, 1)
    assert seal_all(server)["access"] == 1
    assert_whole(server)


def test_nobody_says_which_transaction_wrote_an_event(server: Server) -> None:
    for login in (Login.SERVICE, Login.IMPORTER, Login.ROTATOR):
        with connect(login, at=server) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type,"
                " decision, policies, transaction_id) values (gen_random_uuid(), now(), 'x', 'x', 'key.rotate', 'x',"
                " 'permit', '{}', '3')"
            )


def test_no_row_of_the_log_is_dated_back_or_ahead(server: Server, admin: psycopg.Connection) -> None:
    """Or the line of an event that was sealed would change, as if somebody had tampered with it."""
    (event,) = add_events(server, 1)
    ((at,),) = admin.execute("select occurred_at from audit.access_event where event_id = %s", [event]).fetchall()
    for table, columns, login in (
        ("access_event", "principal_kind, role, action, resource_type, decision, policies", Login.SERVICE),
        ("access_event", "principal_kind, role, action, resource_type, decision, policies", Login.IMPORTER),
        ("disclosure", "clinic_id, patient_id", Login.SERVICE),
    ):
        values = "'x', 'x', 'x', 'x', 'permit', '{}'" if table == "access_event" else "1, gen_random_uuid()"
        text = f"insert into audit.{table} (event_id, occurred_at, {columns}) values (%s, %s, {values})"
        for when in (at, at + timedelta(seconds=60)):
            with connect(login, at=server) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text, [event, when])


def test_an_id_that_stands_twice_does_not_stop_the_sealer(server: Server) -> None:
    (event,) = add_events(server, 1)
    seal_all(server)
    with connect(Login.SERVICE, at=server) as connection:
        connection.execute(
            "insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type,"
            " decision, policies) values (%s, statement_timestamp(), 'x', 'x', 'x', 'x', 'permit', '{}')",
            [event],
        )
    assert seal_all(server)["access"] == 1
    assert_whole(server)


@pytest.mark.check(24)
@pytest.mark.parametrize(
    "change",
    [
        "update audit.leaf set hash = decode(repeat('00', 32), 'hex') where index = 1",
        "delete from audit.leaf where index = 2",
        "update audit.checkpoint set root = decode(repeat('00', 32), 'hex')",
        "update audit.checkpoint set note = replace(note, 'access', 'excess')",
    ],
)
def test_nothing_is_signed_on_top_of_a_tree_that_was_changed(
    server: Server, admin: psycopg.Connection, change: str
) -> None:
    add_events(server, 5)
    seal_all(server)
    for table in ("leaf", "checkpoint"):
        admin.execute(f"alter table audit.{table} disable trigger append_only")
    admin.execute(change)
    add_events(server, 1)
    with pytest.raises(TreeChanged):
        seal_all(server)


def test_a_log_that_was_signed_does_not_get_new_keys_unasked(server: Server) -> None:
    add_events(server, 1)
    seal_all(server)
    keyring = server.secrets_folder / "audit-keyring.json"
    kept = keyring.read_text()
    keyring.unlink()
    try:
        with pytest.raises(Misconfigured, match="is missing"):
            seal_all(server)
    finally:
        keyring.touch(0o600)
        keyring.write_text(kept)


def test_after_a_rotation_one_checkpoint_is_signed_by_both_keys(server: Server) -> None:
    old = keys(server)
    add_events(server, 1)
    seal_all(server)
    new = old.renewed(server.secrets_folder, old.verifiers("access"))
    for _ in range(2):
        add_events(server, 1)
        seal_all(server)
    with connect_admin(server) as admin:
        notes = [row[0] for row in admin.execute(
            "select note from audit.checkpoint where stream = 'access' order by size")]  # fmt: skip
    signers = [open_checkpoint(note, new.verifiers("access")).signed_by for note in notes]
    first, second = (found.signers("access")[0].verifier for found in (old, new))
    assert signers[-3:] == [(first,), (second, first), (second,)]
    # Twice more: the first key's private half is gone, its public one still opens what it signed. That of the second,
    # which signed last, is kept however often keys are rotated before the next checkpoint.
    for _ in range(2):
        rotate_key(server)
    assert len(keys(server).keys) == 2 and first in keys(server).verifiers("access")
    add_events(server, 1)
    seal_all(server)
    newest = open_checkpoint(newest_checkpoint(server, ACCESS), keys(server).verifiers("access"))
    assert len(newest.signed_by) == 2 and second in newest.signed_by
    assert_whole(server)


@pytest.mark.parametrize("stream", STREAMS.values(), ids=list(STREAMS))
def test_every_column_of_an_event_is_in_its_line(admin: psycopg.Connection, stream: object) -> None:
    assert stream in (ACCESS, IMPERSONATION)
    columns = admin.execute(
        "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        [f"audit.{stream.table}"],  # type: ignore[attr-defined]
    )
    assert {row[0] for row in columns} == {*stream.fields, "transaction_id"}  # type: ignore[attr-defined]


@pytest.mark.check(26)
def test_the_sealer_reads_events_appends_leaves_and_does_nothing_else(server: Server) -> None:
    add_events(server, 1)
    seal_all(server)
    with connect(Login.SEALER, at=server, autocommit=True) as connection:
        for text in (
            "insert into audit.access_event default values",
            "update audit.leaf set hash = hash",
            "delete from audit.checkpoint",
            "truncate audit.leaf",
            "select from operational.person",
            "alter table audit.leaf disable trigger all",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)
        assert seal(connection, ACCESS, keys(server)) == 0
