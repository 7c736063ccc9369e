"""Months past their retention leave the log for a verified file, and nothing of them is dropped or may be changed."""

from datetime import date
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import ValidationError

from infra.audit_tree.archive import archive
from infra.audit_tree.export import export
from infra.audit_tree.verify_file import verify_file
from infra.database import Server, connect
from infra.errors import InvalidInput, Refused
from infra.provisioner import provisioning
from infra.roles import Login
from infra.settings import Settings
from tests.integration.sealing import add_events, assert_whole, seal_all

MARCH, APRIL = date(2015, 3, 7), date(2015, 4, 1)
_OLD = """
insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type, clinic_id,
    decision, policies, patients)
values (%s, %s, 'user', 'clinic_staff', 'member.list', 'segment', 1, 'permit', '{}', 1)
"""
_FORGET = """
delete from audit.access_event where event_id in (select event_id from audit.access_event_2015_03 limit 1)
"""


def old_events(admin: psycopg.Connection, at: Server, *days: date) -> None:
    """Events of these days, each of one patient, sealed in this order and among those of today."""
    with provisioning(at) as connection:
        for day in days:
            connection.execute("select audit.ensure_month(%s)", [day])
    for day in days:
        event = uuid4()
        admin.execute(_OLD, [event, day])
        admin.execute("insert into audit.disclosure values (%s, %s, 1, gen_random_uuid())", [event, day])
        add_events(at, 1)
        seal_all(at)


def attached(admin: psycopg.Connection) -> set[str]:
    rows = admin.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'audit.access_event'::regclass"
    )
    return {row[0] for row in rows}


def test_old_months_are_archived_verified_and_detached(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    old_events(admin, server, MARCH, APRIL, MARCH)
    admin.execute(
        "insert into audit.impersonation_event"
        " (event_id, occurred_at, session_id, actor_id, subject_id, action, reason)"
        " values (gen_random_uuid(), %s, 's', gen_random_uuid(), gen_random_uuid(), 'x', 'fault')",
        [MARCH],
    )  # fmt: skip
    seal_all(server)
    before = attached(admin)
    done = archive(server, tmp_path, 6)
    assert [(made.path.name, made.events) for made in done] == [
        ("access_2015_03.ndjson.gz", 2), ("impersonation_2015_03.ndjson.gz", 1), ("access_2015_04.ndjson.gz", 1),
    ]  # fmt: skip
    assert before - attached(admin) == {"audit.access_event_2015_03", "audit.access_event_2015_04"}
    for made in done:
        assert verify_file(made.path).events == made.events
        assert made.path.stat().st_mode & 0o077 == 0
    assert admin.execute("select count(*) from audit.disclosure_2015_03").fetchone() == (2,)
    archived = admin.execute("select resource_id from audit.access_event where action = 'log.archive' order by 1")
    assert archived.fetchall() == [("2015_03",), ("2015_04",)]
    # The log itself still verifies from its first leaf on, together with the archives.
    seal_all(server)
    rest, files = export(server, tmp_path / "rest").path, [made.path for made in done if made.path.match("access*")]
    found = verify_file(rest, archives=files)
    assert found.archived == 3 and found.events == found.checkpoint.size - 3
    assert archive(server, tmp_path, 6) == []
    for given in ([], files[:1], files[1:]):
        with pytest.raises(Refused, match=r"^index \d+: the event is said to lie in an archive, and in none"):
            verify_file(rest, archives=given)
    with pytest.raises(InvalidInput, match="of another log"):
        verify_file(rest, archives=[made.path for made in done])


@pytest.mark.check(24)
def test_a_month_of_which_an_event_is_gone_is_not_archived(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    old_events(admin, server, MARCH, MARCH)
    admin.execute("set session_replication_role = replica")
    for _ in range(2):  # one, and all of them
        admin.execute(_FORGET)
        with pytest.raises(Refused, match="are not there any more, only their leaves"):
            archive(server, tmp_path, 6)
    assert "audit.access_event_2015_03" in attached(admin)


@pytest.mark.check(24)
def test_what_is_gone_from_a_month_that_is_kept_is_not_said_to_be_archived(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    old_events(admin, server, MARCH)
    (made,) = archive(server, tmp_path, 6)
    (event,) = add_events(server, 1)
    seal_all(server)
    admin.execute("set session_replication_role = replica")
    admin.execute("delete from audit.access_event where event_id = %s", [event])
    admin.execute("update audit.leaf set occurred_at = %s where event_id = %s", [MARCH, event])
    ((index,),) = admin.execute("select index from audit.leaf where event_id = %s", [event]).fetchall()
    with pytest.raises(Refused, match=rf"^index {index}: the event is said to lie in an archive, and in none"):
        verify_file(export(server, tmp_path / "rest").path, archives=[made.path])


@pytest.mark.check(26)
def test_a_detached_month_is_changed_by_nobody(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    old_events(admin, server, MARCH)
    archive(server, tmp_path, 6)
    for part in ("access_event_2015_03", "disclosure_2015_03", "impersonation_event_2015_03"):
        for text in ("update audit.{} set event_id = event_id", "delete from audit.{}", "truncate audit.{}"):
            if "impersonation" not in part or "truncate" in text:  # which has no row to change
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    admin.execute(text.format(part))
            with connect(Login.SERVICE, at=server) as service, pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(text.format(part))


def test_what_is_not_sealed_or_was_changed_is_not_archived(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    old_events(admin, server, MARCH, MARCH)
    admin.execute(_OLD, [uuid4(), MARCH])
    with pytest.raises(Refused, match="1 events of 2015_03 are not sealed"):
        archive(server, tmp_path, 6)
    seal_all(server)
    admin.execute("set session_replication_role = replica")
    admin.execute("update audit.access_event set role = 'x' where occurred_at = %s", [MARCH])
    with pytest.raises(Refused, match="not the one that was sealed"):
        archive(server, tmp_path, 6)
    assert "audit.access_event_2015_03" in attached(admin)
    assert assert_whole(server)


def test_the_retention_is_six_years_or_longer(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    old_events(admin, server, MARCH)
    assert Settings().audit_retention_years == 6
    with pytest.raises(ValidationError):
        Settings(audit_retention_years=5)
    assert archive(server, tmp_path, 6, today=date(2021, 3, 31)) == []
    assert archive(server, tmp_path, 7, today=date(2022, 3, 1)) == []
    assert len(archive(server, tmp_path, 6, today=date(2021, 4, 1))) == 1
